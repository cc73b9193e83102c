"""Shared by the HTML pages: their templates, and text with coloured markers.

Markers are `[[Drug: aspirin]]` or `[[T1|Drug: aspirin]]`. The augmenter's output is shown as it is,
including broken markers: nothing is checked or repaired here.
"""

import re
from collections.abc import Iterable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

_TOKEN = re.compile(
    r"\\(?P<escaped>[\\\[\]])"
    r"|\[\[(?:[^\s\[\]:|]+\|)?(?P<label>[^\s\[\]:|]+):[ ]?"
    r"|(?P<close>\]\])"
    r"|(?P<plain>[^\\\[\]]+|.)",
    re.DOTALL,
)
# The golden angle, which gives consecutive labels hues that are far apart.
_HUE_STEP = 137


def page_template(package: str) -> Template:
    """The template `page.html.jinja` of a package; values are escaped."""
    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")


def labels_in(markup: str) -> set[str]:
    """The labels of the markers in a text."""
    return {token["label"] for token in _TOKEN.finditer(markup)} - {None}


def hues_of(labels: Iterable[str]) -> dict[str, int]:
    """A hue, in degrees, for every label."""
    return {label: i * _HUE_STEP % 360 for i, label in enumerate(sorted(set(labels)))}


def marks_html(markup: str, hues: Mapping[str, int]) -> Markup:
    """Turn markers into `<mark>` elements, nested as they are; everything else is escaped.

    hues (Mapping[str, int]): From `hues_of`; other labels have hue 0.
    """
    pieces: list[Markup] = []
    depth = 0
    for token in _TOKEN.finditer(markup):
        if label := token["label"]:
            depth += 1
            opening = Markup('<mark style="--hue: {}"><b>{}</b> ')
            pieces.append(opening.format(hues.get(label, 0), label))
        elif token["close"] and depth:
            depth -= 1
            pieces.append(Markup("</mark>"))
        else:
            pieces.append(escape(token["escaped"] or token["plain"] or token["close"]))
    return Markup("").join([*pieces, Markup("</mark>") * depth])
