"""Mention lines of an `.ann` written anew, without reading the file again.

For many new notes that differ in a few mentions only: reading and editing a file (`edit_standoff`)
takes ten times as long.
"""

import re
from collections.abc import Sequence

from ..brat import Standoff, TextBound
from ..brat.files import covered_text
from ..doc import Annotations, Mention, annotations_in
from .plain_reading import plain_columns

_MENTION_LINE = re.compile(r"^T.*$", re.MULTILINE)


class MentionLines:
    """An `.ann` cut at its mention lines; all other lines stay as they are.

    mentions (Sequence[Mention]): In the order of their lines.
    pieces (Sequence[str]): What is before, between and after these lines.
    """

    def __init__(self, mentions: Sequence[Mention], pieces: Sequence[str]) -> None:
        self._mentions = mentions
        self._pieces = pieces

    @classmethod
    def of(cls, ann: bytes, annotations: Annotations, text: str) -> "MentionLines | None":
        """Cut a file.

        RETURNS (MentionLines | None): None if it states anything else than these annotations of
            this text, or states them in another form than brat itself writes.
        """
        standoff = Standoff.from_bytes(ann)
        columns = standoff.columns
        plain = None if columns is None else plain_columns(text, columns)
        if plain is None or annotations_in(plain) != annotations:
            return None
        lines = cls(annotations.mentions, _MENTION_LINE.split(str(standoff)))
        return lines if lines.with_mentions(annotations.mentions, text) == ann else None

    def with_mentions(self, mentions: Sequence[Mention], text: str) -> bytes | None:
        """The file with other offsets and texts in its mention lines.

        mentions (Sequence[Mention]): All mentions, in the same order as before.
        text (str): The text that their offsets refer to.
        RETURNS (bytes | None): None if other lines would have to change too, because a mention's
            label or details differ, or mentions were added or removed.
        """
        if len(mentions) != len(self._mentions):
            return None
        written = [self._pieces[0]]
        for old, new, piece in zip(self._mentions, mentions, self._pieces[1:], strict=True):
            # All but fragments and score: id, label and details.
            if old is not new and (old[:2], old[4:]) != (new[:2], new[4:]):
                return None
            covered = covered_text(text, new.fragments)
            written += TextBound(new.id, new.label, new.fragments, covered).render(), piece
        return "".join(written).encode("utf8")
