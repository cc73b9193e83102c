"""What `clinical-ie annotate` reads and writes, and what it tells of what else is there."""

import gzip
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clinical_ie.annotate import BratWriter, Failure, FolderSource, JsonlWriter, open_source
from clinical_ie.annotate import open_writer as opened
from clinical_ie.annotate.run_log import text_sum
from clinical_ie.doc import Annotations

from ..conftest import run_command
from ..scoring.helpers import save_pipeline

TEXT = "Anna saw\r\nOmar."


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return save_pipeline(tmp_path / "pipeline")


def folder_of(path: Path, **texts: str) -> Path:
    path.mkdir()
    for name, text in texts.items():
        (path / f"{name}.txt").write_text(text)
    return path


def test_files_of_other_notes_are_told(pipeline: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = folder_of(tmp_path / "first", a=TEXT, b=TEXT)
    code, _, err = run_command("annotate", pipeline, first, out)
    assert (code, "also holds" in err) == (0, False)
    for more in (("--overwrite",), ("--overwrite",)):
        second = folder_of(tmp_path / f"second{len(list(tmp_path.iterdir()))}", b="x", c="x")
        code, _, err = run_command("annotate", pipeline, second, out, *more)
        assert code == 0
        assert err.endswith(
            f"2 of 2 notes written to {out}\n{out} also holds 2 files of other notes, such as "
            f"{out / 'a.ann'}: they stay as they are\n"
        )
    assert (out / "a.ann").read_text() != ""
    # Names that are all new are in nobody's way.
    code, _, err = run_command("annotate", pipeline, folder_of(tmp_path / "third", d="x"), out)
    assert (code, "also holds 6 files of other notes" in err) == (0, True)


def test_other_files_of_a_folder_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(folder)

    with BratWriter(tmp_path / "out") as writer:
        writer.write("a", TEXT, Annotations())
    monkeypatch.setattr("clinical_ie.annotate.writers.brat.files_below", refuse)
    assert writer.others() == []
    with JsonlWriter(tmp_path / "out.jsonl") as lines:
        pass
    assert lines.others() == []


def test_a_note_that_cannot_be_read_any_more_is_still_in_the_output(tmp_path: Path) -> None:
    notes = folder_of(tmp_path / "notes", a="a", b="b")
    for name in "ab":
        (notes / f"{name}.txt").write_bytes(b"caf\xe9")
    old, new = FolderSource(notes).read({"a": text_sum("a")}, lambda name: None)
    assert isinstance(old, Failure)
    assert isinstance(new, Failure)
    assert (old.name, old.counted, new.counted) == ("a.txt", True, False)
    assert old.reason.endswith("the output has it still; --overwrite starts over")
    assert "the output" not in new.reason


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_offsets_count_a_byte_order_mark(pipeline: Path, tmp_path: Path, format_: str) -> None:
    # The annotations beside the second do not count it.
    notes = folder_of(tmp_path / "notes", a=f"\ufeff {TEXT}", b=f"\ufeff {TEXT}")
    (notes / "b.ann").write_text("T1\tName 1 5\tAnna\n")
    out = tmp_path / f"out.{format_}"
    assert run_command("annotate", pipeline, notes, out, "--format", format_)[0] == 0
    lines = out.read_text().splitlines() if format_ == "jsonl" else ()
    first, second = map(json.loads, lines) if lines else pq.read_table(out).to_pylist()
    assert first["entities"] == second["entities"]
    text = (notes / "a.txt").read_bytes().decode()
    for found in first["entities"]:
        assert text[found["start"] : found["end"]] == found["text"]
    assert [found["text"] for found in first["entities"]] == ["Anna", "Omar"]


@pytest.mark.parametrize("name", ["notes.jsonl", "notes.parquet"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is a pipe or a device; expected a file"):
        open_source(tmp_path / name)


def test_compressed_lines_are_told(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(gzip.compress(b'{"id": "a", "text": "x"}\n'))
    with pytest.raises(ValueError, match=r"notes\.jsonl: is a compressed file \(gzip\); unpack it"):
        open_source(path)


def test_a_folder_of_tables_is_told(tmp_path: Path) -> None:
    (tmp_path / "part-00001.parquet").touch()
    (tmp_path / "part-00000.parquet").touch()
    with pytest.raises(ValueError, match=r"holds no \.txt file, but part-00000\.parquet: name"):
        open_source(tmp_path)
    (tmp_path / "a.txt").touch()
    assert open_source(tmp_path).total == 1


@pytest.mark.parametrize(
    ("name", "format_", "made"),
    [
        ("out.JSONL", "jsonl", "out.JSONL"),
        ("out.ndjson", "jsonl", "out.ndjson"),
        ("out.PARQUET", "parquet", "out.PARQUET"),
        ("out.v2", "jsonl", "out.v2/annotations.jsonl"),
    ],
)
def test_the_name_of_the_output(tmp_path: Path, name: str, format_: str, made: str) -> None:
    source = open_source(folder_of(tmp_path / "notes", a="x"))
    writer = opened(tmp_path / name, format_, source, {}, overwrite=False)
    with writer:
        writer.write("a", TEXT, Annotations())
    assert (tmp_path / made).is_file()


@pytest.mark.parametrize("format_", ["brat", "jsonl", "parquet"])
def test_a_name_of_another_kind_of_file_is_no_folder(tmp_path: Path, format_: str) -> None:
    source = open_source(folder_of(tmp_path / "notes", a="x"))
    with pytest.raises(ValueError, match=r"o\.csv would be a folder; expected .* \.jsonl or \.par"):
        opened(tmp_path / "o.csv", format_, source, {}, overwrite=False)
