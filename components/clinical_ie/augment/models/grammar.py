"""A llama.cpp grammar (GBNF) for one passage: every marker once, text in between."""

import json
from collections.abc import Sequence

from ..markup import Marker

# No brackets and no line ends: where a marker or the passage ends is the grammar's to say.
_CHAR = r"[^\[\]\\\n]"


def markers_grammar(source: str, markers: Sequence[Marker]) -> str:
    """Let a model write each marker exactly once, in the passage's order, nested as there.

    source (str): The passage in markup.
    markers (Sequence[Marker]): The markers in it, in any order.
    """
    order = sorted(markers, key=lambda marker: source.index(f"[[{marker.key}: "))
    rules = [f"root ::= {_sequence(order, None)}"]
    for i, marker in enumerate(order):
        nested = any(other.parent == marker.key for other in order)
        body = _sequence(order, marker.key) if nested else "term"
        rules.append(f'm{i} ::= {json.dumps(f"[[{marker.key}: ")} {body} "]]"')
    # Twice the text of the source at most: a small model fills whatever it is given.
    limit = max(24, 2 * len(source) // (len(markers) + 1))
    return "\n".join([*rules, f"term ::= {_CHAR}{{1,60}}", f"text ::= {_CHAR}{{0,{limit}}}"])


def _sequence(order: Sequence[Marker], parent: str | None) -> str:
    inside = [f"m{i}" for i, marker in enumerate(order) if marker.parent == parent]
    return " ".join(["text", *(f"{name} text" for name in inside)])
