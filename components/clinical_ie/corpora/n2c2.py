"""The layout of n2c2-2018 Track 2, and what its official scoring script would trip over.

The notes are plain brat; the data needs a signed agreement and is not part of this project.
"""

from collections import Counter
from collections.abc import Iterator

from ..brat import Event, Note, Problem, Record, Relation, TextBound

# Folder names in the release; each folder is searched recursively.
FOLDERS = {
    "train": ("training_20180910", "training*"),
    "test": ("gold-standard-test-data", "gold-standard*"),
}
SIZES = {"train": 303, "test": 202}

ENTITIES = frozenset(
    {
        "Drug",
        "Strength",
        "Form",
        "Dosage",
        "Frequency",
        "Route",
        "Duration",
        "Reason",
        "ADE",
    }
)
# The official script cannot read mentions in more pieces.
MAX_PIECES = 3
RELATIONS = frozenset(f"{label}-Drug" for label in ENTITIES - {"Drug"})


def official_script_warnings(note: Note) -> list[Problem]:
    """Annotations that the official evaluation script (version 4) does not count as expected.

    RETURNS (list[Problem]): Warnings; the notes themselves are kept as they are.
    """
    numbered = [
        (number, line.record)
        for number, line in enumerate(note.standoff.lines, start=1)
        if line.record is not None
    ]
    mentions = {r.id: r for _, r in numbered if isinstance(r, TextBound)}
    # The lines that count: of several with one id, the last.
    last = {(type(r), r.id): number for number, r in numbered}
    seen: Counter[tuple[object, ...]] = Counter()
    borne: set[tuple[type, str]] = set()
    problems = []
    for number, record in numbered:
        bearer = (type(record), record.id)
        # What is dropped repeats nothing, and nothing repeats it.
        counts = last[bearer] == number
        of_record = list(_told(record, mentions, seen if counts else Counter()))
        if isinstance(record, TextBound | Relation):
            if bearer in borne:
                of_record.append("has the id of an earlier line, which the official script drops")
            borne.add(bearer)
        for told in of_record:
            problems.append(Problem(note.ann, number, f"{record.id} {told}", "warning"))
    return problems


def _told(
    record: Record, mentions: dict[str, TextBound], seen: Counter[tuple[object, ...]]
) -> Iterator[str]:
    if isinstance(record, TextBound):
        yield from _told_of_mention(record, seen)
    elif isinstance(record, Relation):
        yield from _told_of_relation(record, mentions, seen)
    elif isinstance(record, Event):
        yield "is an event: the official script stops at a relation that refers to it"


def _told_of_mention(mention: TextBound, seen: Counter[tuple[object, ...]]) -> Iterator[str]:
    if mention.label not in ENTITIES:
        yield (
            f"is of type {mention.label}, not one of the nine: the official script counts it only "
            "in the overall row"
        )
    yield from misread(mention)
    start, end = _span(mention)
    if sorted(mention.fragments) != list(mention.fragments):
        yield (
            f"lists its fragments out of order: the official script reads it as {start} {end}, "
            "from the first listed start to the last listed end"
        )
    key = (mention.label, start, end)
    seen[key] += 1
    if seen[key] > 1:
        yield (
            f"repeats a {mention.label} at {start} {end}: the official script scores the file "
            "below 1 even against itself"
        )


def misread(mention: TextBound) -> Iterator[str]:
    """Reasons why the official script takes a mention's line for something else, if there are any;
    the `n2c2-2018` protocol counts such a mention by its offsets all the same."""
    text = mention.text.strip()
    if not text or "\t" in text:
        wrong = "has a tab in its text" if text else "has no text"
        yield f"{wrong}: the official script skips the line, and stops if it is the first"
    if len(mention.fragments) > MAX_PIECES:
        yield (
            f"is in {len(mention.fragments)} pieces: the official script reads {MAX_PIECES} at "
            "most, and takes this one for a copy of the mention before it"
        )


def _span(mention: TextBound) -> tuple[int, int]:
    """The span as the script reads it: the first listed start and the last listed end."""
    return mention.fragments[0][0], mention.fragments[-1][1]


def _told_of_relation(
    relation: Relation, mentions: dict[str, TextBound], seen: Counter[tuple[object, ...]]
) -> Iterator[str]:
    # In the order listed: the script ignores the names of the arguments.
    ends = relation.references
    missing = [end for end in ends if end not in mentions]
    if missing:
        yield f"refers to {missing[0]}, which is not a T line: the official script stops here"
        return
    if relation.label not in RELATIONS:
        yield (
            f"is of type {relation.label}, not one of the eight: the official script counts it "
            "only in the overall row"
        )
    labels = tuple(mentions[end].label for end in ends)
    if relation.label in RELATIONS and labels != tuple(relation.label.split("-")):
        yield (
            f"relates {labels[0]} to {labels[1]}: the official script compares the arguments in "
            f"order, and {relation.label} goes from {relation.label.removesuffix('-Drug')} to Drug"
        )
    key = (relation.label, *(_span(mentions[end]) for end in ends), *labels)
    seen[key] += 1
    if seen[key] > 1:
        yield "repeats a relation: the official script scores the file below 1 even against itself"
