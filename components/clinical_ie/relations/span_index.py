"""An index of gold mentions, to find those that predicted mentions overlap."""

from bisect import bisect_left
from collections.abc import Sequence

from spacy.tokens import Span


class SpanIndex:
    """Finds overlapping spans without looking at all of them.

    spans (Sequence[Span]): Spans of one Doc.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self._by_label: dict[int, list[tuple[int, int, int]]] = {}
        for number, span in enumerate(spans):
            of_label = self._by_label.setdefault(span.label, [])
            of_label.append((span.start, span.end, number))
        self._longest: dict[int, int] = {}
        for label, of_label in self._by_label.items():
            of_label.sort()
            self._longest[label] = max(end - start for start, end, _ in of_label)

    def most_overlapped(self, span: Span) -> int:
        """The index of the span with the same label that shares most tokens with `span`, the first
        of several; -1 if there is none."""
        of_label = self._by_label.get(span.label, [])
        start, end = span.start, span.end
        # No span that begins earlier reaches this one.
        first = bisect_left(of_label, (start - self._longest.get(span.label, 0), 0, 0))
        last = bisect_left(of_label, (end, 0, 0))
        shared = [
            (max(start, from_) - min(end, to), number)
            for from_, to, number in of_label[first:last]
            if to > start
        ]
        return min(shared)[1] if shared else -1
