"""One patient's story: the prescriptions, and the sentences that tell about them."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from .dice import Dice
from .lexicon import POOLS, Group, Layout, Pool, Sex, load_pool, load_shared
from .passage import Link, Passage
from .prescription import Prescription, prescribe
from .template import MEDICINES, Bond, Slot, Template, parse_template

T = TypeVar("T")
Cast = dict[int, Prescription]

_PRONOUNS: dict[Sex, dict[str, str]] = {
    "M": {"he": "he", "his": "his", "him": "him", "man": "man", "title": "Mr."},
    "F": {"he": "she", "his": "her", "him": "her", "man": "woman", "title": "Ms."},
}


class Told(NamedTuple):
    """A filled template: text with annotations, and the medicines by role."""

    passage: Passage
    cast: Cast


class Story:
    """The content of one note.

    dice (Dice): Makes all choices.
    split (str): "train", "dev" or "test".
    RAISES (ValueError): There is no such split.

    `templates` (list[str]): Ids of the templates used so far.
    """

    def __init__(self, dice: Dice, split: str) -> None:
        if split not in POOLS:
            raise ValueError(f"split {split!r} is unknown; expected one of {list(POOLS)}")
        self.dice = dice
        self.shared = load_shared()
        self.sex: Sex = dice.pick(("M", "F"))
        self.year = dice.between(2101, 2198)
        self.month = dice.between(1, 11)
        self.day = dice.between(1, 18)
        self.stay = dice.between(3, 9)
        self.age = dice.between(32, 88)
        self.templates: list[str] = []
        self._pools: list[Pool] = [load_pool(name) for name in POOLS[split]]
        self._template_decks: dict[str, list[Template]] = {}
        self._word_decks: dict[str, list[str]] = {}
        self._names: set[str] = set()
        self._complaint = dice.pick(dice.pick(self._pools).complaints)
        self._nouns: set[str] = set()
        self._reasons: set[str] = set()

    def prescribe(self, use: str, count: int) -> list[Prescription]:
        """Draw medicines of one use, no two of one class; fewer if the pools run out."""
        drawn: list[Prescription] = []
        for group in self._mixed([pool.groups for pool in self._pools]):
            if len(drawn) == count:
                break
            if group.use != use or group.noun in self._nouns or group.sex not in (None, self.sex):
                continue
            if prescription := self._another(group):
                self._nouns.add(group.noun)
                self._names.add(prescription.medicine.names[0])
                self._reasons.add(prescription.reason)
                drawn.append(prescription)
        return drawn

    def tell(self, kind: str, queue: list[Prescription]) -> Told:
        """Fill a template of a kind with the first medicines of a queue, which are removed from it.

        kind (str): One of `lexicon.KINDS`.
        queue (list[Prescription]): Medicines; empty for a template about none.
        RETURNS (Told): No template is used again before all others that fit.
        RAISES (LookupError): No template of the kind fits the queue.
        """
        for deck in (self._template_decks.get(kind, []), self._full_deck(kind)):
            for template in deck:
                cast = self._cast(template, queue)
                if cast is not None:
                    deck.remove(template)
                    self._template_decks[kind] = deck
                    del queue[: len(template.leads)]
                    return Told(self._filled(template, cast), cast)
        names = [prescription.medicine.names[0] for prescription in queue]
        raise LookupError(f"no {kind} template fits {names}")

    def say(self, kind: str) -> Passage:
        """Fill a template of a kind that is about no medicine."""
        return self.tell(kind, []).passage

    def listed(self, prescriptions: Sequence[Prescription]) -> Passage:
        """A medication list in one of the pools' layouts."""
        layout: Layout = self._mixed([pool.layouts for pool in self._pools])[0]
        passage = Passage(layout.title + "\n" if layout.title else "")
        for number, item in enumerate(prescriptions, start=1):
            source = layout.item(item.group.use, item.by_amount)
            if number > 1:
                passage.write(layout.join)
            passage.extend(
                self._filled(parse_template(layout.id, source), {1: item}, {"n": str(number)})
            )
        return passage

    def word(self, name: str) -> str:
        """The text of a slot without annotation.

        RAISES (KeyError): No such word.
        """
        if name in _PRONOUNS[self.sex]:
            return _PRONOUNS[self.sex][name]
        if name in self.shared.numbers:
            measure = self.shared.numbers[name]
            return self.dice.measure(measure.low, measure.high, measure.decimals)
        match name:
            case "age":
                return str(self.age)
            case "an":
                return "an" if self.age // 10 == 8 else "a"
            case "complaint":
                return self._complaint
            case "finding" | "condition":
                if not self._word_decks.get(name):
                    deck = self._mixed([getattr(pool, name + "s") for pool in self._pools])
                    self._word_decks[name] = deck
                return self._word_decks[name].pop().replace("{year}", self.word("year"))
            case "name":
                return f"{self.word('title')} [**Known lastname {self.word('room')}**]"
            case "doctor":
                return f"Dr. [**Last Name (STitle) {self.word('room')}**]"
            case "day":
                return str(self.dice.between(2, self.stay))
            case "year":
                return str(self.year - self.dice.between(2, 20))
            case "monthday":
                return f"{self.month}-{self.day + self.dice.between(0, self.stay)}"
            case "date":
                return f"[**{self.year}-{self.word('monthday')}**]"
            case "lastyear":
                return (
                    f"[**{self.year - 1}-{self.dice.between(1, 12)}-{self.dice.between(1, 28)}**]"
                )
            case "nextmonth":
                return f"[**{self.year}-{self.month + 1}-{self.dice.between(1, 28)}**]"
        raise KeyError(f"no word {{{name}}} in the story")

    def _mixed(self, piles: Sequence[Sequence[T]]) -> list[T]:
        """Merge the piles in random order; each item is from any remaining pile, equally likely."""
        rest = [self.dice.shuffled(pile) for pile in piles]
        mixed: list[T] = []
        while rest := [pile for pile in rest if pile]:
            mixed.append(self.dice.pick(rest).pop())
        return mixed

    def _full_deck(self, kind: str) -> list[Template]:
        if kind in self.shared.templates:
            return self._mixed([self.shared.templates[kind]])
        return self._mixed([pool.templates[kind] for pool in self._pools])

    def _another(self, group: Group, reason: str | None = None) -> Prescription | None:
        """Prescribe a medicine of the group that the story has not used; None if there is none."""
        free = [medicine for medicine in group.drugs if medicine.names[0] not in self._names]
        if not free:
            return None
        new = [reason for reason in group.reasons if reason not in self._reasons]
        reason = reason or self.dice.pick(new or group.reasons)
        return prescribe(group, self.dice.pick(free), reason, self.shared, self.dice)

    def _cast(self, template: Template, queue: Sequence[Prescription]) -> Cast | None:
        if len(template.leads) > len(queue):
            return None
        cast = dict(zip(template.leads, queue, strict=False))
        for role, bond in sorted(template.roles.items()):
            if bond is not None:
                player = self._bonded(bond, cast[bond.role])
                if player is None:
                    return None
                cast[role] = player
        for piece in template.pieces:
            for part in piece.parts if isinstance(piece, Slot) else ():
                if not all(cast[role].allows(part.name) for role in part.roles):
                    return None
        return cast

    def _bonded(self, bond: Bond, lead: Prescription) -> Prescription | None:
        match bond.kind:
            case "same":
                return lead
            case "like":
                return self._another(lead.group, lead.reason)
            case "against":
                groups = [group for pool in self._pools for group in pool.groups]
                remedies = [group for group in groups if lead.ade in group.reasons]
                return self._another(self.dice.pick(remedies), lead.ade) if remedies else None

    def _filled(
        self, template: Template, cast: Cast, words: dict[str, str] | None = None
    ) -> Passage:
        self.templates.append(template.id)
        passage = Passage()
        drugs: dict[int, int] = {}
        attributes: list[tuple[int, int]] = []
        for piece in template.pieces:
            if isinstance(piece, str):
                passage.write(piece)
                continue
            if piece.parts:
                lead = cast[piece.parts[0].roles[0]]
                text = lead.text(piece.name, self.dice)
            else:
                text = (words or {}).get(piece.name) or self.word(piece.name)
            if piece.capital:
                text = text[0].upper() + text[1:]
            labels = tuple(cast[part.roles[0]].label(part.name) for part in piece.parts)
            for part, mention in zip(piece.parts, passage.write(text, labels), strict=True):
                if part.name in MEDICINES:
                    drugs[part.roles[0]] = mention
                else:
                    attributes += [(mention, role) for role in part.roles]
            passage.write(" " * max(piece.width - len(text), piece.width > 0))
        passage.links = [Link(mention, drugs[role]) for mention, role in attributes]
        return passage
