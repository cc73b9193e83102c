"""Mentions and relations of a note by column, without an object for each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from .brat.records import Fragments

Details = Mapping[str, Mapping[str, Sequence[Sequence[str]]]]


@dataclass(slots=True)
class AnnotationColumns:
    """What `Annotations` holds, in the form in which most notes are read and put on a Doc.

    ids, labels, fragments, scores: An item for each mention.
    details (Details): By mention id, in the order of the mentions; then by field, in the order of
        the fields.
    links: Label, head, tail and score of each relation.
    """

    ids: Sequence[str]
    labels: Sequence[str]
    fragments: Sequence[Fragments]
    scores: Sequence[float]
    details: Details
    links: Sequence[tuple[str, str, str, float]]

    def selected(self, wanted: Sequence[bool]) -> "AnnotationColumns":
        """Only these mentions, and all relations."""
        ids = list(compress(self.ids, wanted))
        return AnnotationColumns(
            ids,
            list(compress(self.labels, wanted)),
            list(compress(self.fragments, wanted)),
            list(compress(self.scores, wanted)),
            {id_: self.details[id_] for id_ in ids if id_ in self.details},
            self.links,
        )
