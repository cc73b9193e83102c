"""Error messages for an invalid schema."""

from pathlib import Path

import pytest

from clinical_ie.brat import Relation
from clinical_ie.corpora.generator import Generator, SchemaError, load_schema
from clinical_ie.corpora.generator.yaml_file import read_yaml

from .schema_example import SMALL, write_schema


def line_of(text: str) -> int:
    return SMALL[: SMALL.index(text)].count("\n") + 1


def first_fault(path: Path) -> tuple[int, str]:
    """The line of the first fault of a schema, and its message."""
    with pytest.raises(SchemaError) as caught:
        load_schema(path)
    first = str(caught.value).split("\n")[0]
    assert first.startswith(f"{path}:"), first
    return int(first.removeprefix(f"{path}:").split(":")[0]), first


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        # an undefined name
        ("tail: Plant}", "tail: Plants}", "relations.Amount-Plant.tail.1: 'Plants'", "'Plant'?"),
        ("[Plant:p] [Am", "[Plnt:p] [Am", "sections.Care.patterns.1", "did you mean 'Plant'?"),
        ("No {Fault}", "No {Falt}", "sections.Care.patterns.6", "did you mean 'Fault'?"),
        ("{Fault} on", "{Fault @rain} on", "sections.Care.patterns.3", "@rain: no term of Fault"),
        ("bath}room", "{stair}}room", "words.room.1", "{stair}: no list is called that"),
        ("[Care, Stock]", "[Care, Stok]", "notes.card.sections.2: 'Stok'", "'Stock'?"),
        ("open: [Plant]", "open: [Plan]", "splits.open.1: 'Plan'", "'Plant'?"),
        (
            "[Amount -> p]{",
            "[Amount -> q]{",
            "sections.Care.patterns.1",
            "no mention is called 'q'",
        ),
        ("[Amount -> p]{", "[Plant -> p]{", "sections.Care.patterns.1", "no relation fits"),
        ("[Plant:p] [Am", "[Plant:p !Dry] [Am", "sections.Care.patterns.1", "none is defined"),
        # a wrong key, type or number
        ("use: 0.5", "used: 0.5", "splits.used: 'used'", "did you mean 'use'?"),
        ("use: 0.5", "use: 1.5", "splits.use: 1.5", "less than or equal to 1"),
        ("layout: table", "layout: grid", "sections.Stock.layout: 'grid'", "'prose', 'lines'"),
        ("layout: table", "items: [9, 2]", "sections.Stock.items: [9, 2]", "swap them"),
        ("median: 60", "median: 600", "length", "the lengths must ascend"),
        ("filler: 0.2", "filler: 0.9", "shapes", "add up to more than 1"),
        ("{test: 0.3}", "{test: 1}", "splits", "leave some entries to train"),
        ("{test: 0.3}", "{test: 0.01}", "splits.open.1: 'Plant'", "0 of its 10 entries"),
        (", mould]", ", no]", "entities.Fault.3: False", "in quotes"),
        ("    - mint @shade", "    -", "entities.Plant.8: None", "in quotes"),
        # empty, missing or duplicate parts
        (
            "[brown leaves @sun, yellow leaves @shade, mould]",
            "[]",
            "entities.Fault: []",
            "is empty",
        ),
        ("head: Fault, ", "", "relations.Fault-Plant.head: 'nothing'", "it is required"),
        ("- moss", "- Fern", "entities.Plant.10: 'Fern'", "already has this term"),
        ("  Stock:\n", "  Plant:\n", "sections.Plant: 'Plant'", "entities has the same name"),
        ("Fault-Plant:", "Amount-Plant:", "relations.Amount-Plant", "used in line"),
        ("her: his}", "him: his}", "cast.2", "every member has the same words"),
        # braces that expand without end
        ("- fern", "- a {tree}", "entities.Plant.1", "no list is called that"),
        ("kitchen|", "a {room}|", "words.room", "a term of the same list"),
    ],
)
def test_errors_name_file_line_place_value_and_remedy(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    line, first = first_fault(write_schema(tmp_path, old, new))
    assert f": {place}" in first
    assert message in first
    near = line_of(old.strip("\n"))
    # An error in a whole block is reported at its first line.
    assert near - 1 <= line <= near + 1


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "plants.yml"
    path.write_text(SMALL.replace("tail: Plant", "tail: Plants").replace("{she}", "{xyz}"))
    with pytest.raises(SchemaError) as caught:
        load_schema(path)
    assert len(str(caught.value).split("\n")) >= 4


def test_an_ambiguous_relation_asks_for_its_label(tmp_path: Path) -> None:
    extra = "  Fault-Plant: {head: Fault, tail: Plant}\n  Harm: {head: Fault, tail: Plant}\n"
    path = write_schema(tmp_path, "  Fault-Plant: {head: Fault, tail: Plant}\n", extra)
    with pytest.raises(SchemaError, match=r"choose one of \['Fault-Plant', 'Harm'\], as in -> p:"):
        load_schema(path)
    for arrow in ("Fault -> p", "Fault:f -> p", "Fault:a -> p", "Fault:b -> p"):
        path.write_text(path.read_text().replace(f"[{arrow}", f"[{arrow}:Harm"))
    notes = [Generator(load_schema(path), 0).write("train", index) for index in range(20)]
    labels = {r.label for note in notes for r in note.standoff.records(Relation)}
    assert labels == {"Amount-Plant", "Harm"}


@pytest.mark.parametrize(
    ("old", "new", "line_at", "told"),
    [
        ("- fern;", "- !fern;", "- fern;", "for the tag '!fern;'; quote text"),
        ("- moss @shade", "- 2021-13-45", "- moss", "month must be in 1..12; quote text"),
        ("- moss @shade", '- !!int "abc"', "- moss", "invalid literal for int"),
        ("- moss", "- mo\x07ss", "- moss", "the character 0x0007 cannot be in it; remove it"),
        ("- moss @shade", '- "mo\\uD83Css"', "- moss", "half a character, which no file can hold"),
        ("  room:", "  ? [a, b]\n  :", "  room:", "words.a list or mapping: 'a list or mapping': "),
        ("  room:", "  12:", "  room:", "words.12: '12': YAML does not read this name as text"),
        ("  room:", "  no:", "  room:", "words.no: 'no': YAML does not read this name as text"),
        ("cast:", "~:", "cast:", "~: '~': YAML does not read this name as text; put it in quotes"),
        ("- moss @shade", "- !!bool foo", "- moss", "tag:yaml.org,2002:bool cannot be made of it"),
        ("- moss @shade", "- !!timestamp foo", "- moss", "timestamp cannot be made of it"),
        ("- moss @shade", '- !!int ""', "- moss", "cannot be made of it"),
        ("  room:", "  ? !!str [a, b]\n  :", "  room:", "YAML does not read this name as text"),
        ("  room:", '  "ro\\uD83Com":', "  room:", "half a character, which no file can hold"),
        ("words:", "words: &w\n  self: *w", "words:", "it is part of what it stands for"),
        (
            "Fault-Plant:",
            "Fault Plant:",
            "Fault-Plant:",
            "a label in brat is one word; write it so",
        ),
        ("#1-9}", f"#1-{'9' * 5000}}}", "  Amount:", "the number has more digits than can be"),
    ],
)
def test_what_yaml_itself_cannot_read_is_told_like_the_rest(
    tmp_path: Path, old: str, new: str, line_at: str, told: str
) -> None:
    line, first = first_fault(write_schema(tmp_path, old, new))
    assert told in first
    assert line_of(line_at) <= line <= line_of(line_at) + 1


def test_files_that_expand_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yml"
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    path.write_text(f"a0: &a0 [x]\n{levels}")
    with pytest.raises(SchemaError, match="its aliases stand for more than 200,000 values"):
        load_schema(path)
    path.write_text(f"a: {'[' * 3000}{']' * 3000}")
    with pytest.raises(SchemaError, match="nested too deeply"):
        load_schema(path)
    # Nor is a long list a bomb.
    terms = "".join(f"\n    - plant {n}" for n in range(201_000))
    path.write_text(SMALL.replace("  room:", f"  many:{terms}\n  room:"))
    assert read_yaml(path, {})[1] == []
    # The same in moderation is no fault.
    path.write_text(SMALL.replace("open: [Plant]", "open: &all [Plant]") + "once: *all\n")
    assert load_schema(path).once == ["Plant"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"none\.yml: cannot be read"):
        load_schema(tmp_path / "none.yml")
    path = tmp_path / "bad.yml"
    path.write_text("entities:\n  Plant: [fern\n")
    with pytest.raises(SchemaError, match=r"bad\.yml:3: this is not YAML: .*quote text"):
        load_schema(path)
    path.write_text("- fern\n")
    with pytest.raises(SchemaError, match="beginning with 'entities:'"):
        load_schema(path)


def test_included_files(tmp_path: Path) -> None:
    words = "words:\n  room: [attic]\n"
    path = write_schema(tmp_path, 'words:\n  room: ["{kitchen|bath}room", hall]\n')
    path.write_text("include: [words.yml]\n" + path.read_text())
    with pytest.raises(SchemaError, match=r"plants\.yml:1: include\.1: 'words\.yml': there is no"):
        load_schema(path)
    (tmp_path / "words.yml").write_text(words)
    assert load_schema(path).words["room"][0].key == "attic"
    (tmp_path / "words.yml").write_text(words + "entities:\n  Fault: [rot]\n")
    with pytest.raises(
        SchemaError, match=r"words\.yml:4: entities\.Fault: .*plants\.yml:\d+ already"
    ):
        load_schema(path)
    (tmp_path / "words.yml").write_text("wrap: {rate: 1}\n")
    with pytest.raises(SchemaError, match=r"words\.yml:1: wrap: .*move this elsewhere"):
        load_schema(path)
    (tmp_path / "words.yml").write_text("words:\n  room: []\n")
    with pytest.raises(SchemaError, match=r"words\.yml:2: words\.room: \[\]: it is empty"):
        load_schema(path)
