import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from clinical_ie.relations.candidates import N_DISTANCES, Schema, distance_classes, find_candidates

VOCAB = spacy.blank("en").vocab
LABELS = ["Drug", "ADE", "Reason"]


@given(
    borders=st.lists(
        st.tuples(st.integers(0, 39), st.integers(1, 6), st.sampled_from(LABELS)), max_size=12
    ),
    pairs=st.sets(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS))),
    max_distance=st.integers(0, 40),
)
def test_finds_just_the_near_pairs_of_known_types(borders, pairs, max_distance):
    doc = Doc(VOCAB, words=["w"] * 45)
    spans = [Span(doc, start, start + n, label=label) for start, n, label in borders]
    candidates = find_candidates(doc, spans, Schema(pairs), max_distance)
    ours = set(zip(candidates.heads.tolist(), candidates.tails.tolist(), strict=True))
    assert len(ours) == len(candidates)
    brute = {
        (i, j)
        for i, head in enumerate(spans)
        for j, tail in enumerate(spans)
        if i != j
        and (head.label_, tail.label_) in pairs
        and max(head.start - tail.end, tail.start - head.end) <= max_distance
    }
    assert ours == brute
    assert all(0 <= d < N_DISTANCES for d in distance_classes(candidates))
    assert candidates.sure.tolist() == [1.0] * len(spans)


def test_distance_tells_the_order_apart():
    doc = Doc(VOCAB, words=["w"] * 9)
    spans = [Span(doc, 0, 1, label="Drug"), Span(doc, 4, 5, label="Drug")]
    candidates = find_candidates(doc, spans, Schema([("Drug", "Drug")]), 10)
    forward, backward = distance_classes(candidates)
    assert (forward, backward - forward) == (3, N_DISTANCES // 2)


def test_each_distance_keeps_its_class():
    """Saved pipelines have learned a vector for each class."""
    last_gaps = [0, 1, 2, 3, 5, 8, 12, 20, 35, 60]
    for number, last in enumerate(last_gaps):
        for gap, expected in ((last, number), (last + 1, number + 1)):
            doc = Doc(VOCAB, words=["w"] * (gap + 4))
            spans = [Span(doc, 0, 2, label="Drug"), Span(doc, gap + 2, gap + 4, label="Drug")]
            candidates = find_candidates(doc, spans, Schema([("Drug", "Drug")]), 100)
            assert distance_classes(candidates).tolist() == [expected, 11 + expected]


@pytest.mark.parametrize(("start", "end", "expected"), [(0, 2, [0, 0]), (2, 6, [0, 11])])
def test_overlapping_mentions_are_at_no_distance(start, end, expected):
    doc = Doc(VOCAB, words=["w"] * 6)
    spans = [Span(doc, 0, 5, label="Drug"), Span(doc, start, end, label="Drug")]
    candidates = find_candidates(doc, spans, Schema([("Drug", "Drug")]), 0)
    assert sorted(distance_classes(candidates).tolist()) == expected
