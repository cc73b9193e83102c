"""Text with marks, `[[Drug: aspirin]]` or `[[T1|Drug: aspirin]]`, as HTML in colour.

What augmentation wrote is shown as it is, broken marks too: here nothing is checked or mended.
"""

import re
from collections.abc import Iterable

from markupsafe import Markup, escape

_TOKEN = re.compile(
    r"\\(?P<escaped>[\\\[\]])"
    r"|\[\[(?:[^\s\[\]:|]+\|)?(?P<label>[^\s\[\]:|]+):[ ]?"
    r"|(?P<close>\]\])"
    r"|(?P<plain>[^\\\[\]]+|.)",
    re.DOTALL,
)
# The golden angle: labels that follow each other get hues that lie far apart.
_HUE_STEP = 137


def hues(markups: Iterable[str]) -> dict[str, int]:
    """A hue, in degrees, for every label that occurs in some marked texts."""
    labels = {token["label"] for markup in markups for token in _TOKEN.finditer(markup)} - {None}
    return {label: number * _HUE_STEP % 360 for number, label in enumerate(sorted(labels))}


def marks_html(markup: str, hue_of: dict[str, int]) -> Markup:
    """Marks become `<mark>` elements, nested where they are; everything else is escaped.

    hue_of (dict[str, int]): From `hues`, over this text among others.
    """
    pieces: list[Markup] = []
    depth = 0
    for token in _TOKEN.finditer(markup):
        if label := token["label"]:
            depth += 1
            opening = Markup('<mark style="--hue: {}"><b>{}</b> ')
            pieces.append(opening.format(hue_of[label], label))
        elif token["close"] and depth:
            depth -= 1
            pieces.append(Markup("</mark>"))
        else:
            pieces.append(escape(token["escaped"] or token["plain"] or token["close"]))
    return Markup("").join([*pieces, Markup("</mark>") * depth])
