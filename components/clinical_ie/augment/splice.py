"""Makes the new note: the old text, with a rewrite in the place of its segment."""

from ..brat.files import covered_text
from ..doc import Annotations, Mention
from .segment import Segment, shifted
from .terms import normal

# Attributes whose value depends on the words: the date of TIMEX3, the day of SECTIME.
_VALUES = frozenset(["val", "value", "dvalue"])


def splice(
    text: str,
    annotations: Annotations,
    segment: Segment,
    new_text: str,
    new_mentions: list[Mention],
) -> tuple[str, Annotations]:
    """Put a rewrite in the place of its segment.

    text, annotations (str, Annotations): The note.
    new_text, new_mentions (str, list[Mention]): The rewrite, with the ids of the old mentions.
    RETURNS (tuple[str, Annotations]): The new note. Every mention keeps its id and its place in the
        list, so all relations are kept, even across the segment's borders.
    RAISES (ValueError): A mention would not cover the text that it should.
    """
    rewritten = {mention.id: shifted(mention, segment.start) for mention in new_mentions}
    by = len(new_text) - len(segment.text)
    spliced = text[: segment.start] + new_text + text[segment.end :]
    mentions = []
    for old in annotations.mentions:
        if old.id in rewritten:
            new = _in_place_of(old, rewritten[old.id], text, spliced)
            start, end = new.start - segment.start, new.end - segment.start
            expected = covered_text(new_text, ((start, end),))
        else:
            new = old if old.end <= segment.start else shifted(old, by)
            if new is old or old.start >= segment.end:
                # The text around the segment stays.
                mentions.append(new)
                continue
            expected = covered_text(text, old.fragments)
        if covered_text(spliced, new.fragments) != expected:
            raise ValueError(
                f"{segment.note_id}: {old.id} ({old.label}) no longer covers the same text"
            )
        mentions.append(new)
    return spliced, Annotations(mentions, list(annotations.links))


def _in_place_of(old: Mention, new: Mention, text: str, spliced: str) -> Mention:
    """The new mention, with the attributes, codes and comments of the old one. A different term
    keeps only the attributes that do not depend on the words."""
    moved = old._replace(fragments=new.fragments)
    if normal(covered_text(text, old.fragments)) == normal(covered_text(spliced, new.fragments)):
        return moved
    return moved._replace(
        attributes=tuple(x for x in old.attributes if x[0].lower() not in _VALUES),
        normalizations=(),
        comments=(),
    )
