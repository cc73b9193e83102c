import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clinical_ie.ner.tags import decode_tags, encode_spans, n_tags


@st.composite
def flat_spans(draw):
    n_tokens = draw(st.integers(0, 12))
    borders = sorted(draw(st.sets(st.integers(0, n_tokens))))
    pairs = list(itertools.pairwise(borders))
    return n_tokens, [(a, b, draw(st.integers(0, 2))) for a, b in pairs if draw(st.booleans())]


@given(flat_spans())
def test_tags_decode_to_the_spans_they_came_from(case):
    n_tokens, spans = case
    tags = encode_spans(spans, n_tokens)
    scores = np.full((n_tokens, n_tags(3)), -20.0, dtype="f")
    scores[np.arange(n_tokens), tags] = 0.0
    decoded, confidences = decode_tags(scores)
    assert decoded == spans
    assert all(c == 1.0 for c in confidences)


def legal_paths(n_tokens: int, n_labels: int):
    """Every legal tag path, by trying them all."""
    for path in itertools.product(range(n_tags(n_labels)), repeat=n_tokens):
        within = None
        for tag in path:
            label, kind = divmod(tag - 1, 4)
            if tag == 0 or kind in {0, 3}:
                if within is not None:
                    break
                within = label if tag and kind == 0 else None
            elif within != label:
                break
            elif kind == 2:
                within = None
        else:
            if within is None:
                yield path


@settings(max_examples=60)
@given(
    st.integers(1, 4).flatmap(
        lambda n: arrays(
            np.float32, (n, n_tags(2)), elements=st.floats(-8, 0, width=32), unique=True
        )
    )
)
def test_the_path_is_the_best_of_all_legal_ones(scores):
    n_tokens = len(scores)
    rows = np.arange(n_tokens)
    best = max(float(scores[rows, list(path)].sum()) for path in legal_paths(n_tokens, 2))
    spans, confidences = decode_tags(scores)
    ours = float(scores[rows, encode_spans(spans, n_tokens)].sum())
    assert abs(ours - best) < 1e-4
    assert all(0 <= c <= 1 for c in confidences)


def test_long_texts_keep_their_precision():
    rng = np.random.default_rng(0)
    tags = encode_spans([(i, i + 3, i % 2) for i in range(0, 60_000, 7)], 60_000)
    scores = rng.normal(-9, 0.1, size=(60_000, n_tags(2))).astype("f")
    scores[np.arange(60_000), tags] += 0.8
    spans, _ = decode_tags(scores)
    assert spans == [(i, i + 3, i % 2) for i in range(0, 60_000, 7)]


def test_no_tokens_no_spans():
    assert decode_tags(np.zeros((0, n_tags(2)), dtype="f")) == ([], [])
