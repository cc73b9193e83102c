import itertools
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clinical_ie.ner import tags
from clinical_ie.ner.chains import best_path
from clinical_ie.ner.tags import best_spans, decode_tags, gold_tags, n_tag_scores, tag_loss

N_LABELS = 3


@st.composite
def batches(draw):
    """Docs with mentions, of which those with the same label do not overlap."""
    docs = []
    for n_tokens in draw(st.lists(st.integers(0, 10), min_size=1, max_size=4)):
        spans = []
        for label in range(N_LABELS):
            borders = sorted(draw(st.sets(st.integers(0, n_tokens))))
            pairs = itertools.pairwise(borders)
            spans += [(a, b, label) for a, b in pairs if draw(st.booleans())]
        docs.append((n_tokens, sorted(spans)))
    return docs


def without_overlap(spans):
    kept = []
    for span in spans:
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def sure_scores(docs) -> np.ndarray:
    gold = [gold_tags(spans, n, N_LABELS) for n, spans in docs]
    gold = np.concatenate(gold)
    return (gold * 40 - 20).reshape(len(gold), n_tag_scores(N_LABELS))


# The second mention loses a token to the first, and the rest of it could be a mention.
@example([(6, [(0, 3, 0), (2, 6, 1)])], True)
@given(batches(), st.booleans())
def test_tags_decode_to_the_mentions_they_came_from(docs, overlapping):
    if not overlapping:
        docs = [(n, without_overlap(spans)) for n, spans in docs]
    decoded = decode_tags(sure_scores(docs), [n for n, _ in docs], overlapping)
    assert [sorted(spans) for spans, _ in decoded] == [spans for _, spans in docs]
    assert all(0 < c <= 1 for _, confidences in decoded for c in confidences)
    if not overlapping:
        assert all(c > 0.999 for _, confidences in decoded for c in confidences)


@given(st.integers(0, 2**32 - 1), st.floats(-2, 2))
def test_mentions_of_one_label_never_overlap(seed, bias):
    scores = np.random.default_rng(seed).normal(0, 3, (9, 4 * N_LABELS)).astype("f")
    for overlapping in (True, False):
        [(spans, _)] = decode_tags(scores, [9], overlapping, bias)
        for label in range(N_LABELS) if overlapping else [None]:
            chosen = sorted(span for span in spans if label in {None, span[2]})
            assert without_overlap(chosen) == chosen


# With these margins, the longer mention has a probability of 0.80 and 0.95.
@pytest.mark.parametrize(("margin", "end"), [(1.4, 3), (3.0, 4)])
def test_a_mention_takes_the_place_of_one_with_its_label_where_it_is_all_but_certain(margin, end):
    scores = np.full((5, 2, 4), -20, dtype="f")
    # The mention ends at token 3, or at token 4, which another label claims.
    scores[0, 0, tags.B] = scores[1, 0, tags.I] = scores[2, 0, tags.L] = scores[2, 0, tags.I] = 5
    scores[3, 0, tags.L] = margin
    scores[3, 1, tags.B] = scores[4, 1, tags.L] = 5
    [(spans, _)] = decode_tags(scores.reshape(5, 8), [5], overlapping=True)
    assert spans == [(0, end, 0), (3, 5, 1)]


def test_a_higher_bias_finds_more():
    scores = np.random.default_rng(0).normal(-2, 1, (200, 4 * N_LABELS)).astype("f")
    counts = [len(decode_tags(scores, [200], True, bias)[0][0]) for bias in (-2, 0, 2)]
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("n_tokens", [1, 2, 5])
def test_the_bias_is_added_once_to_each_mention(n_tokens):
    scores = np.full((n_tokens + 2, 1, 4), -30, dtype="f")
    # Without a bias, the mention is as probable as none.
    scores[1:-1][gold_tags([(0, n_tokens, 0)], n_tokens, 1) == 1] = 0
    [[(span, probability)]] = [
        list(zip(*found, strict=True))
        for found in decode_tags(scores.reshape(-1, 4), [n_tokens + 2], False, bias=1.5)
    ]
    assert span == (1, n_tokens + 1, 0)
    assert probability == pytest.approx(1 / (1 + np.exp(-1.5)), abs=1e-5)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
    st.floats(-1, 1),
    st.integers(0, 2**32 - 1),
)
def test_the_best_path_is_the_same_for_all_who_ask(lengths, bias, seed):
    scores = np.random.default_rng(seed).normal(0, 3, (sum(lengths), 4 * N_LABELS)).astype("f")
    flat, overlapping = (decode_tags(scores, lengths, which, bias) for which in (False, True))
    assert best_spans(scores, lengths, bias) == [spans for spans, _ in flat]
    # What is on the path keeps its probability there, whatever is added to it.
    for on_path, found in zip(flat, overlapping, strict=True):
        probabilities = dict(zip(*on_path, strict=True))
        for span, probability in zip(*found, strict=True):
            assert probability == pytest.approx(probabilities.get(span, probability), abs=1e-5)


