"""From a draft to standoff: mentions, relations, and the other line kinds at their rates."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator

from ...brat import Attribute, Comment, Equivalence, Event, Normalization, Standoff
from ...brat.files import covered_text, line_fragments
from ..synthetic.dice import Dice
from .draft import Draft, Mention
from .schema import AttributeType, Comments, Equivalences, Events, Layers, Normalizations


def to_standoff(draft: Draft, text: str, layers: Layers, dice: Dice) -> Standoff:
    """The annotations as standoff, numbered in the order of the text.

    text (str): The draft's text, with some blanks turned into newlines.
    RETURNS (Standoff): A mention that crosses a line break has a fragment per line; a relation
        with the trigger of an event refers to the event.
    """
    annotator = _Annotator(draft, text, dice)
    annotator.mentions()
    if layers.events:
        annotator.events(layers.events)
    annotator.relations()
    annotator.attributes(layers.attributes)
    if layers.normalizations:
        annotator.normalizations(layers.normalizations)
    if layers.comments:
        annotator.comments(layers.comments)
    if layers.equivalences:
        annotator.equivalences(layers.equivalences)
    return annotator.standoff


class _Annotator:
    def __init__(self, draft: Draft, text: str, dice: Dice) -> None:
        self.standoff = Standoff()
        self._draft = draft
        self._text = text
        self._dice = dice
        # By position in the draft: the mention's id, and the id by which relations refer to it.
        self._ids: dict[int, str] = {}
        self._names: dict[int, str] = {}

    def mentions(self) -> None:
        found = self._draft.mentions
        # An outer mention comes before those within it.
        order = sorted(
            range(len(found)), key=lambda i: (found[i].pieces[0][0], -found[i].pieces[-1][1])
        )
        for position in order:
            mention = found[position]
            fragments = tuple(
                f for piece in mention.pieces for f in line_fragments(self._text, piece)
            )
            covered = covered_text(self._text, fragments)
            bound = self.standoff.add_textbound(mention.label, fragments, covered)
            self._ids[position] = self._names[position] = bound.id

    def events(self, settings: Events) -> None:
        for position, mention in self._each():
            if mention.label not in settings.types or not self._dice.chance(settings.rate):
                continue
            counts: dict[str, int] = defaultdict(int)
            args = []
            for head in (link.head for link in self._draft.links if link.tail == position):
                label = self._draft.mentions[head].label
                counts[label] += 1
                # brat numbers the second and later arguments of one role.
                role = label if counts[label] == 1 else f"{label}{counts[label]}"
                args.append((role, self._ids[head]))
            id_, trigger = self.standoff.next_id("E"), self._ids[position]
            self._names[position] = id_
            self.standoff.add(Event(id_, mention.label, trigger, tuple(args)))

    def relations(self) -> None:
        found = self._draft.mentions
        for link in sorted(self._draft.links, key=lambda link: found[link.head].pieces[0]):
            self.standoff.add_relation(link.label, self._names[link.head], self._names[link.tail])

    def attributes(self, types: dict[str, AttributeType]) -> None:
        for position, mention in self._each():
            found = dict(mention.attributes)
            for label, settings in types.items():
                if label in found or mention.label not in settings.types:
                    continue
                if self._dice.chance(settings.rate):
                    found[label] = self._dice.pick(settings.values) if settings.values else ""
            for label, value in found.items():
                id_ = self.standoff.next_id("A")
                self.standoff.add(Attribute(id_, label, self._names[position], value))

    def normalizations(self, settings: Normalizations) -> None:
        for position, mention in self._each():
            source = settings.sources.get(mention.label)
            if source and mention.key and self._dice.chance(settings.rate):
                digest = hashlib.sha256(mention.key.encode("utf8")).hexdigest()
                code = f"{source}:{int(digest[:8], 16) % 10**7:07}"
                id_, target = self.standoff.next_id("N"), self._ids[position]
                self.standoff.add(Normalization(id_, "Reference", target, code, mention.key))

    def comments(self, settings: Comments) -> None:
        for position, _ in self._each():
            if self._dice.chance(settings.rate):
                id_, text = self.standoff.next_id("#"), self._dice.pick(settings.texts)
                self.standoff.add(Comment(id_, "AnnotatorNotes", self._ids[position], text))

    def equivalences(self, settings: Equivalences) -> None:
        same: dict[tuple[str, str], list[str]] = defaultdict(list)
        for position, mention in self._each():
            if mention.key:
                same[mention.label, mention.key].append(self._ids[position])
        for ids in same.values():
            if len(ids) > 1 and self._dice.chance(settings.rate):
                self.standoff.add(Equivalence("*", "Equiv", tuple(ids)))

    def _each(self) -> Iterator[tuple[int, Mention]]:
        """Positions and mentions in the order of the text."""
        return ((position, self._draft.mentions[position]) for position in self._ids)
