"""A medicine as one patient takes it, and how its mentions and attributes are written."""

import re
from dataclasses import dataclass, replace

from .dice import Dice
from .lexicon import Form, Frequency, Group, Medicine, Shared
from .template import LABELS

_WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 6: "six", 7: "seven", 10: "ten"}


@dataclass(frozen=True, slots=True)
class Prescription:
    """What is constant about a medicine within one note; only its wording varies.

    amount (str): "25 mg": the content of one unit, or the whole amount given.
    higher_amount (str | None): The next higher amount on the market.
    count (int): Units that are taken at a time.
    reason, aim, ade (str): The problem, the purpose, the adverse effect.
    duration (str | None): "7 days", for acute treatments.
    """

    group: Group
    medicine: Medicine
    form: Form
    frequency: Frequency
    amount: str
    higher_amount: str | None
    count: int
    reason: str
    aim: str
    ade: str
    duration: str | None

    @property
    def by_amount(self) -> bool:
        """Whether the amount is the whole amount given, not the content of one unit."""
        return self.form.unit is None

    def allows(self, slot: str) -> bool:
        """Whether an annotated slot of that name has a text for this medicine."""
        if slot == "newstrength":
            return self.higher_amount is not None
        if slot in {"duration", "course"}:
            return self.duration is not None
        if slot in {"unit", "piece", "pieces", "dosage", "count"}:
            return not self.by_amount
        return True

    def raised(self) -> "Prescription":
        """The same prescription at the next higher amount."""
        return replace(self, amount=self.higher_amount or self.amount, higher_amount=None)

    def label(self, slot: str) -> str:
        """The entity type of a slot's text."""
        if slot in {"strength", "newstrength"} and self.by_amount:
            return "Dosage"
        return LABELS[slot]

    def text(self, slot: str, dice: Dice) -> str:
        """The text of an annotated slot that `allows` accepts, in one of its wordings."""
        match slot:
            case "drug":
                return self._name(dice)
            case "product":
                return re.sub(r"\b[a-z]", lambda first: first[0].upper(), self._name(dice))
            case "class":
                return self.group.noun
            case "strength":
                return _glued(self.amount, dice)
            case "newstrength":
                return _glued(self.higher_amount or self.amount, dice)
            case "unit":
                return self.form.unit or ""
            case "piece":
                return self.form.piece[0].capitalize()
            case "pieces":
                return self.form.piece[self.count > 1]
            case "form":
                return dice.pick(self.form.prose)
            case "dosage":
                return f"{_WORDS[self.count].capitalize()} ({self.count})"
            case "count":
                return _WORDS[self.count] if dice.chance(0.5) else str(self.count)
            case "route" | "manner" | "sigroute":
                return dice.pick(getattr(self.form, slot))
            case "frequency" | "often" | "sig":
                return dice.pick(getattr(self.frequency, slot))
            case "duration":
                number, unit = (self.duration or "").split(" ", 1)
                word = _WORDS.get(int(number), number)
                return f"{word if dice.chance(0.3) else number} {unit}"
            case "course":
                return (self.duration or "").removesuffix("s").replace(" ", "-")
            case "reason":
                return self.reason
            case "aim":
                return self.aim
            case "ade":
                return self.ade
        raise ValueError(f"{slot!r} is not an annotated slot; expected one of {list(LABELS)}")

    def _name(self, dice: Dice) -> str:
        generic, *others = self.medicine.names
        return dice.pick(others) if others and dice.chance(0.4) else generic


def prescribe(
    group: Group, medicine: Medicine, reason: str, shared: Shared, dice: Dice
) -> Prescription:
    """Draw how a patient takes a medicine for a reason."""
    step = dice.between(0, len(medicine.amounts) - 1)
    return Prescription(
        group=group,
        medicine=medicine,
        form=shared.forms[medicine.form],
        frequency=shared.frequencies[dice.pick(medicine.frequencies)],
        amount=medicine.amounts[step],
        higher_amount=medicine.amounts[step + 1] if step + 1 < len(medicine.amounts) else None,
        count=dice.pick(shared.forms[medicine.form].counts),
        reason=reason,
        aim=dice.pick([reason, *group.aims]),
        ade=dice.pick(group.ades),
        duration=dice.pick(group.durations) if group.durations else None,
    )


def _glued(amount: str, dice: Dice) -> str:
    """`25 mg`, or `25mg` as in hurried notes."""
    glue = amount.endswith(("mg", "mcg", "%", "mL")) and dice.chance(0.25)
    return amount.replace(" ", "") if glue else amount
