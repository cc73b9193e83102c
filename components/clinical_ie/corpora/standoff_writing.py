"""From the annotations of a Doc back to an `.ann`; lines that did not change stay as they were."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import combinations

from spacy.tokens import Doc

from ..brat import (
    Attribute,
    Comment,
    Detail,
    Equivalence,
    Event,
    Normalization,
    Note,
    Record,
    Standoff,
    TextBound,
)
from ..brat.files import covered_text
from ..doc import (
    DETAILS,
    Annotations,
    Link,
    Mention,
    annotations_of,
    has_standoff,
)
from .standoff_reading import LinkSettings, detail_of, read_lines


def annotations_to_standoff(annotations: Annotations, text: str) -> Standoff:
    """A new `.ann` for annotations; mentions are numbered from T1 in the order given.

    RAISES (ValueError): A line would not be read back as what it is to state.
    """
    whole = _whole_file(annotations, text)
    if whole is not None:
        return whole
    standoff = Standoff()
    new_ids: dict[str, str] = {}
    for mention in annotations.mentions:
        _add_mention(standoff, mention, text, new_ids)
    for link in annotations.links:
        standoff.add_relation(link.label, new_ids[link.head], new_ids[link.tail])
    return standoff


def _whole_file(annotations: Annotations, text: str) -> Standoff | None:
    """The same in less than half the time: all lines are checked together, not one by one.

    RETURNS (Standoff | None): None if a mention has details, whose lines are of several kinds, or
        if a line would not be read back as what it is to state.
    """
    if any(getattr(mention, name) for name in DETAILS for mention in annotations.mentions):
        return None
    ids = {mention.id: f"T{number}" for number, mention in enumerate(annotations.mentions, start=1)}
    bounds = [
        TextBound(ids[m.id], m.label, m.fragments, covered_text(text, m.fragments))
        for m in annotations.mentions
    ]
    relations = [
        (f"R{number}", link.label, ids[link.head], ids[link.tail])
        for number, link in enumerate(annotations.links, start=1)
    ]
    lines = [
        *(f"{bound.render()}\n" for bound in bounds),
        *("{}\t{} Arg1:{} Arg2:{}\n".format(*relation) for relation in relations),
    ]
    standoff = Standoff.parse("".join(lines))
    columns = standoff.columns
    if columns is None or columns.relations != relations:
        return None
    return standoff if list(zip(*columns.mentions, strict=True)) == bounds else None


def doc_to_standoff(doc: Doc) -> Standoff | None:
    """The `.ann` of a Doc as it was read, with later changes to the Doc edited in.

    Mentions are identified by their ids. A mention that is gone from the Doc is removed with the
    lines that depend on it; new ones are appended.
    RETURNS (Standoff | None): None for a Doc that was read without an `.ann` and has no mentions.
    """
    if not has_standoff(doc):
        annotations = annotations_of(doc)
        has_any = bool(annotations.mentions)
        return annotations_to_standoff(annotations, doc.text) if has_any else None
    standoff: Standoff = doc._.standoff
    editor = _Editor(standoff, doc.text, LinkSettings.of(doc))
    # A new mention must not get the id of an old one.
    editor.edit(annotations_of(doc, reserved=editor.old), doc.text)
    return standoff


def edit_standoff(
    standoff: Standoff, new: Annotations, old_text: str, new_text: str, settings: LinkSettings
) -> None:
    """Edit an `.ann` to match new annotations; lines that agree with them stay as they are.

    old_text, new_text (str): The texts that the old and the new offsets refer to.
    settings (LinkSettings): Which lines are relations in the annotations.
    """
    _Editor(standoff, old_text, settings).edit(new, new_text)


class _Editor:
    """The changes to one `.ann`, collected by line before any is made."""

    def __init__(self, standoff: Standoff, old_text: str, settings: LinkSettings) -> None:
        self.standoff = standoff
        self.settings = settings
        self.source = Note("", old_text, standoff, [])
        self.reading = read_lines(self.source, settings)
        self.old = {mention.id: mention for mention in self.reading.annotations.mentions}
        self.changes: dict[int, Record | None] = {}
        self.pairs: list[Equivalence] = []

    def edit(self, new: Annotations, text: str) -> None:
        self.text = text
        self.new = new
        self.kept = {mention.id: mention for mention in new.mentions if mention.id in self.old}
        self._change_mentions()
        self._drop_details()
        new_links = self._drop_links()
        new_details = {
            id_: details
            for id_, mention in self.kept.items()
            if (details := _missing(mention, self.old[id_]))
        }
        ends = {id_ for link in new_links for id_ in (link.head, link.tail)}
        ids = self._ids_in_file(ends | new_details.keys())
        meant = {i: at for i, at in self.reading.mention_lines.items() if self._file_id(i) == i}
        self.standoff.edit(self.changes, meant)
        for pair in self.pairs:
            self.standoff.add(pair)
        for id_, details in new_details.items():
            _add_details(self.standoff, ids[id_], details)
        for mention in self.new.mentions:
            if mention.id not in self.kept:
                _add_mention(self.standoff, mention, self.text, ids)
        for link in new_links:
            self.standoff.add_relation(link.label, ids[link.head], ids[link.tail])

    def _covered_before(self, mention: Mention) -> str:
        return covered_text(self.source.text, mention.fragments)

    def _change_mentions(self) -> None:
        """Rewrite the lines of mentions that changed; remove those of mentions that are gone."""
        relabelled: dict[str, tuple[str, str]] = {}
        for id_, before in self.old.items():
            at = self.reading.mention_lines[id_]
            mention = self.kept.get(id_)
            if mention is None:
                self.changes[at] = None
                continue
            # In another text, another term can be in the same place.
            covered = covered_text(self.text, mention.fragments)
            now = mention.label, mention.fragments, covered
            if now != (before.label, before.fragments, self._covered_before(before)):
                self.changes[at] = TextBound(
                    self._file_id(id_), mention.label, mention.fragments, covered
                )
                if mention.label != before.label:
                    relabelled[id_] = before.label, mention.label
        # An event has the type of its trigger.
        for at, line in enumerate(self.standoff.lines):
            if isinstance(line.record, Event) and line.record.trigger in relabelled:
                label, after = relabelled[line.record.trigger]
                if line.record.label == label:
                    self.changes[at] = line.record._replace(label=after)

    def _drop_details(self) -> None:
        """Remove attributes, normalisations and comments that a mention no longer has."""
        fewer = {
            id_: missing
            for id_, mention in self.kept.items()
            if (missing := _missing(self.old[id_], mention))
        }
        if not fewer:
            return
        for at, line in enumerate(self.standoff.lines):
            if isinstance(line.record, Detail):
                target = line.record.target
                surplus = fewer.get(self.reading.triggers.get(target, target))
                if surplus and surplus[detail := detail_of(line.record)]:
                    surplus[detail] -= 1
                    self.changes[at] = None

    def _drop_links(self) -> list[Link]:
        """Remove the relations that are gone.

        RETURNS (list[Link]): New relations.
        """
        wanted = Counter(map(_key, self.new.links))
        gone: dict[int, list[Link]] = {}
        for link, at in zip(self.reading.annotations.links, self.reading.link_lines, strict=True):
            if wanted[_key(link)]:
                wanted[_key(link)] -= 1
            else:
                gone.setdefault(at, []).append(link)
        for at, links in gone.items():
            self._take_from(at, links)
        return [Link(*key) for key in wanted.elements()]

    def _take_from(self, at: int, links: Sequence[Link]) -> None:
        """Remove relations from the line that states them."""
        record = self.changes.get(at, self.standoff.lines[at].record)
        mentions = self.reading.triggers
        if isinstance(record, Event):
            surplus = Counter((link.label, link.tail) for link in links)
            args = []
            for role, ref in record.args:
                if surplus[said := (role, mentions.get(ref, ref))]:
                    surplus[said] -= 1
                else:
                    args.append((role, ref))
            self.changes[at] = record._replace(args=tuple(args))
        elif isinstance(record, Equivalence):
            ends = Counter((link.head, link.tail) for link in links)
            pairs = []
            for pair in combinations(record.members, 2):
                if ends[said := (mentions.get(pair[0], pair[0]), mentions.get(pair[1], pair[1]))]:
                    ends[said] -= 1
                else:
                    pairs.append(pair)
            left = tuple(ref for ref in record.members if any(ref in pair for pair in pairs))
            if list(combinations(left, 2)) != pairs:
                # Without one pair it is not an equivalence: the others get a line each.
                self.pairs += [record._replace(members=pair) for pair in pairs[1:]]
                left = pairs[0]
            self.changes[at] = record._replace(members=left) if left else None
        else:
            self.changes[at] = None

    def _ids_in_file(self, named: Collection[str]) -> dict[str, str]:
        """The id in the file of each mention that is kept.

        named (Collection[str]): Mentions that new lines will refer to: a second T1 gets a new id,
            because T1 means the first.
        """
        ids = {id_: self._file_id(id_) for id_ in self.kept}
        for id_, in_file in ids.items():
            if id_ != in_file and id_ in named:
                line = self.reading.mention_lines[id_]
                record = self.changes.get(line, self.standoff.lines[line].record)
                assert isinstance(record, TextBound)
                ids[id_] = self.standoff.next_id("T")
                self.changes[line] = record._replace(id=ids[id_])
        return ids

    def _file_id(self, id_: str) -> str:
        """The id in a mention's line: `T1~2` is a second T1."""
        record = self.standoff.lines[self.reading.mention_lines[id_]].record
        assert record is not None
        return record.id


