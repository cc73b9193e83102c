"""The notation of sentence templates, and its parser.

A template is a sentence (or a few) with slots in braces:

    {Reason} was treated with {drug} {strength} {route}. {Drug2 like 1} was stopped after {ade2}.

*Which medicine.* `{drug}`, `{class}` and `{product}` are mentions of a medicine: by its name, by
the name of its class, and as a medication list prints it. Their digit is the **role**, 1 where
none is written. Every other annotated slot is an attribute, and its digits name the roles that it
belongs to: `{strength2}` is the strength of role 2, `{reason12}` the reason of both. One relation
is made per attribute and role, from the attribute to the mention of the medicine; so a template
spells out its relations, across sentences too.

*Who plays a role.* A medicine of its own, unless the mention that introduces it says otherwise:

    {drug2 same 1}     another mention of the medicine of role 1
    {drug2 like 1}     another medicine of the same group, for the same reason
    {drug2 against 1}  a medicine that treats the adverse effect of role 1

*Twice annotated.* `{ade+reason2}` is one stretch of text with two annotations, the adverse effect
of role 1 and the reason for role 2.

*Layout.* A capital first letter asks for one in the text (`{Drug}`); `{product|28}` pads with
blanks to 28 columns, for tables.

Any name outside `LABELS` is a word of the story without annotation: `{he}`, `{date}`, `{finding}`.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast, get_args

LABELS = {
    "drug": "Drug",
    "class": "Drug",
    "product": "Drug",
    # The amount in a unit is a Strength; the whole amount given is a Dosage.
    "strength": "Strength",
    "newstrength": "Strength",
    "unit": "Form",
    "piece": "Form",
    "pieces": "Form",
    "form": "Form",
    "dosage": "Dosage",
    "count": "Dosage",
    "route": "Route",
    "manner": "Route",
    "sigroute": "Route",
    "frequency": "Frequency",
    "often": "Frequency",
    "sig": "Frequency",
    "duration": "Duration",
    "course": "Duration",
    "reason": "Reason",
    "aim": "Reason",
    "ade": "ADE",
}
MEDICINES = frozenset({"drug", "class", "product"})

BondKind = Literal["same", "like", "against"]


class Bond(NamedTuple):
    """How the medicine of a role follows from that of another role."""

    kind: BondKind
    role: int


class Part(NamedTuple):
    """One annotation of a slot.

    name (str): A key of `LABELS`.
    roles (tuple[int, ...]): The medicines it belongs to; exactly one for a medicine's own mention.
    """

    name: str
    roles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """One pair of braces.

    name (str): The name as written, lower case; for an annotated slot that of its first part.
    parts (tuple[Part, ...]): The annotations on its text, none for a word of the story.
    capital (bool): Whether the text begins with a capital.
    width (int): Columns to pad to.
    """

    name: str
    parts: tuple[Part, ...]
    capital: bool
    width: int


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    id (str): Pool, kind and number, such as "train/home/3".
    pieces (tuple[str | Slot, ...]): Text and slots in the order of the text.
    roles (dict[int, Bond | None]): Every role; None for one with a medicine of its own.
    """

    id: str
    pieces: tuple[str | Slot, ...]
    roles: dict[int, Bond | None]

    @property
    def leads(self) -> list[int]:
        """The roles with a medicine of their own, in ascending order."""
        return sorted(role for role, bond in self.roles.items() if bond is None)


_SLOT = re.compile(
    r"(?P<names>[A-Za-z]+\d*(\+[a-z]+\d+)*)( (?P<bond>[a-z]+) (?P<to>\d))?(\|(?P<width>\d+))?"
)


def parse_template(id_: str, source: str) -> Template:
    """Parse one template.

    id_ (str): Its id, for messages and statistics.
    source (str): The template in the notation of this module.
    RETURNS (Template): The parsed form.
    RAISES (ValueError): A slot that is not in the notation, a role without a medicine, two bonds
        for one role, or a bond to a role that is not used or not lower.
    """
    pieces: list[str | Slot] = []
    roles: dict[int, Bond | None] = {}
    for number, piece in enumerate(re.split(r"\{([^{}]*)\}", source)):
        if number % 2 == 0:
            if "{" in piece or "}" in piece:
                raise ValueError(f"{id_}: unmatched brace in {source!r}")
            if piece:
                pieces.append(piece)
            continue
        slot, bond = _parse_slot(id_, piece)
        pieces.append(slot)
        for part in slot.parts:
            if part.name in MEDICINES:
                if part.roles[0] in roles:
                    raise ValueError(f"{id_}: role {part.roles[0]} has two mentions in {source!r}")
                roles[part.roles[0]] = bond
    _check_roles(id_, pieces, roles)
    return Template(id_, tuple(pieces), roles)


def _parse_slot(id_: str, body: str) -> tuple[Slot, Bond | None]:
    match = _SLOT.fullmatch(body)
    if match is None:
        raise ValueError(
            f"{id_}: {{{body}}} is not a slot; see clinical_ie.corpora.synthetic.template"
        )
    names = match["names"]
    lowered = names[0].lower() + names[1:]
    parts: tuple[Part, ...] = ()
    for name, digits in re.findall(r"([a-z]+)(\d*)", lowered):
        if name in LABELS:
            parts += (Part(name, tuple(int(digit) for digit in digits or "1")),)
        elif digits or "+" in names:
            raise ValueError(
                f"{id_}: {{{body}}}: {name!r} is not an annotated slot; one of {list(LABELS)}"
            )
    name = parts[0].name if parts else lowered
    bond = None
    if match["bond"]:
        if match["bond"] not in get_args(BondKind) or name not in MEDICINES:
            raise ValueError(f"{id_}: {{{body}}}: a bond must read {{drug2 same|like|against 1}}")
        bond = Bond(cast(BondKind, match["bond"]), int(match["to"]))
    return Slot(name, parts, names[0].isupper(), int(match["width"] or 0)), bond


def _check_roles(id_: str, pieces: list[str | Slot], roles: dict[int, Bond | None]) -> None:
    for piece in pieces:
        for part in piece.parts if isinstance(piece, Slot) else ():
            if part.name in MEDICINES and len(part.roles) != 1:
                raise ValueError(
                    f"{id_}: {part.name} {part.roles} is a mention of several medicines"
                )
            if missing := set(part.roles) - roles.keys():
                raise ValueError(
                    f"{id_}: {part.name} belongs to role {missing}, which has no medicine"
                )
    for role, bond in roles.items():
        if bond is not None and (bond.role not in roles or bond.role >= role):
            raise ValueError(
                f"{id_}: role {role} depends on {bond.role}; expected a lower role that is used"
            )
