"""What is set right in a rewrite rather than held against it: a capital, and `a` before a vowel."""

from collections.abc import Sequence

from ..doc import Mention
from .articles import fit_article


def mended(text: str, mentions: Sequence[Mention], capital: bool) -> tuple[str, list[Mention]]:
    """The text with `a` and `an` as the terms after them ask for, and mentions where they now are.

    capital (bool): Whether the text is to begin with one.
    """
    for start in sorted({mention.start for mention in mentions}, reverse=True):
        before = fit_article(text[:start], text[start:])
        by = len(before) - start
        if by:
            text = before + text[start:]
            mentions = [_moved(mention, start, by) for mention in mentions]
        elif before != text[:start]:
            text = before + text[start:]
    place = len(text) - len(text.lstrip())
    first = text[place : place + 1].upper()
    if capital and len(first) == 1:
        text = text[:place] + first + text[place + 1 :]
    return text, list(mentions)


def _moved(mention: Mention, start: int, by: int) -> Mention:
    """A mention after characters were put in, or taken out, before `start`."""
    ends = [
        (a + by if a >= start else a, b + by if b >= start and b > a else b)
        for a, b in mention.fragments
    ]
    return mention._replace(fragments=tuple(ends))
