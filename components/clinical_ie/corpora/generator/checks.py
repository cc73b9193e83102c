"""Consistency checks across the parts of a schema."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...brat.records import is_label
from .notation import Entry, Slot, walk
from .pattern import Pattern
from .schema import Schema, suggestion

Place = tuple[str | int, ...]


class Fault(NamedTuple):
    """An inconsistency in a schema.

    place (Place): Keys and positions that lead to it, from the top of the schema.
    value (object): The value at this place.
    message (str): What is wrong, and how to correct it.
    """

    place: Place
    value: object
    message: str


def find_faults(schema: Schema) -> Iterator[Fault]:
    """Find all inconsistencies, in the order of the schema."""
    yield from _names(schema)
    yield from _labels(schema)
    yield from _cast(schema)
    yield from _lexicon(schema)
    yield from _references(schema)
    yield from _splits(schema)
    for name, section in schema.sections.items():
        for number, pattern in enumerate(section.patterns):
            place = ("sections", name, "patterns", number)
            for message in _pattern(schema, pattern):
                yield Fault(place, pattern.source, message)


def drawable(schema: Schema) -> list[str]:
    """All names that braces can hold."""
    cast = list(schema.cast[0]) if schema.cast else []
    return [*schema.entities, *schema.words, *cast]


def _names(schema: Schema) -> Iterator[Fault]:
    owners: dict[str, str] = {}
    parts: tuple[tuple[str, Iterable[str]], ...] = (
        ("entities", schema.entities),
        ("words", schema.words),
        ("sections", schema.sections),
        ("cast", schema.cast[0] if schema.cast else ()),
    )
    for part, names in parts:
        for name in names:
            if name in owners:
                message = f"{owners[name]} has the same name; rename one of them"
                yield Fault((part, name) if part != "cast" else (part, 0, name), name, message)
            owners[name] = part


def _labels(schema: Schema) -> Iterator[Fault]:
    layers = schema.layers
    for place, names in (
        (("entities",), schema.entities),
        (("relations",), schema.relations),
        (("layers", "attributes"), layers.attributes),
    ):
        for name in names:
            if not is_label(name):
                yield Fault((*place, name), name, "a label in brat is one word; write it so")


def _cast(schema: Schema) -> Iterator[Fault]:
    for number, member in enumerate(schema.cast):
        if odd := member.keys() ^ schema.cast[0].keys():
            message = f"every member has the same words; only some have {sorted(odd)}"
            yield Fault(("cast", number), member, message)


def _lexicon(schema: Schema) -> Iterator[Fault]:
    uses: dict[str, set[str]] = {}
    for part, lists in (("entities", schema.entities), ("words", schema.words)):
        for name, entries in lists.items():
            seen: set[str] = set()
            for number, entry in enumerate(entries):
                place = (part, name, number)
                if entry.key.lower() in seen:
                    yield Fault(place, entry.key, "the list already has this term; remove it")
                seen.add(entry.key.lower())
                for slot in _slots(entry):
                    uses.setdefault(name, set()).add(slot.name)
                    for message in _slot(schema, slot):
                        yield Fault(place, entry.key, message)
            if _reaches(name, name, uses):
                message = "its terms lead back to a term of the same list; remove the slot"
                yield Fault((part, name), name, message)


def _slots(entry: Entry) -> list[Slot]:
    return [n for nodes in entry.surfaces for n in walk(nodes) if isinstance(n, Slot)]


def _slot(schema: Schema, slot: Slot) -> Iterator[str]:
    known = drawable(schema)
    if slot.name not in known:
        yield f"{{{slot.name}}}: no list is called that; {suggestion(slot.name, known)}"
    yield from _tags(schema, slot.name, slot.tags)


def _tags(schema: Schema, name: str, tags: frozenset[str]) -> Iterator[str]:
    entries = schema.entities.get(name) or schema.words.get(name) or []
    known = sorted(frozenset[str]().union(*(entry.tags for entry in entries)))
    for tag in sorted(tags - set(known)):
        yield f"@{tag}: no term of {name} has this tag; {suggestion(tag, known)}"


def _reaches(start: str, goal: str, uses: dict[str, set[str]]) -> bool:
    seen, queue = set(), [start]
    while queue:
        for name in uses.get(queue.pop(), ()):
            if name == goal:
                return True
            if name not in seen:
                seen.add(name)
                queue.append(name)
    return False


def _references(schema: Schema) -> Iterator[Fault]:
    types, layers = list(schema.entities), schema.layers
    named: list[tuple[Place, Iterable[str], list[str], str]] = [
        (("notes", kind, "sections"), value.sections, list(schema.sections), "section")
        for kind, value in schema.notes.items()
    ]
    for label, relation in schema.relations.items():
        named.append((("relations", label, "head"), relation.head, types, "entity type"))
        named.append((("relations", label, "tail"), relation.tail, types, "entity type"))
    place: Place
    for label, attribute in layers.attributes.items():
        place = ("layers", "attributes", label, "types")
        named.append((place, attribute.types, types, "entity type"))
    if layers.events:
        named.append((("layers", "events", "types"), layers.events.types, types, "entity type"))
    if layers.normalizations:
        place = ("layers", "normalizations", "sources")
        named.append((place, layers.normalizations.sources, types, "entity type"))
    named.append((("once",), schema.once, [*schema.entities, *schema.words], "list"))
    openable = [*schema.entities, *schema.words, *schema.sections]
    named.append((("splits", "open"), schema.splits.open, openable, "list or section"))
    for place, names, known, what in named:
        for number, name in enumerate(names):
            if name not in known:
                where = (*place, name if place[-1] == "sources" else number)
                yield Fault(where, name, f"no {what} is called that; {suggestion(name, known)}")
        for name, count in Counter(list(names)).items():
            if count > 1 and place[0] != "notes":
                yield Fault(place, name, "it is listed twice; remove one")


def _splits(schema: Schema) -> Iterator[Fault]:
    lists = schema.entities | schema.words
    share = sum(schema.splits.held_out.values())
    for number, name in enumerate(schema.splits.open):
        if name not in lists and name not in schema.sections:
            continue
        size = len(lists[name]) if name in lists else len(schema.sections[name].patterns)
        held_out = sum(round(part * size) for part in schema.splits.held_out.values())
        if not 0 < held_out < size:
            message = (
                f"{held_out} of its {size} entries would be held out ({share:.0%}), but it must be "
                "some and not all; add entries, or remove it from open"
            )
            yield Fault(("splits", "open", number), name, message)


def _pattern(schema: Schema, pattern: Pattern) -> Iterator[str]:
    for slot in pattern.slots:
        yield from _slot(schema, slot)
    for mark in pattern.marks.values():
        if mark.label not in schema.entities:
            known = suggestion(mark.label, list(schema.entities))
            yield f"[{mark.label}]: no entity type is called that; {known}"
            continue
        yield from _tags(schema, mark.label, mark.tags)
        for name, value in mark.attributes:
            attribute = schema.layers.attributes.get(name)
            if attribute is None:
                known = suggestion(name, list(schema.layers.attributes))
                yield f"!{name}: layers.attributes has no such attribute; {known}"
            elif mark.label not in attribute.types:
                yield f"!{name}: {mark.label} is not among its types {attribute.types}"
            elif value not in (attribute.values or [""]):
                yield f"!{name}={value}: its values are {attribute.values or 'none at all'}"
        for arrow in mark.arrows:
            tail = pattern.marks[arrow.target].label
            labels = schema.relation_labels(mark.label, tail)
            arrow_text = f"[{mark.label} -> {arrow.target}], from {mark.label} to {tail}"
            if arrow.label and arrow.label not in labels:
                yield f"{arrow_text}: {arrow.label!r} does not fit; possible are {labels}"
            elif not labels:
                yield f"{arrow_text}: no relation fits; define one, or remove the arrow"
            elif not arrow.label and len(labels) > 1:
                yield f"{arrow_text}: choose one of {labels}, as in -> {arrow.target}:{labels[0]}"
