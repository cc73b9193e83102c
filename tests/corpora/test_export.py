import errno
import json
import os
from pathlib import Path

import pytest

from clinical_ie.corpora.docbin import write_docs
from tests.conftest import run_script as run

from .small_folders import fill


def test_export_loses_no_note_to_anothers_name(notes, tmp_path: Path):
    docs = [notes[0].copy() for _ in range(4)]
    for doc, name in zip(docs, ("a", "../b", "a", ""), strict=True):
        doc._.note_id = name
    write_docs(docs, tmp_path / "x.spacy")
    result = run("export.py", tmp_path / "x.spacy", tmp_path / "out")
    assert result.exit_code == 1
    assert "'../b' cannot be the name of a note: it leads out of" in result.stderr
    assert "another note is called a too: this one is written as a~2" in result.stderr
    written = sorted(path.name for path in tmp_path.rglob("*.txt"))
    assert written == ["a.txt", "a~2.txt", "note-4.txt"]


def test_a_note_that_cannot_be_written_stops_no_other(notes, tmp_path: Path):
    docs = [notes[0].copy() for _ in range(3)]
    for doc, name in zip(docs, ("a", "n" * 300, "\x1b[31mb"), strict=True):
        doc._.note_id = name
    docs[0]._.note_id = "\x1b[31ma"
    write_docs(docs, tmp_path / "x.spacy")
    (tmp_path / "out" / "\x1b[31ma.txt").mkdir(parents=True)
    result = run("export.py", tmp_path / "x.spacy", tmp_path / "out")
    assert result.exit_code == 1
    assert "2 problems:" in result.stderr
    assert f"{'n' * 300}: left out: [Errno" in result.stderr
    # A terminal would obey it.
    assert "\\x1b[31ma: left out: [Errno" in result.stderr
    assert (tmp_path / "out" / "\x1b[31mb.txt").is_file()


def test_scripts_take_a_folder_to_a_file_and_back(tmp_path: Path):
    fill(tmp_path / "in", 3, "#1\tAnnotatorNotes T1\tkept \nT1\tDrug 0 7\taspirin\r\n")
    assert run("convert.py", tmp_path / "in", tmp_path / "x.spacy").exit_code == 0
    assert run("export.py", tmp_path / "x.spacy", tmp_path / "out").exit_code == 0
    for path in (tmp_path / "in").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("format_", ["brat", "i2b2-2012"])
def test_what_holds_text_of_notes_is_its_owners_alone(tmp_path: Path, format_: str):
    fill(tmp_path / "in" / "train", 3, "T1\tOCCURRENCE 0 7\taspirin\n")
    assert run("convert.py", tmp_path / "in", tmp_path / "out").exit_code == 0
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o750)
    for folder in ("mine/brat", "shared"):
        done = run(
            "export.py", tmp_path / "out" / "train.spacy", tmp_path / folder, "--format", format_
        )
        assert done.exit_code == 0, done.stderr
    made = [*(tmp_path / "out").iterdir(), *(tmp_path / "mine").rglob("*.*")]
    assert len(made) > 4
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("mine", "mine/brat")} == {0o700}
    # The permissions of an existing folder are the choice of whoever made it.
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "shared").iterdir()} == {0o640}


def test_a_text_without_annotations_gets_none_on_export(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bare.txt").write_bytes("\ufeffaspirin\r\n".encode())
    (tmp_path / "in" / "empty.txt").write_text("aspirin")
    (tmp_path / "in" / "empty.ann").write_text("")
    (tmp_path / "in" / "bom.txt").write_bytes("\ufeffaspirin".encode())
    (tmp_path / "in" / "bom.ann").write_text("T1\tDrug 0 7\taspirin\n")
    (tmp_path / "in" / "latin.txt").write_text("aspirin")
    (tmp_path / "in" / "latin.ann").write_bytes(b"T1\tDrug 0 7\taspirin\n#1\tX T1\t\xe8")
    run("convert.py", tmp_path / "in", tmp_path / "x.spacy")
    counts = json.loads((tmp_path / "x.json").read_text())["x"]
    assert (counts["notes"], counts["without_annotations"]) == (4, 1)
    run("export.py", tmp_path / "x.spacy", tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "in").iterdir()
    }


def test_a_full_disk_ends_it(notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No later note could be written either."""
    write_docs(notes, tmp_path / "in.spacy")
    tried = []

    def full(*args: object, **kwargs: object) -> None:
        tried.append(args)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("clinical_ie.brat.write_note", full)
    result = run("export.py", tmp_path / "in.spacy", tmp_path / "out")
    assert result.exit_code == 1
    assert "export: stopped: [Errno 28] No space left on device" in result.stderr
    assert len(tried) == 1 < len(notes)
