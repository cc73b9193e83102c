"""Conversion of brat's model back to the released form."""

import re
from collections import Counter
from xml.sax.saxutils import quoteattr

from ...brat import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Relation,
    Standoff,
    TextBound,
)
from ...brat.files import covered_text, line_fragments
from ...brat.triggers import Triggers
from .note import ATTRIBUTES, EVENT_TYPES, EVENT_VALUES, ID_COMMENT, SECTIME, TIMEX_TYPES

_PREFIX = {"EVENT": "E", "TIMEX3": "T", SECTIME: "S", "TLINK": "TL"}
# Defaults for attributes that a tag must have in the release.
_DEFAULTS = {name: values[0] for name, values in EVENT_VALUES.items()} | {"mod": "NA"}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def standoff_to_xml(text: str, standoff: Standoff) -> tuple[str, Counter[str]]:
    """The `.xml` of a note, and counts of what the format cannot hold.

    Attributes and relations of an event go to its trigger.

    Offsets count from 1, with exclusive ends, in the CDATA without its leading newline. Ids of the
    release are reused; tags without one get the next unused id.
    RETURNS (tuple[str, Counter[str]]): The content, and how often each kind of thing was left out.
    RAISES (ValueError): The format lacks the type of a mention, or XML does not allow a character.
    """
    triggers = Triggers(standoff.records(Event))
    left_out: Counter[str] = Counter()
    attributes: dict[str, dict[str, str]] = {}
    for attribute in standoff.records(Attribute):
        own = attributes.setdefault(triggers.end(attribute.target), {})
        before = own.get(attribute.label, attribute.value)
        left_out["attributes that another of the name replaces"] += before != attribute.value
        own[attribute.label] = attribute.value
    left_out["equivalences"] += sum(1 for _ in standoff.records(Equivalence))
    left_out["normalisations"] += sum(1 for _ in standoff.records(Normalization))
    left_out["comments"] += sum(c.label != ID_COMMENT for c in standoff.records(Comment))
    left_out["roles of events"] += sum(len(event.args) for event in standoff.records(Event))
    ids = {c.target: c.text for c in standoff.records(Comment) if c.label == ID_COMMENT}
    names = _Names(set(ids.values()))
    lines: dict[str, list[str]] = {"EVENT": [], "TIMEX3": [], SECTIME: [], "TLINK": []}
    written: dict[str, tuple[str, str]] = {}
    given: set[str] = set()
    for mention in standoff.records(TextBound):
        kind = _kind(mention)
        name = ids.get(mention.id)
        # A mention that was copied with its comments has the id of the other one.
        if not name or name in given:
            name = names.new(kind)
        given.add(name)
        start = min(start for start, _ in mention.fragments)
        end = max(end for _, end in mention.fragments)
        covered = covered_text(text, ((start, end),))
        written[mention.id] = name, covered
        values = {"id": name, "start": str(start + 1), "end": str(end + 1), "text": covered}
        own = attributes.get(mention.id, {})
        values |= {key: own.pop(key, _DEFAULTS.get(key, "")) for key in ATTRIBUTES[kind]}
        # A mention that crosses a line break has a piece per line.
        whole = line_fragments(text, (start, end))
        left_out["gaps of discontinuous mentions"] += tuple(sorted(mention.fragments)) not in (
            whole,
            ((start, end),),
        )
        if kind != SECTIME:
            values["type"] = mention.label
        lines[kind].append(_tag(kind, values))
    for relation in standoff.records(Relation):
        head, tail = map(triggers.end, relation.ends)
        if head not in written or tail not in written:
            left_out["relations whose ends are no mentions"] += 1
        else:
            values = {
                "id": ids.get(relation.id) or names.new("TLINK"),
                "fromID": written[head][0],
                "fromText": written[head][1],
                "toID": written[tail][0],
                "toText": written[tail][1],
                "type": relation.label,
            }
            lines["TLINK"].append(_tag("TLINK", values))
    left_out["attributes of other names"] += sum(map(len, attributes.values()))
    # A carriage return in a CDATA section would be read as a newline.
    body = text.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[")
    tags = "\n".join(line for kind in lines.values() for line in kind)
    if wrong := _NO_XML.search(text) or _NO_XML.search(tags):
        where = f"at {wrong.start()} of the text" if wrong.string is text else "in the annotations"
        raise ValueError(
            f"{wrong[0]!r} {where} is not allowed in XML; a blank in its place keeps the offsets"
        )
    content = (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<ClinicalNarrativeTemporalAnnotation>\n'
        f"<TEXT><![CDATA[\n{body}]]></TEXT>\n<TAGS>\n{tags}\n</TAGS>\n"
        "</ClinicalNarrativeTemporalAnnotation>\n"
    )
    return content, +left_out


class _Names:
    """Generates ids that no tag has."""

    def __init__(self, used: set[str]) -> None:
        self.used = used
        self.next = dict.fromkeys(_PREFIX, 0)

    def new(self, kind: str) -> str:
        while (name := f"{_PREFIX[kind]}{self.next[kind]}") in self.used:
            self.next[kind] += 1
        self.used.add(name)
        return name


def _kind(mention: TextBound) -> str:
    if mention.label in EVENT_TYPES:
        return "EVENT"
    if mention.label in TIMEX_TYPES:
        return "TIMEX3"
    if mention.label == SECTIME:
        return SECTIME
    raise ValueError(
        f"{mention.id} is of type {mention.label}; i2b2-2012 has {', '.join(EVENT_TYPES)}, "
        f"{', '.join(TIMEX_TYPES)} and {SECTIME}"
    )


def _tag(kind: str, values: dict[str, str]) -> str:
    # quoteattr turns newlines and tabs into character references, so a value stays on its line.
    return f"<{kind} " + " ".join(f"{k}={quoteattr(v)}" for k, v in values.items()) + " />"
