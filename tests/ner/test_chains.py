"""The chain algorithms, compared with a reference that tries every path."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clinical_ie.ner.chains import Chains, best_path, span_probabilities, tag_marginals

SCORES = st.floats(-6, 6, width=32)


def legal_paths(n_rows: int, n_labels: int):
    """Every legal path, as a list of mentions (first, last, label)."""
    tags = [None, *itertools.product(range(n_labels), "BILU")]
    for path in itertools.product(tags, repeat=n_rows):
        mentions, opened = [], None
        for row, tag in enumerate(path):
            label, kind = tag or (None, "O")
            if kind in "OBU" and opened is not None:
                break
            if kind in "IL" and (opened is None or opened[1] != label):
                break
            if kind == "B":
                opened = row, label
            elif kind == "L":
                mentions.append((opened[0], row, label))
                opened = None
            elif kind == "U":
                mentions.append((row, row, label))
        else:
            if opened is None:
                yield mentions


def path_score(scores, mentions) -> float:
    total = 0.0
    for first, last, label in mentions:
        if first == last:
            total += float(scores[first, label, 3])
            continue
        total += float(scores[first, label, 0] + scores[last, label, 2])
        total += float(scores[first + 1 : last, label, 1].sum())
    return total


def one_chain(n_rows: int) -> Chains:
    return Chains.of(np.array([0]), np.array([n_rows]))


def drawn(n_rows: int, n_labels: int):
    return arrays(np.float32, (n_rows, n_labels, 4), elements=SCORES, unique=True)


@settings(max_examples=40)
@given(st.integers(1, 4).flatmap(lambda n: drawn(n, 2)))
def test_the_best_path_is_the_best_of_all(scores):
    best = max(path_score(scores, mentions) for mentions in legal_paths(len(scores), 2))
    columns = best_path(scores, one_chain(len(scores)))
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found in list(legal_paths(len(scores), 2))
    assert abs(path_score(scores, found) - best) < 1e-4


@settings(max_examples=40)
@given(st.integers(1, 4).flatmap(lambda n: drawn(n, 2)))
def test_probabilities_are_sums_over_all_paths(scores):
    paths = list(legal_paths(len(scores), 2))
    weights = np.exp([path_score(scores, mentions) for mentions in paths])
    log_sum, marginals = tag_marginals(scores, one_chain(len(scores)))
    assert abs(log_sum - np.log(weights.sum())) < 1e-4
    everything = sorted({mention for mentions in paths for mention in mentions})
    columns = (np.array(column) for column in zip(*everything, strict=True))
    ours = span_probabilities(marginals, *columns)
    for mention, probability in zip(everything, ours, strict=True):
        holds = [mention in mentions for mentions in paths]
        assert abs(probability - weights[holds].sum() / weights.sum()) < 1e-4


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_chains_do_not_know_of_each_other(lengths, seed):
    scores = np.random.default_rng(seed).normal(0, 3, (sum(lengths), 2, 4)).astype("f")
    ends = np.cumsum(lengths)
    together = Chains.of(ends - lengths, np.array(lengths))
    log_sum, marginals = tag_marginals(scores, together)
    found = [column.tolist() for column in best_path(scores, together)]
    alone_sum, alone_found = 0.0, [[], [], []]
    for end, length in zip(ends.tolist(), lengths, strict=True):
        if not length:
            continue
        part = scores[end - length : end]
        log_z, alone = tag_marginals(part, one_chain(length))
        alone_sum += log_z
        np.testing.assert_allclose(marginals[end - length : end], alone, atol=1e-6)
        first, last, labels = best_path(part, one_chain(length))
        offset = end - length
        for column, values in zip(
            alone_found, (first + offset, last + offset, labels), strict=True
        ):
            column += values.tolist()
    assert abs(alone_sum - log_sum) < 1e-6
    assert found == alone_found


def test_long_chains_keep_their_precision():
    rng = np.random.default_rng(0)
    n = 60_000
    scores = rng.normal(-9, 0.1, size=(n, 2, 4)).astype("f")
    truth = [(i, i + 2, i % 2) for i in range(0, n - 3, 7)]
    for first, last, label in truth:
        scores[first, label, 0] = scores[first + 1, label, 1] = scores[last, label, 2] = 0.3
    columns = best_path(scores, one_chain(n))
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == truth
    _, marginals = tag_marginals(scores, one_chain(n))
    probabilities = span_probabilities(marginals, *columns)
    # Three scores of 0.3 against staying outside.
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-0.9)), atol=2e-3)


@pytest.mark.parametrize("size", [4, 12, 60])
def test_single_precision_gives_the_same_probabilities(size):
    rng = np.random.default_rng(size)
    # Scores near the largest possible certainty, for and against, at random positions.
    scores = (size * rng.choice([-1, 0, 1], (300, 3, 4)) + rng.normal(size=(300, 3, 4))).astype("f")
    chains = Chains.of(np.array([0, 250]), np.array([250, 50]))
    _, expected = tag_marginals(scores, chains)
    _, found = tag_marginals(scores, chains, np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-5)
