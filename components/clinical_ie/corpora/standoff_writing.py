"""From the annotations of a Doc back to an `.ann`; lines that did not change stay as they were."""

from collections import Counter
from dataclasses import replace

from spacy.tokens import Doc

from ..brat import (
    Attribute,
    Comment,
    Event,
    Normalization,
    Note,
    Record,
    Relation,
    Standoff,
    TextBound,
)
from ..brat.files import covered_text
from ..brat.records import Fragments
from ..doc import DETAILS, Annotations, Link, Mention, annotations_of, has_standoff
from .standoff_reading import LinkSettings, detail_of, note_to_annotations


def annotations_to_standoff(annotations: Annotations, text: str) -> Standoff:
    """An `.ann` made anew from annotations; mentions are numbered from T1 in the order given."""
    standoff = Standoff()
    new_ids: dict[str, str] = {}
    for mention in annotations.mentions:
        _add_mention(standoff, mention, text, new_ids)
    for link in annotations.links:
        standoff.add_relation(link.label, new_ids[link.head], new_ids[link.tail])
    return standoff


def doc_to_standoff(doc: Doc) -> Standoff | None:
    """The `.ann` of a Doc, as it was read; what has changed on the Doc since is edited in.

    A mention is the same as long as its id is; one that is gone from the Doc takes along the lines
    that need it, and a new one comes at the end.
    RETURNS (Standoff | None): None for a Doc that was read without an `.ann` and has no mentions.
    """
    annotations = annotations_of(doc)
    if not has_standoff(doc):
        has_any = bool(annotations.mentions)
        return annotations_to_standoff(annotations, doc.text) if has_any else None
    standoff: Standoff = doc._.standoff
    edit_standoff(standoff, annotations, doc.text, doc.text)
    return standoff


def edit_standoff(standoff: Standoff, new: Annotations, old_text: str, new_text: str) -> None:
    """Make an `.ann` say what the new annotations say; lines they agree with stay as they are.

    old_text, new_text (str): What the offsets of the file, and of the new annotations, count into.
    """
    source = Note("", old_text, standoff, [])
    old, _ = note_to_annotations(source)
    everything, _ = note_to_annotations(source, LinkSettings(roles=True, equivalences=True))
    derived = list((Counter(everything.links) - Counter(old.links)).elements())
    file_ids = _file_ids(standoff, old)
    old_by_id = {mention.id: mention for mention in old.mentions}
    kept = {mention.id: mention for mention in new.mentions if mention.id in old_by_id}
    gone = [file_ids[id_] for id_ in old_by_id if id_ not in kept]
    _change_mentions(standoff, old_by_id, kept, file_ids, new_text)
    _drop_details(standoff, old_by_id, kept, file_ids)
    standoff.remove({id_ for id_ in gone if id_ not in {file_ids[k] for k in kept}})
    new_ids = {id_: file_ids[id_] for id_ in kept}
    for mention in new.mentions:
        if mention.id not in kept:
            _add_mention(standoff, mention, new_text, new_ids)
    _change_links(standoff, old.links, derived, new.links, new_ids)


def _file_ids(standoff: Standoff, old: Annotations) -> dict[str, str]:
    """The id in the file of each mention that was read from it: `T1~2` is a second T1."""
    in_file = {bound.id for bound in standoff.records(TextBound)}
    return {
        mention.id: mention.id if mention.id in in_file else mention.id.rpartition("~")[0]
        for mention in old.mentions
    }


def _change_mentions(
    standoff: Standoff,
    old: dict[str, Mention],
    kept: dict[str, Mention],
    file_ids: dict[str, str],
    text: str,
) -> None:
    """Render anew the lines of mentions that moved, grew or changed their label."""
    changed: dict[tuple[str, Fragments], Mention] = {}
    relabelled: dict[str, tuple[str, str]] = {}
    for id_, mention in kept.items():
        before = old[id_]
        if (mention.label, mention.fragments) != (before.label, before.fragments):
            changed[file_ids[id_], before.fragments] = mention
        if mention.label != before.label:
            relabelled[file_ids[id_]] = before.label, mention.label

    def change(record: Record) -> Record:
        if isinstance(record, TextBound) and (record.id, record.fragments) in changed:
            mention = changed[record.id, record.fragments]
            covered = covered_text(text, mention.fragments)
            return TextBound(record.id, mention.label, mention.fragments, covered)
        # An event bears the type of its trigger.
        if isinstance(record, Event) and record.trigger in relabelled:
            before, after = relabelled[record.trigger]
            return replace(record, label=after) if record.label == before else record
        return record

    standoff.update(change)


def _drop_details(
    standoff: Standoff, old: dict[str, Mention], kept: dict[str, Mention], file_ids: dict[str, str]
) -> None:
    """Take out attributes, normalisations and comments that a mention had and has no more."""
    fewer = {
        file_ids[id_]: mention
        for id_, mention in kept.items()
        if any(set(getattr(old[id_], name)) - set(getattr(mention, name)) for name in DETAILS)
    }
    if not fewer:
        return
    triggers = {event.id: event.trigger for event in standoff.records(Event)}

    def change(record: Record) -> Record | None:
        if isinstance(record, Attribute | Normalization | Comment):
            mention = fewer.get(triggers.get(record.target, record.target))
            name, value = detail_of(record)
            if mention is not None and value not in getattr(mention, name):
                return None
        return record

    standoff.update(change)


def _change_links(
    standoff: Standoff, links: list[Link], derived: list[Link], new: list[Link], ids: dict[str, str]
) -> None:
    """Take out the relations that are gone, and add those that are new.

    links, derived (list[Link]): What the file says in `R` lines, and in events and equivalences.
    """
    wanted = Counter((link.label, link.head, link.tail) for link in new)
    in_file = Counter((link.label, link.head, link.tail) for link in links)
    surplus = {
        (label, ids[head], ids[tail]): count
        for (label, head, tail), count in (in_file - wanted).items()
        if head in ids and tail in ids
    }
    triggers = {event.id: event.trigger for event in standoff.records(Event)}
    gone = []
    for relation in standoff.records(Relation):
        head, tail = (triggers.get(end, end) for end in relation.ends)
        key = (relation.label, head, tail)
        if surplus.get(key, 0):
            surplus[key] -= 1
            gone.append(relation.id)
    standoff.remove(gone)
    said = in_file + Counter((link.label, link.head, link.tail) for link in derived)
    for (label, head, tail), count in (wanted - said).items():
        for _ in range(count):
            standoff.add_relation(label, ids[head], ids[tail])


def _add_mention(standoff: Standoff, mention: Mention, text: str, new_ids: dict[str, str]) -> None:
    """Append a mention and what hangs on it."""
    covered = covered_text(text, mention.fragments)
    id_ = standoff.add_textbound(mention.label, mention.fragments, covered).id
    new_ids[mention.id] = id_
    for label, value in mention.attributes:
        standoff.add(Attribute(standoff.next_id("A"), label, id_, value))
    for label, reference, preferred in mention.normalizations:
        standoff.add(Normalization(standoff.next_id("N"), label, id_, reference, preferred))
    for label, comment in mention.comments:
        standoff.add(Comment(standoff.next_id("#"), label, id_, comment))
