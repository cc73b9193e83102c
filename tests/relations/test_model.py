import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from clinical_ie.relations import model
from clinical_ie.relations.candidates import Schema, find_candidates
from clinical_ie.relations.model import PairIndex, PairNet, RunningSums, index_pairs

VOCAB = spacy.blank("en").vocab


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_a_mean_is_that_of_its_rows(n_rows, seed):
    rng = np.random.default_rng(seed)
    X = torch.from_numpy(rng.normal(size=(n_rows, 2)).astype("f"))
    borders = np.sort(rng.integers(0, n_rows + 1, (20, 2)), axis=1)
    starts, ends = torch.from_numpy(borders.T.copy())
    found = RunningSums(X.clone()).mean(starts, ends)
    for (start, end), mean in zip(borders.tolist(), found, strict=True):
        expected = X[start:end].mean(dim=0) if start < end else torch.zeros(2)
        torch.testing.assert_close(mean, expected, atol=1e-5, rtol=1e-5)


@st.composite
def notes(draw):
    """Docs with mentions, of a type that the model does not know, too."""
    docs = []
    for n_tokens in draw(st.lists(st.integers(0, 9), min_size=1, max_size=3)):
        doc = Doc(VOCAB, words=["w"] * n_tokens)
        places = draw(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4)), max_size=4))
        spans = [
            Span(doc, start, min(start + length, n_tokens), label=draw(st.sampled_from("ADX")))
            for start, length in places
            if start < n_tokens
        ]
        docs.append((doc, spans))
    return docs


SCHEMA = Schema([(head, tail) for head in "ADX" for tail in "ADX"])


@given(notes())
def test_pairs_are_described_by_where_they_stand_in_the_batch(docs):
    batch = [find_candidates(doc, spans, SCHEMA, 100) for doc, spans in docs]
    index = index_pairs(batch, ["A", "D"])
    offset, pair = 0, 0
    assert index.docs.tolist() == [
        [end - len(doc), end]
        for (doc, _), end in zip(
            docs, np.cumsum([len(doc) for doc, _ in docs]).tolist(), strict=True
        )
    ]
    for number, candidates in enumerate(batch):
        for head, tail in zip(candidates.heads, candidates.tails, strict=True):
            ends = candidates.spans[head], candidates.spans[tail]
            for span, at in zip(ends, (index.heads[pair], index.tails[pair]), strict=True):
                place = index.starts[at] - offset, index.ends[at] - offset
                assert place == (span.start, span.end)
                assert index.types[at] == "ADX".index(span.label_)
            first, last = sorted(ends, key=lambda span: span.start)
            between = set(range(first.end, last.start))
            assert set(range(*(index.between[pair] - offset))) == between
            assert index.doc_of[pair] == number
            pair += 1
        offset += len(candidates.doc)
    assert pair == len(index.heads) == len(index.distances)


def by_hand(net: PairNet, X: torch.Tensor, index: PairIndex, pair: int) -> torch.Tensor:
    """The scores of one pair, without anything that saves time or memory."""
    mentions = []
    for at in (index.heads[pair], index.tails[pair]):
        own = X[index.starts[at] : index.ends[at]]
        kind = torch.tensor(index.types[at])
        mentions.append((torch.cat([own[0], own[-1], own.mean(dim=0)]), kind))
    head = net.head(mentions[0][0]) + net.head_type(mentions[0][1])
    tail = net.tail(mentions[1][0]) + net.tail_type(mentions[1][1])
    first, end = index.between[pair]
    words = X[first:end].mean(dim=0) if first < end else torch.zeros(X.shape[1])
    first, end = index.docs[index.doc_of[pair]]
    about = net.between(words) + net.note(X[first:end].mean(dim=0))
    vector = head * tail + head + tail + about + net.distance(torch.tensor(index.distances[pair]))
    gelu = torch.nn.functional.gelu
    return net.output(gelu(net.inner(gelu(net.norm(vector)))))


@pytest.mark.parametrize("rows_at_once", [1000, 7])
def test_pairs_are_scored_as_they_would_be_one_by_one(monkeypatch, rows_at_once):
    monkeypatch.setattr(model, "ROWS_AT_ONCE", rows_at_once)
    torch.manual_seed(0)
    net = PairNet(n_in=6, n_out=3, n_types=2, hidden=8).eval()
    batch = []
    for n_tokens in (20, 30):
        doc = Doc(VOCAB, words=["w"] * n_tokens)
        spans = [Span(doc, n, n + 1 + n % 3, label="ADX"[n % 3]) for n in range(0, n_tokens - 3, 4)]
        batch.append(find_candidates(doc, spans, SCHEMA, 9))
    index, X = index_pairs(batch, ["A", "D"]), torch.randn(50, 6)
    with torch.no_grad():
        found = net(X, index, dropout=0.0)
        expected = [by_hand(net, X, index, pair) for pair in range(len(index.heads))]
    assert len(found) > 7
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_between_nested_mentions_is_nothing():
    doc = Doc(VOCAB, words=["w"] * 9)
    spans = [Span(doc, 1, 8, label="A"), Span(doc, 3, 5, label="A")]
    index = index_pairs([find_candidates(doc, spans, Schema([("A", "A")]), 9)], ["A"])
    assert len(index.between) == 2
    # Not the same as no range at all: a mean from 8 to 5 would be that of what lies between.
    assert (index.between[:, 0] == index.between[:, 1]).all()