@given(st.booleans(), st.integers(0, 2**32 - 1))
def test_a_long_note_is_decoded_in_parts(overlapping, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (60, 4 * N_LABELS)).astype("f")
    scores[rng.random(60) < 0.4] = -50
    whole = decode_tags(scores, [50, 10], overlapping)
    sizes = []

    def measured(scores, chains):
        sizes.append(len(scores) - chains.lengths.max(initial=0))
        return best_path(scores, chains)

    with patch.object(tags, "_SCORES_AT_ONCE", 12), patch.object(tags, "best_path", measured):
        parts = decode_tags(scores, [50, 10], overlapping)
    assert max(sizes) <= 12
    assert [spans for spans, _ in parts] == [spans for spans, _ in whole]
    for (_, ours), (_, theirs) in zip(parts, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=3), st.booleans(), st.integers(0, 2**32 - 1)
)
def test_what_is_pruned_is_in_no_mention(lengths, overlapping, seed):
    rng = np.random.default_rng(seed)
    scores = np.maximum(rng.normal(-1, 2, (sum(lengths), 4 * N_LABELS)), -6.9).astype("f")
    scores[rng.random(sum(lengths)) < 0.3] = -50
    pruned = decode_tags(scores, lengths, overlapping)
    with patch.object(tags, "_PRUNE", -np.inf):
        whole = decode_tags(scores, lengths, overlapping)
    assert [spans for spans, _ in pruned] == [spans for spans, _ in whole]
    for (_, ours), (_, theirs) in zip(pruned, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@given(st.booleans(), st.integers(0, 2**32 - 1))
def test_notes_are_cut_where_no_mention_is(overlapping, seed):
    rng = np.random.default_rng(seed)
    starts = np.flatnonzero(rng.random(60) < 0.5) * 5
    spans = [(s, s + rng.integers(1, 6), rng.integers(N_LABELS)) for s in starts.tolist()]
    # No tag is improbable enough to be pruned.
    scores = gold_tags(spans, 300, N_LABELS) * 12 - 5 + rng.normal(0, 0.5, (300, N_LABELS, 4))
    scores = scores.reshape(300, -1).astype("f")
    with patch.object(tags, "_STRETCH", 16):
        cut = decode_tags(scores, [200, 100], overlapping)
    with patch.object(tags, "_CUT", -np.inf):
        whole = decode_tags(scores, [200, 100], overlapping)
    assert [spans for spans, _ in cut] == [spans for spans, _ in whole]
    assert sum(len(spans) for spans, _ in cut) == len(spans)
    for (_, ours), (_, theirs) in zip(cut, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.01)


@pytest.mark.parametrize("overlapping", [True, False])
def test_no_note_is_cut_where_a_mention_may_be(overlapping):
    scores = np.full((40, 4), -3.2, dtype="f")
    # Longer than a stretch, and hardly more probable than none.
    scores[4, tags.B] = scores[36, tags.L] = 0.5
    scores[5:36, tags.I] = 0.01
    with patch.object(tags, "_STRETCH", 16):
        [(spans, _)] = decode_tags(scores, [40], overlapping)
    assert spans == [(4, 37, 0)]


@pytest.mark.parametrize("overlapping", [True, False])
@pytest.mark.parametrize("n_before", [0, 28, 60, 128])
def test_a_note_is_decoded_alike_whatever_stands_before_it(n_before, overlapping):
    # The middle row of a mention looks least like one: a stretch of 128 would be cut there.
    scores = np.full((100, 4), -3.2, dtype="f")
    scores[50, tags.B], scores[52, tags.L] = 5, 5
    scores[51] = -3.5
    alone, sure = decode_tags(scores, [100], overlapping)[0]
    assert alone == [(50, 53, 0)]
    before = np.full((n_before, 4), -3.2, dtype="f")
    among = decode_tags(np.concatenate([before, scores]), [n_before, 100], overlapping)[1]
    assert among[0] == alone
    np.testing.assert_allclose(among[1], sure, atol=1e-6)


@pytest.mark.parametrize("competing", [True, False])
def test_the_gradient_is_that_of_the_loss(competing):
    rng = np.random.default_rng(0)
    lengths = [3, 0, 4]
    scores = rng.normal(0, 1, (7, 4 * N_LABELS))
    gold = np.concatenate(
        [gold_tags([(0, 2, 1)], 3, N_LABELS), gold_tags([(0, 3, 0), (3, 4, 2)], 4, N_LABELS)]
    )
    _, gradient = tag_loss(scores, gold, lengths, competing)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-4
        above, _ = tag_loss(scores + step, gold, lengths, competing)
        below, _ = tag_loss(scores - step, gold, lengths, competing)
        assert abs((above - below) / 2e-4 - gradient[place]) < 1e-4


@pytest.mark.parametrize("competing", [True, False])
def test_sure_and_right_costs_nothing(competing):
    docs = [(7, [(0, 4, 1), (5, 6, 0)])]
    gold = gold_tags(docs[0][1], 7, N_LABELS)
    loss, gradient = tag_loss(sure_scores(docs), gold, [7], competing)
    assert abs(loss) < 1e-4
    assert np.abs(gradient).max() < 1e-4
