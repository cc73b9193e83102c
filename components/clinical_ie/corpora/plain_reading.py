"""Fast reading of `.ann` files in which everything is unambiguous.

Most files are, and are read several times as fast from their columns as line by line.
`standoff_reading.py` reads all others and reports what is wrong with them; for the files that are
read here, both give the same result.
"""

from collections.abc import Iterator
from itertools import repeat

from ..annotation_columns import AnnotationColumns
from ..brat.columns import Columns
from ..brat.files import covers


def plain_columns(text: str, columns: Columns) -> AnnotationColumns | None:
    """Mentions, and the `R` lines as relations; an event id stands for its trigger.

    text (str): The text that offsets refer to.
    RETURNS (AnnotationColumns | None): None if an id is used twice, a mention's text is not what
        its offsets cover, a trigger is not a mention, or a reference leads nowhere.
    """
    ids, labels, fragments, texts = columns.mentions
    if not all(map(covers, repeat(text), fragments, texts)):
        return None
    # Mentions by their own ids and those of their events; here, no event has an event as trigger.
    behind = dict(zip(ids, ids, strict=True))
    triggers = {id_: trigger for id_, _, trigger, _ in columns.events}
    if not all(map(behind.__contains__, triggers.values())):
        return None
    behind |= triggers
    roles = (role for _, _, _, args in columns.events if args for role in args.split())
    if any(role.partition(":")[2] not in behind for role in roles):
        return None
    rest = (columns.relations, columns.attributes, columns.normalizations, columns.comments)
    other_ids = {line[0] for column in rest for line in column}
    n_borne = sum(len(column) for column in (ids, columns.events, *rest))
    if len(behind) + len(other_ids) != n_borne:
        return None
    try:
        links = [
            (label, behind[head], behind[tail], 1.0) for _, label, head, tail in columns.relations
        ]
    except KeyError:
        return None
    if any(ref not in behind for _, members in columns.equivalences for ref in members.split()):
        return None
    # By mention, then by field, in the order of the fields.
    found: dict[str, dict[str, list[tuple[str, ...]]]] = {}
    for target, name, value in _details(columns):
        if target in behind:
            found.setdefault(behind[target], {}).setdefault(name, []).append(value)
        elif target not in other_ids:
            return None
    details = {
        id_: {name: tuple(values) for name, values in found[id_].items()}
        for id_ in ids
        if id_ in found
    }
    return AnnotationColumns(ids, labels, fragments, [1.0] * len(ids), details, links)


def _details(columns: Columns) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Target, field of the `Mention`, and value of each line that adds to a mention."""
    for _, label, target, value in columns.attributes:
        yield target, "attributes", (label, value)
    for _, label, target, reference, text in columns.normalizations:
        yield target, "normalizations", (label, reference, text)
    for _, label, target, text in columns.comments:
        yield target, "comments", (label, text)
