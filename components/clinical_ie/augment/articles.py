"""`a` and `an` before a term."""

import re

_ARTICLE = re.compile(r"\b(a|an)(\s+)$", re.IGNORECASE)
_ACRONYM = re.compile(r"[A-Z](?:[A-Z0-9]|-|\b)")
_AN = re.compile(r"(?:[aeio]|u(?!ni|s|ti)|8|1[18]\b)", re.IGNORECASE)


def fit_article(before: str, term: str) -> str:
    """The text before a term, with `a` or `an` at its end as the term asks for."""

    def article(match: re.Match[str]) -> str:
        new = "an" if _takes_an(term) else "a"
        return (new.capitalize() if match[1][0].isupper() else new) + match[2]

    return _ARTICLE.sub(article, before)


def _takes_an(term: str) -> bool:
    if _ACRONYM.match(term):
        # Spelt out, letter by letter: an MRI, a CT.
        return term[0] in "AEFHILMNORSX"
    return bool(_AN.match(term))
