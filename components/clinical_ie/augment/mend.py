"""Mends faults that are no reason to drop a rewrite: a missing capital, `a` before a vowel."""

import re
from collections import Counter
from collections.abc import Sequence

from ..doc import Mention
from .articles import fit_article

# A word without capitals, up to its first letter: not `pH` or `mRNA`.
_SMALL_WORD = re.compile(r"\s*[^\W\d_A-Z](?=[^A-Z\W]*(?:\W|\Z))")
# In English `a` is about ten times as frequent as `an`; a few of either prove nothing.
_A_FOR_AN, _FEW = 50, 3


def has_articles(wording: Counter[str]) -> bool:
    """Whether `a` and `an` are the English articles in notes with these word counts: German has
    the preposition `an` and hardly any `a`, Spanish the preposition `a` and hardly any `an`."""
    return wording["an"] - _FEW <= wording["a"] <= _A_FOR_AN * (wording["an"] + 1)


def mended(
    text: str, mentions: Sequence[Mention], terms: Sequence[str], capital: bool, articles: bool
) -> tuple[str, list[Mention]]:
    """The text with `a` or `an` as each new term requires, and the mentions at their new offsets.

    terms (Sequence[str]): The old text of each mention; an unchanged one keeps its article.
    capital (bool): Whether the text must begin with a capital.
    articles (bool): Whether `a` and `an` are articles.
    """
    pairs = list(zip(mentions, terms, strict=True))
    new = {m.start for m, term in pairs if articles and text[m.start : m.end] != term}
    # What looks like an article may be the end of another term.
    inside = {end for m in mentions for end in range(m.start + 1, m.end + 1)}
    for start in sorted(new, reverse=True):
        if len(text[:start].rstrip()) in inside:
            continue
        before = fit_article(text[:start], text[start:])
        by = len(before) - start
        if by:
            text = before + text[start:]
            mentions = [moved(mention, start, by) for mention in mentions]
        elif before != text[:start]:
            text = before + text[start:]
    if capital and (word := _SMALL_WORD.match(text)):
        first = text[word.end() - 1].upper()
        # Some letters have a capital of two characters.
        if len(first) == 1:
            text = text[: word.end() - 1] + first + text[word.end() :]
    return text, list(mentions)


def moved(mention: Mention, start: int, by: int) -> Mention:
    """A mention after characters were inserted or deleted before `start`."""
    ends = [
        (a + by if a >= start else a, b + by if b >= start and b > a else b)
        for a, b in mention.fragments
    ]
    return mention._replace(fragments=tuple(ends))
