"""Terms that are near in meaning, and yet say the contrary or speak of the other side."""

import re

# English and German. A letter alone is a side in front of a word: `R wrist`, and not `L4`.
_SIDES = {
    "left": re.compile(r"\b(?:(?i:left|link(?:s|e[mnrs]?))|L(?=[ .]+[A-Za-z]{2}))\b"),
    "right": re.compile(r"\b(?:(?i:right|recht(?:s|e[mnrs]?))|R(?=[ .]+[A-Za-z]{2}))\b"),
    "both": re.compile(r"\b(?:bilateral(?:ly)?|both|beid(?:e[nr]?|seits))\b", re.IGNORECASE),
}
# Beginnings of words.
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
    """Whether one of two terms names another side than the other, or none, or its contrary.

    The rest of the note goes on about the old side, and about what was found there.
    """
    if any(bool(side.search(old)) != bool(side.search(new)) for side in _SIDES.values()):
        return True
    return any(
        (_has(old, one) and _has(new, other)) or (_has(old, other) and _has(new, one))
        for one, other in _CONTRARIES
    )


def _has(term: str, beginning: str) -> bool:
    return bool(re.search(rf"\b{beginning}", term, re.IGNORECASE))
