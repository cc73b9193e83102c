"""Small changes of wording that are safe without understanding the sentence."""

import random
import re
from importlib.resources import files

import srsly

_FILE = files("clinical_ie.augment") / "templates" / "expressions.v1.yml"
# The text of the file, for fingerprints: kept answers depend on it.
EXPRESSIONS = _FILE.read_text(encoding="utf8")
# Equivalent expressions for each expression, in lower case.
_SAME: dict[str, list[str]] = srsly.yaml_loads(EXPRESSIONS)
_ANY = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _SAME), key=len, reverse=True)) + r")(?!\w)",
    re.IGNORECASE,
)
_NUMBERS = [("was", "were"), ("is", "are"), ("has", "have")]
_VERB = re.compile(r"(\s+)(was|were|is|are|has|have)\b")


def vary(text: str, rng: random.Random, share: float) -> str:
    """Replace expressions in a text by others of the same meaning.

    share (float): Probability that a known expression is replaced, 0 to 1.
    """

    def other(match: re.Match[str]) -> str:
        old = match.group()
        if rng.random() >= share:
            return old
        return _in_case_of(old, rng.choice(_SAME[old.lower()]))

    return _ANY.sub(other, text)


def alternatives(text: str, after_term: bool) -> list[list[str]]:
    """A text in pieces, each with the expressions that may replace it, its own first.

    after_term (bool): Whether the text follows a term that changes, which leaves the number of the
        verb after it open.
    """
    pieces: list[list[str]] = []
    done = 0
    for match in _ANY.finditer(text):
        old = match.group()
        others = [_in_case_of(old, other) for other in _SAME[old.lower()]]
        pieces += [[text[done : match.start()]], [old, *others]]
        done = match.end()
    pieces.append([text[done:]])
    first = pieces[0][0]
    if after_term and (verb := _VERB.match(first)):
        pair = next(pair for pair in _NUMBERS if verb[2] in pair)
        pieces[:1] = [[verb[1]], [verb[2], *(set(pair) - {verb[2]})], [first[verb.end() :]]]
    return [piece for piece in pieces if piece != [""]]


def _in_case_of(old: str, new: str) -> str:
    """The new expression, capitalized or in capitals like the old one."""
    if old.isupper():
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new
