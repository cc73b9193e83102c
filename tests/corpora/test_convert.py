import json
import sys
from errno import ENOSPC
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from clinical_ie.brat import Standoff, write_note
from clinical_ie.corpora import convert as convert_module
from clinical_ie.corpora.convert import ConvertSettings, convert_folder
from clinical_ie.corpora.docbin import DocBinWriter, read_docs, write_docs
from clinical_ie.corpora.formats import format_named
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.corpora.splits import SPLITS
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import annotations_of
from tests.conftest import run_script as run

from .small_folders import BROKEN, convert, fill, quiet


def test_what_a_flat_tagger_cannot_learn_is_counted_by_reason(tmp_path: Path):
    ann = (
        "T1\tDrug 0 7\taspirin\nT2\tReason 0 7\taspirin\nT3\tDrug 8 11\tdai\n"
        "T4\tADE 0 2;8 13\tas daily\nT5\tDrug 0 7\taspirin\nR1\tX Arg1:T1 Arg2:T1\n"
    )
    fill(tmp_path / "in" / "train", 2, ann)
    counts, _ = convert(tmp_path / "in", tmp_path / "out")
    reasons = {reason: dict(labels) for reason, labels in counts["train"].not_trainable.items()}
    assert reasons == {
        "overlaps a longer or earlier mention of its type": {"Drug": 1},
        "overlaps one of another type (`overlapping` learns it)": {
            "Drug": 2,
            "Reason": 1,
        },
        "cuts through a token": {"Drug": 1},
        "is in several pieces": {"ADE": 1},
        "relates a mention to itself": {"X": 1},
    }
    assert counts["train"].mentions.total() == 5


def test_types_that_no_training_note_has_are_told(tmp_path: Path):
    for split, labels in (("train", "AB"), ("dev", "AB"), ("test", "ACCD")):
        lines = [f"T{n}\t{label} 0 7\taspirin\n" for n, label in enumerate(labels)]
        relation = "R1\tsame Arg1:T0 Arg2:T1\n" if split == "test" else ""
        fill(tmp_path / "in" / split, 1, "".join(lines) + relation)
    _, remarks = convert(tmp_path / "in", tmp_path / "out")
    assert [line for line in remarks if "no pipeline" in line] == [
        "3 of the 4 mentions of test are of types that train does not have (C, D): no pipeline can "
        "find them",
        "1 of the 1 relations of test are of types that train does not have (same): no pipeline "
        "can find them",
    ]


def test_types_that_may_be_meant_as_one_are_told(tmp_path: Path):
    composed, apart = "F\u00e1rmaco", "Fa\u0301rmaco"
    for split, label in (("train", composed), ("dev", apart), ("test", "f\u00e1rmaco")):
        fill(tmp_path / "in" / split, 1, f"T1\t{label} 0 7\taspirin\nR1\tself Arg1:T1 Arg2:T1\n")
    fill(tmp_path / "in" / "dev" / "more", 1, "T1\tself 0 7\taspirin\n")
    _, remarks = convert(tmp_path / "in", tmp_path / "out")
    told = [line for line in remarks if "are separate" in line]
    # A mention type and a relation type may share a name.
    assert len(told) == 1
    assert told[0].startswith(
        "'Fa\\u0301rmaco' and 'F\\xe1rmaco' and f\u00e1rmaco are separate mention types"
    )


