from itertools import combinations

import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from clinical_ie.doc import set_mentions
from clinical_ie.token_spans import TokenSpans

VOCAB = spacy.blank("en").vocab


def _described(spans) -> list[tuple[int, int, str, str, str]]:
    return sorted((s.start, s.end, s.label_, s.id_, s.kb_id_) for s in spans)


@given(st.lists(st.sampled_from(["a", "\n", "b"]), min_size=1, max_size=12), st.data())
def test_flat_mentions_are_those_of_filter_spans(words, data):
    doc = Doc(VOCAB, words=words, ents=["B-Old"] + ["O"] * (len(words) - 1))
    place = st.sampled_from(list(combinations(range(len(words) + 1), 2)))
    label = st.sampled_from(["Drug", "ADE", "\u00e9", ""])
    drawn = data.draw(st.lists(st.tuples(place, label, st.sampled_from(["", "Q1"])), max_size=8))
    spans = [
        Span(doc, *tokens, label=label, kb_id=kb, span_id=f"T{number}")
        for number, (tokens, label, kb) in enumerate(drawn)
    ]
    trimmed = []
    for span in spans:
        inside = [token.i for token in span if not token.is_space]
        if inside:
            more = {"label": span.label, "kb_id": span.kb_id, "span_id": span.id}
            trimmed.append(Span(doc, inside[0], inside[-1] + 1, **more))
    # The stable order of equal ones, which `filter_spans` leaves as it was.
    expected = [span for span in filter_spans(trimmed) if span.label]
    set_mentions(doc, spans, [1.0] * len(spans))
    assert _described(doc.ents) == _described(expected)
    assert {token.ent_iob_ for token in doc} <= {"B", "I", "O"}
    assert _described(doc.spans["entities"]) == _described(spans)


@given(st.lists(st.sampled_from(["a", "bc"]), min_size=1, max_size=9), st.data())
def test_both_ways_to_columns_agree(words, data):
    doc = Doc(VOCAB, words=words)
    place = st.sampled_from(list(combinations(range(len(words) + 1), 2)))
    places = data.draw(st.lists(place, max_size=5))
    spans = [Span(doc, *tokens, label="X", span_id=f"T{at}") for at, tokens in enumerate(places)]
    given_spans = TokenSpans.of(spans)
    borders = [(span.start_char, span.end_char) for span in spans]
    ids = [span.id_ for span in spans]
    touching = TokenSpans.touching(doc, borders, ["X"] * len(spans), ids)
    assert list(touching.spans) == spans
    for name in ("first", "after", "hashes"):
        assert (getattr(touching, name) == getattr(given_spans, name)).all()
    assert (touching.characters, touching.ids) == (given_spans.characters, given_spans.ids)
