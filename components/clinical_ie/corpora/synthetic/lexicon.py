"""The content of the notes: medicines by indication, findings, sentence templates.

The data are the YAML files in `data/`. A *pool* is a folder there with `lexicon.yml` and
`templates.yml`; train notes draw from the pool `train`, test notes from `test` and dev notes from
both `train` and `dev`, so that a score on test shows what a model does with medicines, problems
and sentences that it has never seen. `shared.yml` holds what all notes share: the forms of
medicines, ways to write a frequency, and sections without any annotation.
"""

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from .template import Template, parse_template

POOLS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "dev": ("train", "dev"),
    "test": ("test",),
}

# Kinds of templates; each pool has at least one template of each kind.
KINDS = frozenset(
    {
        "opening",  # who the patient is and what brought the patient in; no annotation
        "denial",  # what the patient does not have, and numbers other than doses; no annotation
        "history",  # history of present illness: a medicine taken at home
        "acute",  # hospital course: a new treatment for a limited time
        "relief",  # hospital course: a medicine as needed
        "home",  # hospital course: a medicine continued
        "changed",  # hospital course: a new dose
        "stopped",  # hospital course: a medicine stopped or replaced
        "adverse",  # hospital course: an adverse effect
        "allergies",  # the section of that name
        "advice",  # discharge instructions: a medicine to take
        "avoid",  # discharge instructions: a medicine not to take
    }
)
SHARED_KINDS = frozenset(
    {
        "vitals",
        "imaging",
        "social",
        "family",
        "uneventful",
        "condition",
        "instruction",
        "follow_up",
    }
)

Sex = Literal["M", "F"]


def _split(value: Any) -> Any:
    return value.split("; ") if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_split)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Medicine(_Data):
    """A product; in the data one line `generic; Brand | amount; amount | form | frequency`.

    names (list[str]): Generic name first; each as it is written within a sentence.
    amounts (list[str]): In ascending order.
    form (str): A key of `Shared.forms`.
    frequencies (list[str]): Keys of `Shared.frequencies`.
    """

    names: Words
    amounts: Words
    form: str
    frequencies: Words

    @model_validator(mode="before")
    @classmethod
    def _from_line(cls, line: Any) -> Any:
        if not isinstance(line, str):
            return line
        columns = line.split(" | ")
        if len(columns) != len(cls.model_fields):
            raise ValueError(f"{line!r} is not 'names | amounts | form | frequencies'")
        return dict(zip(cls.model_fields, columns, strict=True))


class Group(_Data):
    """Medicines that are given for the same reasons.

    noun (str): Name of one of them, or of all of them, in prose: "beta blocker", "antibiotics".
    system (str): Its heading in the hospital course.
    use (str): "chronic" (taken at home), "acute" (for a time, so it has durations) or "prn".
    reasons (list[str]): Problems, as nouns that fit "developed …" and "… was treated".
    aims (list[str]): Reasons that fit only "for …".
    ades (list[str]): Adverse effects, as nouns.
    sex (str | None): The sex of patients who can have the problem, if not all can.
    """

    noun: str
    system: str
    use: Literal["chronic", "acute", "prn"]
    reasons: list[str]
    aims: list[str] = []
    ades: list[str]
    durations: list[str] = []
    sex: Sex | None = None
    drugs: list[Medicine]


class Layout(_Data):
    """How a medication list is printed.

    id (str): Pool and number, such as "train/layout/2".
    title (str): A first line, for tables.
    unit (str): Template of an item that is counted in tablets, puffs, ….
    given (str): Template of an item that is given by amount: infusions, injections, liquids.
    acute, prn (str): Text after the item for medicines of these uses.
    end (str): Text that ends an item.
    join (str): Text between two items.
    """

    id: str
    title: str = ""
    unit: str
    given: str
    acute: str
    prn: str
    end: str
    join: str

    def item(self, use: str, by_amount: bool) -> str:
        """The template of one item, in the notation of `template`."""
        tail = {"acute": self.acute, "prn": self.prn}.get(use, "")
        return (self.given if by_amount else self.unit) + tail + self.end


class Pool(_Data):
    """One set of medicines, problems and sentences.

    name (str): "train", "dev" or "test".
    findings, conditions, complaints (list[str]): Problems without a medicine, for negations, for
        the past medical history and for the chief complaint.
    templates (dict[str, list[Template]]): By kind.
    """

    name: str
    groups: list[Group]
    findings: list[str]
    conditions: list[str]
    complaints: list[str]
    layouts: list[Layout]
    templates: dict[str, list[Template]]


class Form(_Data):
    """A dosage form.

    prose (list[str]): Its names within a sentence.
    unit (str | None): Its name on a label; None if it is given by amount.
    piece (list[str]): Singular and plural of what is taken; empty if it is given by amount.
    counts (list[int]): How many are taken at a time, to draw from.
    route, manner, sigroute (list[str]): Route as a code, in words, and in a medication list.
    """

    prose: Words
    unit: str | None = None
    piece: Words = []
    counts: list[int] = [1]
    route: Words
    manner: Words
    sigroute: Words


class Frequency(_Data):
    """Ways to write one frequency: as a code, in words, and in a medication list."""

    frequency: Words
    often: Words
    sig: Words


class Range(_Data):
    """A measurement: `low` to `high`, with this number of decimals."""

    low: float
    high: float
    decimals: int = 0


class Shared(_Data):
    """What notes of every split have in common; see `shared.yml`."""

    forms: dict[str, Form]
    frequencies: dict[str, Frequency]
    services: list[str]
    numbers: dict[str, Range]
    labs: dict[str, Range]
    exam: dict[str, list[str]]
    templates: dict[str, list[Template]]


@functools.cache
def load_shared() -> Shared:
    """The content of `shared.yml`."""
    data = _read("shared.yml")
    return Shared.model_validate(
        {**data, "templates": _parsed("shared", data["templates"], SHARED_KINDS)}
    )


@functools.cache
def load_pool(name: str) -> Pool:
    """One pool.

    name (str): "train", "dev" or "test".
    RETURNS (Pool): The content of its two files.
    RAISES (ValueError): The data do not fit the schema, or a template is not in its notation.
    """
    data = {"name": name, **_read(f"{name}/lexicon.yml"), **_read(f"{name}/templates.yml")}
    layouts = [
        {"id": f"{name}/layout/{number}", **layout}
        for number, layout in enumerate(data["layouts"], start=1)
    ]
    templates = _parsed(name, data["templates"], KINDS)
    return Pool.model_validate({**data, "layouts": layouts, "templates": templates})


def _parsed(
    pool: str, templates: dict[str, list[str]], kinds: frozenset[str]
) -> dict[str, list[Template]]:
    if odd := kinds ^ templates.keys():
        raise ValueError(f"templates of {pool}: {sorted(odd)} missing or unknown")
    return {
        kind: [
            parse_template(f"{pool}/{kind}/{number}", source)
            for number, source in enumerate(sources, start=1)
        ]
        for kind, sources in templates.items()
    }


def _read(path: str) -> dict[str, Any]:
    source = resources.files(__package__).joinpath("data", path).read_text(encoding="utf8")
    data: dict[str, Any] = yaml.safe_load(source)
    return data
