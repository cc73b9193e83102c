"""What is set right in a rewrite rather than held against it: a capital, and `a` before a vowel."""

import re
from collections import Counter
from collections.abc import Sequence

from ..doc import Mention
from .articles import fit_article

# As far as its first letter.
_SMALL_WORD = re.compile(r"\s*[^\W\d_A-Z](?=[^A-Z\W]*(?:\W|\Z))")
# In English `a` is some ten times as frequent as `an`; a few of either prove nothing.
_A_FOR_AN, _FEW = 50, 3


def has_articles(wording: Counter[str]) -> bool:
    """Whether `a` and `an` are the English articles in notes with these words: in German `an` is a
    preposition, and there is hardly an `a`; in Spanish it is the other way round."""
    return wording["an"] - _FEW <= wording["a"] <= _A_FOR_AN * (wording["an"] + 1)


def mended(
    text: str, mentions: Sequence[Mention], terms: Sequence[str], capital: bool, articles: bool
) -> tuple[str, list[Mention]]:
    """The text with `a` and `an` as new terms ask for, and mentions where they now are.

    terms (Sequence[str]): What each mention was before; what still is so keeps its article.
    capital (bool): Whether the text is to begin with one.
    articles (bool): Whether `a` and `an` are articles.
    """
    pairs = list(zip(mentions, terms, strict=True))
    new = {m.start for m, term in pairs if articles and text[m.start : m.end] != term}
    # What looks like an article can be the end of another term.
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
    # Not that of `pH` or `mRNA`.
    if capital and (word := _SMALL_WORD.match(text)):
        first = text[word.end() - 1].upper()
        # The capital of some letters is two.
        if len(first) == 1:
            text = text[: word.end() - 1] + first + text[word.end() :]
    return text, list(mentions)


def moved(mention: Mention, start: int, by: int) -> Mention:
    """A mention after characters were put in, or taken out, before `start`."""
    ends = [
        (a + by if a >= start else a, b + by if b >= start and b > a else b)
        for a, b in mention.fragments
    ]
    return mention._replace(fragments=tuple(ends))
