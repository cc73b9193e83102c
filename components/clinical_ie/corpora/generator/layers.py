"""From a draft to standoff: mentions, relations, and the other line kinds at their rates."""

import hashlib
from collections import defaultdict

from clinical_ie.brat import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Relation,
    Standoff,
)
from clinical_ie.brat.files import covered_text
from clinical_ie.brat.model import Line, Record

from ..synthetic.dice import Dice
from ..synthetic.passage import line_fragments
from .draft import Draft, Mention
from .schema import Layers


def to_standoff(draft: Draft, text: str, layers: Layers, dice: Dice) -> Standoff:
    """The annotations in brat's terms, numbered in the order of the text.

    text (str): The draft's text, with some blanks turned into newlines.
    RETURNS (Standoff): A mention that crosses a line break has a fragment per line; a relation
        with a mention that triggers an event names the event.
    """
    return _Annotator(draft, text, layers, dice).standoff()


class _Annotator:
    def __init__(self, draft: Draft, text: str, layers: Layers, dice: Dice) -> None:
        self._draft = draft
        self._text = text
        self._layers = layers
        self._dice = dice
        self._made = Standoff()
        # Ids by position in the draft: of the mention, and of what stands for it in relations.
        self._ids: dict[int, str] = {}
        self._names: dict[int, str] = {}

    def standoff(self) -> Standoff:
        mentions = self._draft.mentions
        # An outer mention comes before those within it.
        self._order = sorted(
            range(len(mentions)),
            key=lambda i: (mentions[i].pieces[0][0], -mentions[i].pieces[-1][1]),
        )
        for position in self._order:
            mention = mentions[position]
            fragments = [f for piece in mention.pieces for f in line_fragments(self._text, *piece)]
            covered = covered_text(self._text, tuple(fragments))
            self._ids[position] = self._made.add_textbound(mention.label, fragments, covered).id
        self._names = dict(self._ids)
        self._events()
        links = sorted(self._draft.links, key=lambda link: mentions[link.head].pieces[0])
        for number, link in enumerate(links, start=1):
            head, tail = self._names[link.head], self._names[link.tail]
            self._add(Relation(f"R{number}", link.label, (("Arg1", head), ("Arg2", tail))))
        self._attributes()
        self._normalizations()
        self._comments()
        self._equivalences()
        return self._made

    def _mentions(self) -> list[tuple[int, Mention]]:
        return [(position, self._draft.mentions[position]) for position in self._order]

    def _add(self, record: Record) -> None:
        self._made.lines.append(Line(f"{record.render()}\n", record))

    def _events(self) -> None:
        settings = self._layers.events
        if settings is None:
            return
        number = 0
        for position, mention in self._mentions():
            if mention.label not in settings.types or not self._dice.chance(settings.rate):
                continue
            heads = [link.head for link in self._draft.links if link.tail == position]
            counts: dict[str, int] = defaultdict(int)
            args = []
            for head in heads:
                label = self._draft.mentions[head].label
                counts[label] += 1
                # brat numbers the second and later arguments of one role.
                role = label if counts[label] == 1 else f"{label}{counts[label]}"
                args.append((role, self._ids[head]))
            number += 1
            self._names[position] = f"E{number}"
            self._add(Event(f"E{number}", mention.label, self._ids[position], tuple(args)))

    def _attributes(self) -> None:
        number = 0
        for position, mention in self._mentions():
            found = dict(mention.attributes)
            for label, settings in self._layers.attributes.items():
                if label in found or mention.label not in settings.types:
                    continue
                if self._dice.chance(settings.rate):
                    found[label] = self._dice.pick(settings.values) if settings.values else ""
            for label, value in found.items():
                number += 1
                self._add(Attribute(f"A{number}", label, self._names[position], value))

    def _normalizations(self) -> None:
        settings = self._layers.normalizations
        if settings is None:
            return
        number = 0
        for position, mention in self._mentions():
            source = settings.sources.get(mention.label)
            if source and mention.key and self._dice.chance(settings.rate):
                number += 1
                digest = hashlib.sha256(mention.key.encode("utf8")).hexdigest()
                reference = f"{source}:{int(digest[:8], 16) % 10**7:07}"
                target = self._ids[position]
                self._add(Normalization(f"N{number}", "Reference", target, reference, mention.key))

    def _comments(self) -> None:
        settings = self._layers.comments
        if settings is None:
            return
        number = 0
        for position, _ in self._mentions():
            if self._dice.chance(settings.rate):
                number += 1
                text = self._dice.pick(settings.texts)
                self._add(Comment(f"#{number}", "AnnotatorNotes", self._ids[position], text))

    def _equivalences(self) -> None:
        settings = self._layers.equivalences
        if settings is None:
            return
        same: dict[tuple[str, str], list[str]] = defaultdict(list)
        for position, mention in self._mentions():
            if mention.key:
                same[mention.label, mention.key].append(self._ids[position])
        for ids in same.values():
            if len(ids) > 1 and self._dice.chance(settings.rate):
                self._add(Equivalence("*", "Equiv", tuple(ids)))
