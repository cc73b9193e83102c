"""The folder layout and the warnings of n2c2-2018; all notes are made up."""

from pathlib import Path

import pytest

from clinical_ie.brat import Note, Standoff, write_note
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.formats import format_named
from clinical_ie.corpora.n2c2 import official_script_warnings
from clinical_ie.corpora.splits import find_splits
from clinical_ie.doc import annotations_of
from tests.conftest import run_script

ANN = (
    "T1\tDrug 0 7\taspirin\nT2\tADE 12 16\trash\nT3\tReason 12 16\trash\n"
    "R1\tADE-Drug Arg1:T2 Arg2:T1\nR2\tReason-Drug Arg1:T3 Arg2:T1\n"
)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """The folders of the release, with as many (made-up) notes."""
    root = tmp_path_factory.mktemp("n2c2")
    for folder, first, size in (
        ("training_20180910", 100035, 303),
        ("gold-standard-test-data/test", 200000, 202),
    ):
        for i in range(size):
            write_note(root / folder, str(first + i), "aspirin for rash", Standoff.parse(ANN))
    return root


def test_the_release_is_split_as_in_the_paper(release):
    splits, remarks = find_splits(release, format_named("n2c2-2018"), seed=0)
    assert {name: len(split.paths) for name, split in splits.items()} == {
        "train": 242,
        "dev": 61,
        "test": 202,
    }
    [remark] = remarks
    assert remark.endswith("61 of the training notes are dev, by seed 0")
    assert not set(splits["train"].paths) & set(splits["dev"].paths)


def test_dev_can_be_listed(release, tmp_path: Path):
    ids = tmp_path / "dev.txt"
    ids.write_text("100040\n100050\n")
    splits, _ = find_splits(release, format_named("n2c2-2018"), 0, ids)
    assert [path.stem for path in splits["dev"].paths] == ["100040", "100050"]
    assert len(splits["train"].paths) == 301
    ids.write_text("100040\n999999\n")
    with pytest.raises(ValueError, match=r"dev\.txt:2: '999999' is not a note below"):
        find_splits(release, format_named("n2c2-2018"), 0, ids)


def test_a_listed_name_may_hold_blanks_and_means_one_note(tmp_path: Path):
    for name in ("ward 1/note a", "ward 2/note a", "ward 2/note b"):
        write_note(tmp_path / "train", name, "aspirin for rash", Standoff.parse(ANN))
    ids = tmp_path / "dev.txt"
    ids.write_bytes("\ufeffward 1/note a\r\nnote b\r\n\r\n".encode())
    splits, _ = find_splits(tmp_path, format_named("brat"), 0, ids)
    assert [path.stem for path in splits["dev"].paths] == ["note a", "note b"]
    ids.write_text("note b\nnote a\n")
    told = r"dev\.txt:2: 'note a' is the name of 2 notes below .*: ward 1/note a"
    with pytest.raises(ValueError, match=told):
        find_splits(tmp_path, format_named("brat"), 0, ids)


def test_check_looks_at_the_release_as_it_is(release, tmp_path: Path):
    # One process, because starting more takes longer than reading such short notes.
    options = ("--format", "n2c2-2018", "--check", "--strict", "--processes", 1)
    result = run_script("convert.py", release, tmp_path / "out", *options)
    assert result.exit_code == 0
    assert "61 of the training notes are dev, by seed 0" in result.stdout
    [notes] = [line for line in result.stdout.splitlines() if line.startswith("│ notes ")]
    assert notes.split()[1:8:2] == ["notes", "242", "61", "202"]
    assert not list(tmp_path.iterdir())


def test_ade_and_reason_on_one_span_both_survive(tmp_path: Path):
    for split in ("train", "dev", "test"):
        write_note(tmp_path / "in" / split, "1", "aspirin for rash", Standoff.parse(ANN))
    result = run_script("convert.py", tmp_path / "in", tmp_path / "out", "--format", "n2c2-2018")
    assert result.exit_code == 0
    assert "train holds 2 notes, the release 303" in result.stdout
    [doc] = read_docs(tmp_path / "out" / "train.spacy")
    annotations = annotations_of(doc)
    assert [mention.label for mention in annotations.mentions] == ["Drug", "ADE", "Reason"]
    assert [(link.label, link.head) for link in annotations.links] == [
        ("ADE-Drug", "T2"),
        ("Reason-Drug", "T3"),
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("T4\tDrug 0 7\taspirin\n", "repeats a Drug at 0 7"),
        ("T4\tForm 12 16;0 7\trash aspirin\n", "lists its fragments out of order"),
        ("T4\tDose 12 16\trash\n", "is of type Dose, not one of the nine"),
        ("R3\tADE-Drug Arg1:E1 Arg2:T1\n", "R3 refers to E1, which is not a T line"),
        ("R3\tADE-Drug Arg1:T1 Arg2:T2\n", "relates Drug to ADE"),
        ("R3\tADE-Drug Arg2:T1 Arg1:T2\n", "relates Drug to ADE"),
        ("R3\tADE-Drug Arg1:T3 Arg2:T1\n", "relates Reason to Drug"),
        (
            "R3\tADE-Drug Arg1:T2 Arg2:T1\n",
            "R3 repeats a relation: the official script scores the file below 1",
        ),
        ("R3\tTime-Drug Arg1:T2 Arg2:T1\n", "is of type Time-Drug, not one of the eight"),
        ("E1\tADE:T2\n", "E1 is an event"),
        ("T2\tADE 13 15\tas\n", "T2 has the id of an earlier line"),
        ("T4\tForm 0 2;3 4;5 6;7 8\ta i i \n", "T4 is in 4 pieces: the official script reads 3"),
        ("T4\tForm 0 7\t\n", "T4 has no text"),
        ("T4\tForm 0 7\tasp\trin\n", "T4 has a tab in its text"),
    ],
)
def test_what_the_official_script_trips_over_is_told(lines, told):
    assert official_script_warnings(Note("n", "", Standoff.parse(ANN), [])) == []
    [warning] = official_script_warnings(Note("n", "", Standoff.parse(ANN + lines), []))
    assert (warning.file, warning.line, warning.severity) == ("n.ann", 6, "warning")
    assert told in warning.message


def test_mentions_and_relations_each_have_ids_of_their_own():
    lines = "R2\tReason-Drug Arg1:T4 Arg2:T1\nT4\tReason 13 15\tas\n"
    [warning] = official_script_warnings(Note("n", "", Standoff.parse(ANN + lines), []))
    assert warning.line == 6
    assert warning.message.startswith("R2 has the id of an earlier line")


def test_what_is_dropped_for_a_later_line_of_its_id_repeats_nothing():
    lines = "T2\tADE 12 16\trash\nR1\tADE-Drug Arg1:T2 Arg2:T1\n"
    warnings = official_script_warnings(Note("n", "", Standoff.parse(ANN + lines), []))
    assert [warning.message for warning in warnings] == [
        f"{id_} has the id of an earlier line, which the official script drops"
        for id_ in ("T2", "R1")
    ]


def test_a_relation_is_repeated_where_its_ends_are_collapsed_to_the_same():
    lines = "T4\tADE 12 13;15 16\tr h\nR3\tADE-Drug Arg1:T4 Arg2:T1\n"
    told = [
        w.message for w in official_script_warnings(Note("n", "", Standoff.parse(ANN + lines), []))
    ]
    assert [message.split(":")[0] for message in told] == [
        "T4 repeats a ADE at 12 16",
        "R3 repeats a relation",
    ]
