"""`a` and `an` before a term."""

import re

# A capital `A` is an article only at the start of a sentence: not in `hepatitis A` or `type A`.
_ARTICLE = re.compile(r"(?:(?<![\w-])an?|(?:\A|(?<=[.!?:]\s)|(?<=\n))An?)(\s+)\Z")
_ACRONYM = re.compile(r"[A-Z](?:[A-Z0-9]|-|\b)")
# Vowel letters pronounced as consonants: a euvolemic, one-week, uterine, unilateral; but an
# unintentional, an urgent.
_AS_YOU_OR_WON = re.compile(
    r"eu|ew|on(?:e(?![a-z])|ce)|u(?:ni(?!n|mp|mm|dent)|s[aeu]|t[ei]|r[aeio]|bi|v)", re.IGNORECASE
)
_VOWEL = re.compile(r"[aeiou]|h(?:our|onest|onor|eir)|8|1[18]\b", re.IGNORECASE)


def fit_article(before: str, term: str) -> str:
    """The text before a term, with the `a` or `an` at its end adapted to the term."""

    def article(match: re.Match[str]) -> str:
        new = "an" if _takes_an(term) else "a"
        return (new.capitalize() if match[0][0] == "A" else new) + match[1]

    return _ARTICLE.sub(article, before)


def _takes_an(term: str) -> bool:
    if _ACRONYM.match(term):
        # Acronyms are read letter by letter: an MRI, a CT.
        return term[0] in "AEFHILMNORSX"
    return not _AS_YOU_OR_WON.match(term) and bool(_VOWEL.match(term))
