"""Terms that are close in meaning, yet are opposites or refer to the other side of the body."""

import re

# English and German. A single letter is a side only before a word: `R wrist`, not `L4`.
_SIDES = {
    "left": re.compile(r"\b(?:(?i:left|link(?:s|e[mnrs]?))|L(?=[ .]+[A-Za-z]{2}))\b"),
    "right": re.compile(r"\b(?:(?i:right|recht(?:s|e[mnrs]?))|R(?=[ .]+[A-Za-z]{2}))\b"),
    "both": re.compile(r"\b(?:bilateral(?:ly)?|both|beid(?:e[nr]?|seits))\b", re.IGNORECASE),
}
# Prefixes of words.
_CONTRARIES = [
    ("positiv", "negativ"),
    ("present", "absent"),
    ("normal", "abnormal"),
    ("benign", "malignan"),
    ("high", "low"),
    ("increas", "decreas"),
    ("elevat", "reduc"),
    ("improv", "worsen"),
    ("hyper", "hypo"),
    ("tachy", "brady"),
]


def contrasts(old: str, new: str) -> bool:
    """Whether two terms differ in the side of the body that they name, or are opposites.

    The rest of the note still refers to the old side, and to what was found there.
    """
    if any(bool(side.search(old)) != bool(side.search(new)) for side in _SIDES.values()):
        return True
    return any(
        (_has(old, one) and _has(new, other)) or (_has(old, other) and _has(new, one))
        for one, other in _CONTRARIES
    )


def _has(term: str, beginning: str) -> bool:
    return bool(re.search(rf"\b{beginning}", term, re.IGNORECASE))
