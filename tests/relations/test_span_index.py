import random
from typing import Any

import spacy
from spacy.tokens import Span

from clinical_ie.relations.span_index import SpanIndex

DOC = spacy.blank("en")("a " * 120)


def drawn(rng: random.Random, n: int) -> list[Span]:
    starts = [rng.randrange(100) for _ in range(n)]
    return [Span(DOC, at, at + rng.randint(1, 9), rng.choice(["Drug", "ADE"])) for at in starts]


def test_it_finds_what_looking_at_all_of_them_finds() -> None:
    rng = random.Random(0)
    for n in (0, 1, 5, 40):
        gold = drawn(rng, n)
        index = SpanIndex(gold)
        for span in drawn(rng, 100):
            shared = [
                min(span.end, other.end) - max(span.start, other.start)
                if span.label == other.label
                else 0
                for other in gold
            ]
            most = max(shared, default=0)
            assert index.most_overlapped(span) == (shared.index(most) if most > 0 else -1)


def test_few_of_many_spans_are_looked_at() -> None:
    looked_at = 0

    class Entry(tuple[int, int, int]):
        def __lt__(self, other: Any) -> bool:
            nonlocal looked_at
            looked_at += 1
            return tuple(self) < tuple(other)

        def __iter__(self) -> Any:
            nonlocal looked_at
            looked_at += 1
            return super().__iter__()

    doc = spacy.blank("en")("a " * 4000)
    index = SpanIndex([Span(doc, at, at + 2, "Drug") for at in range(0, 4000, 2)])
    of_label = index._by_label[doc.vocab.strings["Drug"]]
    of_label[:] = map(Entry, of_label)
    assert index.most_overlapped(Span(doc, 2001, 2003, "Drug")) == 1000
    assert looked_at < 60
