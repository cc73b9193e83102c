"""A synthetic discharge summary, section by section."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...brat import Standoff
from .dice import Dice
from .passage import Passage
from .prescription import Prescription
from .story import Story

LINE_WIDTH = 75
# One note in three is far longer than the 512 wordpieces that a BERT encoder reads.
LONG_EVERY = 3


@dataclass(frozen=True, slots=True)
class SyntheticNote:
    """One note of the demo corpus.

    name (str): Split and number, such as "train-007".
    text (str): The note, with hard line breaks.
    standoff (Standoff): Its annotations, in the schema of n2c2-2018 Track 2.
    templates (tuple[str, ...]): Ids of the templates behind it, "pool/kind/number".
    """

    name: str
    text: str
    standoff: Standoff
    templates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """How many items of each kind a note has: (minimum, maximum)."""

    home: tuple[int, int]
    acute: tuple[int, int]
    prn: tuple[int, int]
    changed: tuple[int, int]
    stopped: tuple[int, int]
    adverse: tuple[int, int]
    kept: int
    uneventful: tuple[int, int]


SHORT = Size((2, 4), (1, 2), (1, 1), (0, 1), (0, 1), (0, 2), 1, (0, 1))
LONG = Size((11, 13), (5, 6), (4, 5), (1, 2), (1, 2), (2, 4), 6, (6, 8))


def generate_note(seed: int, split: str, index: int) -> SyntheticNote:
    """Write one note.

    seed (int): Another seed gives another corpus.
    split (str): "train", "dev" or "test"; it decides the pools that the note draws from.
    index (int): Number of the note within its split, from 0.
    RETURNS (SyntheticNote): The note; it depends on these three arguments and nothing else.
    RAISES (ValueError): No such split.
    """
    story = Story(Dice(f"{seed}/{split}/{index}"), split)
    is_long = index % LONG_EVERY == 0
    passage = _discharge_summary(story, LONG if is_long else SHORT, is_long).wrapped(LINE_WIDTH)
    return SyntheticNote(
        f"{split}-{index:03}", passage.text, passage.standoff(), tuple(story.templates)
    )


def _discharge_summary(story: Story, size: Size, is_long: bool) -> Passage:
    dice = story.dice
    allergic = story.prescribe(dice.pick(("acute", "prn")), 3)
    home = story.prescribe("chronic", dice.between(*size.home))
    course, discharge, culprits = _hospital_course(story, size, home)

    note = _header(story)
    upper = dice.chance(0.3)

    def section(name: str, body: Passage) -> None:
        note.write(f"\n{name.upper() if upper else name}:\n")
        note.extend(body)
        note.write("\n")

    section("Allergies", story.tell("allergies", allergic).passage)
    if is_long or dice.chance(0.5):
        section("Chief Complaint", Passage(_capital(story.word("complaint"))))
    section("History of Present Illness", _present_illness(story, home, is_long))
    section("Past Medical History", _past_history(story, is_long))
    if is_long or dice.chance(0.6):
        section("Medications on Admission", story.listed(home))
    if is_long:
        section("Social History", story.say("social"))
        section("Family History", story.say("family"))
    section("Physical Exam", _exam(story, is_long))
    if is_long:
        section("Pertinent Results", _results(story))
    section("Brief Hospital Course", course)
    section("Discharge Medications", story.listed(discharge))
    section("Discharge Condition", story.say("condition"))
    section("Discharge Instructions", _instructions(story, discharge, culprits, is_long))
    section("Follow-up", story.say("follow_up"))
    return note


def _header(story: Story) -> Passage:
    dice = story.dice
    return Passage(
        f"Admission Date:  [**{story.year}-{story.month}-{story.day}**]     "
        f"Discharge Date:  [**{story.year}-{story.month}-{story.day + story.stay}**]\n\n"
        f"Date of Birth:  [**{story.year - story.age}-1-{dice.between(1, 28)}**]"
        f"     Sex:  {story.sex}\n\n"
        f"Service: {dice.pick(story.shared.services)}\n"
    )


def _present_illness(story: Story, home: list[Prescription], is_long: bool) -> Passage:
    about = story.dice.shuffled(home)[: 5 if is_long else 2]
    sentences = [story.say("opening"), *(passage for _, passage in _told(story, "history", about))]
    sentences += [story.say("denial") for _ in range(3 if is_long else 1)]
    return _joined(sentences, " ")


def _past_history(story: Story, is_long: bool) -> Passage:
    conditions = [story.word("condition") for _ in range(7 if is_long else 3)]
    bullet = story.dice.pick(("{}. ", "- ", "# ", ""))
    return Passage(
        "\n".join(
            bullet.format(number) + _capital(name)
            for number, name in enumerate(conditions, start=1)
        )
    )


def _exam(story: Story, is_long: bool) -> Passage:
    parts = list(story.shared.exam.items())
    lines = [
        Passage(f"{part}: {story.dice.pick(options)}")
        for part, options in (parts if is_long else story.dice.shuffled(parts)[:1])
    ]
    return _joined([story.say("vitals"), *lines], "\n")


def _results(story: Story) -> Passage:
    dice = story.dice
    dates = [f"[**{story.month}-{story.day + day}**]" for day in (0, 1, story.stay)]
    rows = ["".join([" " * 24, *(date.rjust(13) for date in dates)])]
    ordered = dice.shuffled(list(story.shared.labs))[:10]
    for name in sorted(ordered, key=list(story.shared.labs).index):
        lab = story.shared.labs[name]
        values = [dice.measure(lab.low, lab.high, lab.decimals).rjust(13) for _ in dates]
        rows.append("".join([name.ljust(24), *values]))
    images = [story.say("imaging") for _ in range(3)]
    return _joined([Passage("\n".join(rows) + "\n"), *images], "\n")


def _hospital_course(
    story: Story, size: Size, home: list[Prescription]
) -> tuple[Passage, list[Prescription], list[Prescription]]:
    """The section, the medicines at discharge, and those with an adverse effect."""
    dice = story.dice
    kept = list(home)
    changed = [item for item in kept if item.higher_amount][: dice.between(*size.changed)]
    kept = [item for item in kept if item not in changed]
    stopped, kept = _cut(kept, dice.between(*size.stopped))
    acute = story.prescribe("acute", dice.between(*size.acute))
    prn = story.prescribe("prn", dice.between(*size.prn))
    adverse = dice.between(*size.adverse)
    culprits, kept = _cut(kept, adverse // 2)
    culprits += story.prescribe(dice.pick(("acute", "prn")), adverse - adverse // 2)

    newcomers: list[Prescription] = []
    told = [
        *_told(story, "acute", acute),
        *_told(story, "relief", prn),
        *_told(story, "home", kept[: size.kept]),
        *_told(story, "changed", changed),
        *_told(story, "stopped", stopped, newcomers),
        *_told(story, "adverse", culprits, newcomers),
    ]
    style = dice.pick(("# {system}: ", "{number}. {system} - ", "*) {system}: ", ""))
    paragraphs = [
        _joined([Passage(style.format(number=number, system=system)), passage], "")
        for number, (system, passage) in enumerate(dice.shuffled(told), start=1)
    ]
    paragraphs += [story.say("uneventful") for _ in range(dice.between(*size.uneventful))]
    raised = [item.raised() for item in changed]
    return _joined(paragraphs, "\n"), [*kept, *raised, *acute, *prn, *newcomers], culprits


def _instructions(
    story: Story, discharge: list[Prescription], culprits: list[Prescription], is_long: bool
) -> Passage:
    sentences = [story.say("instruction") for _ in range(3 if is_long else 1)]
    about = story.dice.shuffled(discharge)[: 2 if is_long else 1]
    sentences += [passage for _, passage in _told(story, "advice", about)]
    sentences += [passage for _, passage in _told(story, "avoid", culprits[:1])]
    return _joined(sentences, " ")


def _told(
    story: Story,
    kind: str,
    prescriptions: Iterable[Prescription],
    newcomers: list[Prescription] | None = None,
) -> list[tuple[str, Passage]]:
    """Heading and text for these medicines; their replacements are added to `newcomers`."""
    queue = list(prescriptions)
    told = []
    while queue:
        known = list(queue)
        passage, cast = story.tell(kind, queue)
        told.append((cast[min(cast)].group.system, passage))
        if newcomers is not None:
            newcomers += [item for item in cast.values() if item not in known + newcomers]
    return told


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _cut(items: list[Prescription], count: int) -> tuple[list[Prescription], list[Prescription]]:
    return items[:count], items[count:]


def _joined(passages: Iterable[Passage], by: str) -> Passage:
    joined = Passage()
    for passage in passages:
        if joined.text:
            joined.write(by)
        joined.extend(passage)
    return joined