def test_a_full_disk_leaves_all_splits_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for split in SPLITS:
        fill(tmp_path / "in" / split, 1)
    convert(tmp_path / "in", tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for split in SPLITS:
        fill(tmp_path / "in" / split, 2)
    write = DocBinWriter._write

    def fail(writer: DocBinWriter, out: IO[bytes]) -> None:
        if writer.path.stem == "train":
            raise OSError(ENOSPC, "No space left on device")
        write(writer, out)

    monkeypatch.setattr(DocBinWriter, "_write", fail)
    with pytest.raises(OSError, match="No space left"):
        convert(tmp_path / "in", tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_one_unreadable_note_does_not_stop_the_corpus(tmp_path: Path):
    fill(tmp_path / "in", 2)
    (tmp_path / "in" / "bad.txt").write_bytes(b"\xff\xfe")
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy")
    assert result.exit_code == 0
    assert "bad.txt: whole note left out" in result.stderr
    assert len(read_docs(tmp_path / "out.spacy")) == 2


def test_an_error_that_nobody_thought_of_costs_one_note(tmp_path: Path, monkeypatch):
    fill(tmp_path / "in", 2)
    reading = convert_module.note_to_doc

    def crash(nlp, note, settings):
        if note.name == "n0":
            raise IndexError("tuple index out of range")
        return reading(nlp, note, settings)

    monkeypatch.setattr(convert_module, "note_to_doc", crash)
    told = "n0.txt: whole note left out: IndexError('tuple index out of range')"
    count = convert_folder(tmp_path / "in", tmp_path / "x.spacy", ConvertSettings(), quiet)
    assert [str(p).removeprefix(f"{tmp_path}/in/") for p in count.problems] == [told]
    assert (count.notes, count.left_out) == (1, ["n0.txt"])
    assert len(read_docs(tmp_path / "x.spacy")) == 1
    with pytest.raises(ValueError, match=r"n0\.txt: IndexError"):
        convert_folder(
            tmp_path / "in", tmp_path / "x.spacy", ConvertSettings(on_error="stop"), quiet
        )


def test_a_name_that_is_not_utf8_costs_one_note(tmp_path: Path):
    fill(tmp_path / "in", 2)
    (tmp_path / "in" / "bad\udcff.txt").write_text("aspirin")
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy", "--strict")
    assert result.exit_code == 1
    assert "bad\\udcff.txt: whole note left out: its file name is not" in result.stderr
    assert len(read_docs(tmp_path / "out.spacy")) == 2
    assert json.loads((tmp_path / "out.json").read_text())["out"]["left_out"] == ["bad\\udcff.txt"]


def test_a_locale_that_misreads_names_is_told(tmp_path: Path, monkeypatch):
    fill(tmp_path / "in", 1)
    # Where names are ASCII, Python makes something like it of "ü", too.
    (tmp_path / "in" / "\udcff.txt").write_text("aspirin")
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy", "--processes", 1)
    assert "rename it, or set PYTHONUTF8=1: " in result.stderr


def test_a_file_that_is_too_large_costs_one_note(tmp_path: Path):
    fill(tmp_path / "in", 2)
    (tmp_path / "in" / "n1.ann").write_text("#1\tNote T1\t" + "x" * 1_000_000)
    run_with = partial(run, "convert.py", tmp_path / "in", tmp_path / "out.spacy", "--max-mb")
    result = run_with(1, "--strict")
    assert result.exit_code == 1
    told = (
        "n1.ann has 1,000,011 bytes, more than the limit of 1 MB: cut it into several "
        "notes, or allow"
    )
    assert f"{told} it with --max-mb 2" in result.stderr
    assert len(read_docs(tmp_path / "out.spacy")) == 1
    assert run_with(2).exit_code == 0
    assert len(read_docs(tmp_path / "out.spacy")) == 2
    assert run_with(1, "--on-error", "stop").exit_code == 1


def test_a_large_file_that_is_not_read_costs_nothing(tmp_path: Path):
    fill(tmp_path, 1)
    (tmp_path / "i2b2.xml").write_text("<TEXT>aspirin</TEXT><TAGS></TAGS>")
    for name in ("n0.xml", "n0.tlink", "i2b2.txt"):
        (tmp_path / name).write_bytes(b" " * 1_000_001)
    for name, path in (("brat", "n0.txt"), ("n2c2-2018", "n0.txt"), ("i2b2-2012", "i2b2.xml")):
        settings = ConvertSettings(format=format_named(name), max_mb=1)
        _, count = convert_module._convert_note(tmp_path / path, tmp_path, settings)
        assert (count.notes, count.problems) == (1, [])


def test_names_and_labels_are_shown_as_they_are(tmp_path: Path):
    ann = "T1\t[/Drug] 0 7\taspirin\nT2\t:pill:[red]\x1b[2J 0 3\tasp\n"
    write_note(tmp_path / "in", "a[red]/b[/red]", "aspirin", Standoff.parse(ann))
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy", "--strict")
    assert result.exit_code == 0
    assert "a[red]/b[/red]:3" in result.stdout
    # Only control characters are escaped.
    assert ":pill:[red]\\x1b[2J" in result.stdout


def test_a_dataset_gives_three_files_and_a_count(tmp_path: Path):
    for split, n in (("train", 3), ("dev", 1), ("test", 2)):
        fill(tmp_path / "in" / split, n)
    assert run("convert.py", tmp_path / "in", tmp_path / "out").exit_code == 0
    counts = json.loads((tmp_path / "out" / "convert.json").read_text())
    assert {split: count["notes"] for split, count in counts.items()} == {
        "train": 3,
        "dev": 1,
        "test": 2,
    }
    assert [len(read_docs(tmp_path / "out" / f"{s}.spacy")) for s in counts] == [3, 1, 2]
    one = run("convert.py", tmp_path / "in", tmp_path / "all.spacy")
    assert "holds splits: all of its notes go into the one file" in one.stdout
    assert len(read_docs(tmp_path / "all.spacy")) == 6


@pytest.mark.parametrize(
    ("policy", "notes", "mentions", "code"),
    [("skip-line", 3, 3, 0), ("skip-note", 2, 2, 0), ("stop", 0, 0, 1)],
)
def test_the_user_picks_what_an_error_costs(tmp_path: Path, policy, notes, mentions, code):
    fill(tmp_path / "in", 2)
    write_note(tmp_path / "in", "n1-bad", "aspirin daily", Standoff.parse(BROKEN))
    # A line of unknown kind is kept, so it is no error.
    with (tmp_path / "in" / "n0.ann").open("a") as ann:
        ann.write("Z1\tno kind\n")
    out = tmp_path / "out.spacy"
    result = run("convert.py", tmp_path / "in", out, "--on-error", policy)
    assert result.exit_code == code
    told = "n1-bad.ann:3: R1: a relation has two arguments, not 1"
    if policy == "stop":
        # There is no output, so nothing is counted as left out.
        first = (
            "n1-bad.ann:2: T2 ends at 99, the text has 13 characters; stopped there, nothing was "
            "written (--on-error stop)"
        )
        assert result.stderr.strip().endswith(f"convert: {tmp_path}/in/{first}")
        assert not out.exists()
        return
    assert f"error: {tmp_path}/in/{told}" in result.stderr
    assert "n1-bad.ann:2: T2 ends at 99, the text has 13 characters: left out" in result.stderr
    docs = read_docs(out)
    assert [len(docs), sum(len(annotations_of(doc).mentions) for doc in docs)] == [notes, mentions]
    written = json.loads(out.with_suffix(".json").read_text())["out"]
    assert written["left_out"] == (["n1-bad.txt"] if policy == "skip-note" else [])
    assert len(written["problems"]) == 3


@pytest.mark.parametrize(
    ("policy", "notes", "code"), [("skip-line", 3, 1), ("skip-note", 2, 1), ("stop", 0, 1)]
)
def test_annotations_in_utf16_are_one_error(tmp_path: Path, policy, notes, code):
    fill(tmp_path / "in", 3)
    ann = tmp_path / "in" / "n0.ann"
    ann.write_bytes(ann.read_text().encode("utf-16"))
    out = tmp_path / "out.spacy"
    result = run("convert.py", tmp_path / "in", out, "--strict", "--on-error", policy)
    assert result.exit_code == code
    assert result.stderr.count("n0.ann: looks like UTF-16") == 1
    assert result.stderr.count("error: ") == (0 if policy == "stop" else 1)
    if policy != "stop":
        docs = read_docs(out)
        assert [len(annotations_of(doc).mentions) for doc in docs] == [0, 1, 1][-notes:]
        written = ann.with_stem(docs[0]._.note_id)
        assert doc_to_standoff(docs[0]).to_bytes() == written.read_bytes()


def test_an_error_ends_what_shows_the_progress(tmp_path: Path):
    fill(tmp_path / "in", 2)
    write_note(tmp_path / "in", "n1-bad", "aspirin daily", Standoff.parse(BROKEN))
    ended = []

    def shown(paths, name):
        try:
            yield from paths
        finally:
            ended.append(name)

    settings = ConvertSettings(on_error="stop")
    # A caught error keeps the frames that it passed through alive.
    with pytest.raises(ValueError, match="n1-bad") as caught:
        convert_folder(tmp_path / "in", tmp_path / "out.spacy", settings, shown)
    assert ended == ["out"]
    assert caught.value is not None


def test_strict_allows_no_error_and_check_writes_nothing(tmp_path: Path):
    fill(tmp_path / "good", 2)
    fill(tmp_path / "bad", 2, BROKEN)
    out = tmp_path / "out.spacy"
    assert run("convert.py", tmp_path / "good", out, "--strict", "--check").exit_code == 0
    result = run("convert.py", tmp_path / "bad", out, "--strict", "--check")
    assert result.exit_code == 1
    assert "4 errors, and --strict allows none" in result.stderr
    assert not list(tmp_path.glob("out*"))
    assert run("convert.py", tmp_path / "bad", out, "--strict").exit_code == 1
    assert len(read_docs(out)) == 2


def test_annotations_without_a_text_are_told(tmp_path: Path):
    fill(tmp_path / "in", 1)
    (tmp_path / "in" / "lone.ann").write_text("T1\tDrug 0 7\taspirin\n")
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy")
    assert "lone.ann: no lone.txt beside it, so it annotates nothing: left out" in result.stderr
    assert (
        run("convert.py", tmp_path / "in", tmp_path / "x.spacy", "--on-error", "stop").exit_code
        == 1
    )


def test_a_hidden_folder_is_a_warning_and_stops_nothing(tmp_path: Path):
    fill(tmp_path / "in", 1)
    fill(tmp_path / "in" / ".ipynb_checkpoints", 1)
    options = ("--on-error", "stop", "--strict")
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy", *options)
    assert result.exit_code == 0
    assert ".ipynb_checkpoints: its name begins with a dot: not looked into" in result.stderr
    assert len(read_docs(tmp_path / "out.spacy")) == 1
    found = format_named("i2b2-2012").strays(tmp_path / "in")
    assert [problem.severity for problem in found] == ["warning", "error"]


def test_the_number_of_processes_makes_no_difference(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("clinical_ie.corpora.convert.NOTES_PER_PROCESS", 5)
    fill(tmp_path / "in", 20)
    write_note(tmp_path / "in", "n1-bad", "aspirin daily", Standoff.parse(BROKEN))
    outcomes = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.spacy"
        settings = ConvertSettings(processes=processes)
        count = convert_folder(tmp_path / "in", out, settings, quiet)
        outcomes.append((count.as_dict(), out.read_bytes()))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0]["notes"] == 21


@pytest.mark.parametrize(
    ("script", "arguments", "told"),
    [
        ("convert.py", ["nope", "out"], "nope/train: no such folder"),
        ("convert.py", ["nope", "out.spacy"], "nope: no such folder"),
        ("convert.py", ["empty", "out.spacy"], "holds no .txt"),
        ("convert.py", ["corpus", "out", "--format", "docx"], "unknown format 'docx'"),
        ("convert.py", ["corpus/train", "out.spacy", "--dev-ids", "ids"], "has no dev to draw"),
        ("convert.py", ["corpus", "out", "--dev-ids", "ids"], "ids: no such file; expected names"),
        ("convert.py", ["corpus/train", "out"], "or name a .spacy file to convert a single folder"),
        ("convert.py", ["corpus", "out", "--tlinks"], "and the format is brat"),
        ("convert.py", ["i", "out", "--format", "i2b2-2012", "--roles"], "relations with --tlinks"),
        ("convert.py", ["corpus/train", "folder.spacy"], "folder.spacy is a folder; expected"),
        ("export.py", ["nope.spacy", "out"], "nope.spacy: no such file"),
        ("export.py", ["cut.spacy", "out"], "cut.spacy: holds no Docs, or only part of them"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, script, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.spacy").mkdir()
    fill(tmp_path / "corpus" / "train", 2)
    write_docs([corpus_nlp()("Aspirin for pain.")], tmp_path / "whole.spacy")
    (tmp_path / "cut.spacy").write_bytes((tmp_path / "whole.spacy").read_bytes()[:-9])
    result = run(script, *arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out*"))


def test_what_a_conversion_writes_is_its_owners_alone(tmp_path: Path):
    for split in ("train", "dev", "test"):
        fill(tmp_path / "in" / split, 1)
    assert run("convert.py", tmp_path / "in", tmp_path / "out", "--processes", 1).exit_code == 0
    made = list((tmp_path / "out").iterdir())
    assert len(made) == 4
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
