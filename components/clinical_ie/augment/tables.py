"""Keeps the columns of a table aligned when a term in it becomes longer or shorter."""

import re
from collections.abc import Sequence

from ..doc import Mention
from .mend import moved

# Smallest gap between two columns.
_LEAST = 2
# The rest of a cell, and the gap after it.
_GAP = re.compile(r"\S*(?: \S+)*( {3,})(?=\S)")


def in_columns(
    source: str, old: Sequence[Mention], text: str, new: Sequence[Mention]
) -> tuple[str, list[Mention]]:
    """The rewrite, with the gaps after its terms adjusted so that the next column stays in place.

    source, old (str, Sequence[Mention]): The original passage.
    text, new (str, Sequence[Mention]): The rewrite, with mentions in the order of the original's.
    """
    mentions = list(new)
    for place in reversed(_outermost(old)):
        before = _GAP.match(source, old[place].end)
        after = _GAP.match(text, mentions[place].end)
        # The model may have adjusted the gap itself.
        if not before or not after or len(before[1]) != len(after[1]):
            continue
        # A mention with blanks before its first word would lose a letter.
        if any(after.start(1) < mention.start < after.end(1) for mention in mentions):
            continue
        longer = _length(mentions[place]) - _length(old[place])
        by = max(_LEAST - len(after[1]), -longer)
        if by:
            start, end = after.span(1)
            text = text[:start] + " " * (end - start + by) + text[end:]
            mentions = [moved(mention, end, by) for mention in mentions]
    return text, mentions


def _outermost(mentions: Sequence[Mention]) -> list[int]:
    """Indices of the mentions not inside another one, in text order."""
    order = sorted(range(len(mentions)), key=lambda i: (mentions[i].start, -mentions[i].end))
    found: list[int] = []
    for place in order:
        if not found or mentions[place].start >= mentions[found[-1]].end:
            found.append(place)
    return found


def _length(mention: Mention) -> int:
    return mention.end - mention.start