def _key(link: Link) -> tuple[str, str, str]:
    return link.label, link.head, link.tail


Details = Counter[tuple[str, tuple[str, ...]]]


def _missing(have: Mention, other: Mention) -> Details:
    """The details that one mention has and the other lacks."""
    if all(getattr(have, name) == getattr(other, name) for name in DETAILS):
        return Counter()
    return _details(have) - _details(other)


def _details(mention: Mention) -> Details:
    return Counter((name, value) for name in DETAILS for value in getattr(mention, name))


def _add_mention(standoff: Standoff, mention: Mention, text: str, new_ids: dict[str, str]) -> None:
    """Append a mention and its details."""
    covered = covered_text(text, mention.fragments)
    id_ = standoff.add_textbound(mention.label, mention.fragments, covered).id
    new_ids[mention.id] = id_
    if any(getattr(mention, name) for name in DETAILS):
        _add_details(standoff, id_, _details(mention))


def _add_details(standoff: Standoff, target: str, details: Details) -> None:
    for name, value in details.elements():
        if name == "attributes":
            standoff.add(Attribute(standoff.next_id("A"), value[0], target, value[1]))
        elif name == "normalizations":
            standoff.add(Normalization(standoff.next_id("N"), value[0], target, *value[1:]))
        else:
            standoff.add(Comment(standoff.next_id("#"), value[0], target, value[1]))
