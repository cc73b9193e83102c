"""Fast reading of `.ann` files in which everything is unambiguous.

Most files are, and are read several times as fast from their columns as line by line.
`standoff_reading.py` reads all others and reports what is wrong with them; for the files that are
read here, both give the same result.
"""

from collections.abc import Iterator
from typing import Any

from ..brat import TextBound
from ..brat.columns import Columns, fragments_of
from ..brat.files import covers
from ..brat.records import Fragments
from ..doc import Annotations, Link, Mention


def plain_annotations(text: str, columns: Columns) -> Annotations | None:
    """Mentions, and the `R` lines as relations; an event id stands for its trigger.

    text (str): The text that offsets refer to.
    RETURNS (Annotations | None): None if an id is used twice, a mention's text is not what its
        offsets cover, a trigger is not a mention, or a reference leads nowhere.
    """
    mentions = []
    for id_, label, first, last, others, said in columns.mentions:
        start, end = int(first), int(last)
        fragments: Fragments = ((start, end),)
        if others or text[start:end] != said or end - start != len(said):
            fragments += fragments_of(others)
            if not covers(text, TextBound(id_, label, fragments, said)):
                return None
        mentions.append(Mention(id_, label, fragments))
    # Mentions by their own ids and those of their events; here, no event has an event as trigger.
    behind = {mention.id: mention.id for mention in mentions}
    for id_, _, trigger, _ in columns.events:
        if behind.get(trigger) != trigger or id_ in behind:
            return None
        behind[id_] = trigger
    roles = (role for *_, args in columns.events for role in args.split())
    if any(role.partition(":")[2] not in behind for role in roles):
        return None
    rest = (columns.relations, columns.attributes, columns.normalizations, columns.comments)
    other_ids = {line[0] for column in rest for line in column}
    n_borne = sum(len(column) for column in (columns.mentions, columns.events, *rest))
    if len(behind) + len(other_ids) != n_borne:
        return None
    try:
        links = [
            Link(label, behind[head], behind[tail]) for _, label, head, tail in columns.relations
        ]
    except KeyError:
        return None
    if any(ref not in behind for _, members in columns.equivalences for ref in members.split()):
        return None
    if columns.attributes or columns.normalizations or columns.comments:
        # By mention, then by field.
        details: dict[str, dict[str, Any]] = {}
        for target, name, value in _details(columns):
            if target in behind:
                found = details.setdefault(behind[target], {})
                found[name] = (*found.get(name, ()), value)
            elif target not in other_ids:
                return None
        mentions = [
            mention._replace(**details[mention.id]) if mention.id in details else mention
            for mention in mentions
        ]
    return Annotations(mentions, links)


def _details(columns: Columns) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Target, field of the `Mention`, and value of each line that adds to a mention."""
    for _, label, target, value in columns.attributes:
        yield target, "attributes", (label, value)
    for _, label, target, reference, text in columns.normalizations:
        yield target, "normalizations", (label, reference, text)
    for _, label, target, text in columns.comments:
        yield target, "comments", (label, text)
