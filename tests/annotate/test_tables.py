"""`clinical-ie annotate` from and to JSON Lines and Parquet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinical_ie import __main__ as main
from clinical_ie.annotate import (
    BratWriter,
    JsonlWriter,
    ParquetWriter,
    as_record,
    open_source,
    open_writer,
)
from clinical_ie.annotate.writers import brat
from clinical_ie.annotate.writers.base import make_folder
from clinical_ie.brat import read_note
from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.system import names as file_names

from ..conftest import ROOT, run_command
from ..scoring.helpers import load, save_pipeline

TEXT = "Anna saw\r\nOmar."
FOUND = [
    {"id": "T1", "start": 0, "end": 4, "label": "Name", "text": "Anna", "score": 0.75},
    {"id": "T2", "start": 10, "end": 14, "label": "Name", "text": "Omar", "score": 0.75},
]
NEXT = [{"label": "Next", "head": "T1", "tail": "T2", "score": 0.5}]
NOTES = {"7": TEXT, "ward/b": "none here", "..": TEXT, "e": ""}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return save_pipeline(tmp_path / "pipeline")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Four notes, and between them one line for each kind of invalid row."""
    path = tmp_path / "notes.jsonl"
    lines = [
        '{"id": 7, "text": "Anna saw\\r\\nOmar.", "more": 1}',
        '{"id": "bad", "text": ',
        '{"id": "ward/b", "text": "none here"}',
        '{"id": "x", "text": "A CRASH"}',
        '{"id": "7", "text": "again"}',
        '{"id": "..", "text": "Anna saw\\r\\nOmar."}',
        '{"id": "e", "text": ""}',
    ]
    path.write_text("\n".join(lines))
    return path


def as_parquet(path: Path, id_column: str = "id", text_column: str = "text") -> Path:
    columns = {id_column: list(NOTES), "n": [0] * len(NOTES), text_column: list(NOTES.values())}
    pq.write_table(pa.table(columns), path)
    return path


def records(path: Path) -> dict[str, tuple[list, list]]:
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        rows = pq.read_table(path).to_pylist()
    assert all(list(row) == ["id", "entities", "relations"] for row in rows)
    found = {row["id"]: (row["entities"], row["relations"]) for row in rows}
    assert len(found) == len(rows), "a note is there twice"
    return found


EXPECTED = {"7": (FOUND, NEXT), "ward/b": ([], []), "..": (FOUND, NEXT), "e": ([], [])}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lines_in(pipeline: Path, notes: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    code, printed, err = run_command("annotate", pipeline, notes, out, "--format", ending)
    assert (code, printed) == (1, "")
    assert f"4 of 7 notes written to {out}" in err
    assert records(out) == EXPECTED
    assert out.stat().st_mode & 0o777 == 0o600
    assert f"3 left out:\n  {notes}:2: not JSON (" in err
    assert f"  {notes}:4: RuntimeError: too much\n" in err
    assert f"  {notes}:5: row 1 has the id '7' too; expected unique ids: left out\n" in err
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"pipeline", "notes.jsonl", out.name}


@pytest.mark.parametrize("kind", [BratWriter, JsonlWriter, ParquetWriter])
def test_two_runs_do_not_write_the_same_files(pipeline: Path, tmp_path: Path, kind: type) -> None:
    notes = as_parquet(tmp_path / "notes.parquet")
    format_ = {BratWriter: "brat", JsonlWriter: "jsonl"}.get(kind, "parquet")
    out = tmp_path / ("out" if kind is BratWriter else f"out.{format_}")
    refused = f"{kind.log_of(out)}: another run is at work here"
    arguments = ("annotate", pipeline, notes, out, "--format", format_)
    late = kind(out)
    with kind(out) as writer:
        writer.write("a", TEXT, Annotations())
        for more in ((), ("--overwrite",)):
            code, _, err = run_command(*arguments, *more)
            assert (code, err.count("\n")) == (1, 1)
            assert refused in err
        # This run started before there was a log.
        with pytest.raises(BlockingIOError, match="another run is at work"), late:
            pass
        writer.write("b", TEXT, Annotations())
    assert not kind.log_of(out).exists()
    if kind is BratWriter:
        assert {path.name for path in out.iterdir()} == {"a.txt", "a.ann", "b.txt", "b.ann"}
    else:
        assert list(records(out)) == ["a", "b"]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_parquet_in(pipeline: Path, tmp_path: Path, ending: str) -> None:
    notes = as_parquet(tmp_path / "notes.parquet", "key", "note")
    columns = ("--id-column", "key", "--text-column", "note")
    out = tmp_path / "new" / "out"
    code, _, err = run_command("annotate", pipeline, notes, out, "--format", ending, *columns)
    assert (code, err.splitlines()[-1]) == (0, f"4 of 4 notes written to {out}")
    assert records(out / f"annotations.{ending}") == EXPECTED
    assert out.stat().st_mode & 0o777 == 0o700


def test_the_schema_of_parquet_is_that_of_a_line(tmp_path: Path) -> None:
    with ParquetWriter(tmp_path / "none.parquet"):
        pass
    assert [str(field.type) for field in pq.read_schema(tmp_path / "none.parquet")] == [
        "string",
        "list<element: struct<id: string, start: int64, end: int64, label: string, text: string, "
        "score: double>>",
        "list<element: struct<label: string, head: string, tail: string, score: double>>",
    ]


def test_parquet_is_written_in_groups(tmp_path: Path) -> None:
    found = Annotations(
        [Mention("T1", "Name", ((0, 4),), 0.75), Mention("T2", "Name", ((10, 14),), 0.75)],
        [Link("Next", "T1", "T2", 0.5)],
    )
    with ParquetWriter(tmp_path / "out.parquet") as writer:
        for number in range(1500):
            writer.write(str(number), TEXT, found)
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(2)] == [1024, 476]
    rows = file.read().to_pylist()
    assert rows == [as_record(str(number), TEXT, found) for number in range(1500)]


def test_lines_to_brat(pipeline: Path, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = run_command("annotate", pipeline, notes, out)
    assert code == 1
    assert "3 of 7 notes written" in err
    assert f"  {notes}:6: the id '..' cannot name a file" in err
    assert "--format jsonl and --format parquet take any id" in err
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*.txt"))
    assert files == ["7.txt", "e.txt", "ward/b.txt"]
    assert read_note(out / "7.txt").text == TEXT
    # The names of the output files are not known before the notes are read.
    code, _, err = run_command("annotate", pipeline, as_parquet(tmp_path / "o.parquet"), out)
    assert code == 1
    assert "already exists; --overwrite replaces it and the others" in err


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_runs_that_share_the_notes(pipeline: Path, tmp_path: Path, ending: str) -> None:
    notes = as_parquet(tmp_path / "notes.parquet")
    found: dict[str, tuple[list, list]] = {}
    # There are four notes, so the last of five parts is empty.
    for number, names in enumerate(([*NOTES][:1], [*NOTES][1:2], [*NOTES][2:3], ["e"], []), 1):
        out = tmp_path / f"{number}.{ending}"
        arguments = ("annotate", pipeline, notes, out, "--format", ending)
        code, _, err = run_command(*arguments, "--part", f"{number}/5")
        assert (code, f"{len(names)} of {len(names)} notes written" in err) == (0, True)
        assert list(records(out)) == names
        found |= records(out)
    code, _, _ = run_command(
        "annotate", pipeline, notes, tmp_path / f"all.{ending}", *arguments[4:]
    )
    assert code == 0
    assert found == records(tmp_path / f"all.{ending}")


def test_runs_that_are_started_together_share_folders_above_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def made_by_another(path: Path) -> None:
        if path.name == "shared":
            mkdir(path)
        mkdir(path)

    monkeypatch.setattr(Path, "mkdir", made_by_another)
    make_folder(tmp_path / "shared" / "1")
    assert (tmp_path / "shared" / "1").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/../x", "/x", "a//b", "a/", "./a", ".annotate-run", ".part/a",
        "a.txt/b", "a.ann/b", "a\\b", "a\0b", "a\nb", "x" * 252, "é" * 126,
    ],
)  # fmt: skip
def test_what_is_no_name_for_a_file(tmp_path: Path, name: str) -> None:
    reason = BratWriter(tmp_path).refusal(name)
    assert reason is not None
    assert "cannot name a file" in reason
    assert "\n" not in reason
    assert JsonlWriter(tmp_path / "o.jsonl").refusal(name) is None


def test_what_is_no_name_for_a_file_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BratWriter(tmp_path)
    monkeypatch.setattr(file_names, "ON_WINDOWS", True)
    assert writer.refusal("a b") is None
    assert "it is not allowed on Windows" in str(writer.refusal("a:b"))


def test_no_note_replaces_another_where_case_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["a", "A", "b", "Ward/b", "ward/B", "É", "e\u0301"]
    monkeypatch.setattr(brat, "ignores_case", lambda folder: True)
    with BratWriter(tmp_path) as writer:
        refused = [name for name in ids if writer.refusal(name) is not None]
        assert refused == ["A", "ward/B", "e\u0301"]
        assert "it differs from 'a' only in case" in str(writer.refusal("A"))
        # The same note again is no conflict.
        assert writer.refusal("a") is None


def test_names_that_differ_in_case_are_two_where_files_are(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    if (tmp_path / "A").exists():
        pytest.skip("this file system ignores case")
    with BratWriter(tmp_path / "out") as writer:
        assert writer.refusal("a") is None
        assert writer.refusal("A") is None


@pytest.mark.parametrize("name", ["a", "ward/1", "a.b", "a.txt", "x" * 251, "Ä b", "a..b", "~"])
def test_what_is_a_name_for_a_file(tmp_path: Path, name: str) -> None:
    assert BratWriter(tmp_path).refusal(name) is None
    with BratWriter(tmp_path) as writer:
        writer.write(name, TEXT, Annotations())
    assert read_note(tmp_path / f"{name}.txt", tmp_path).name == name


def test_an_input_is_not_replaced_by_its_output(pipeline: Path, notes: Path) -> None:
    before = notes.read_bytes()
    link = notes.with_name("link.jsonl")
    link.symlink_to(notes)
    for out in (notes, link):
        arguments = ("annotate", pipeline, notes, out, "--format", "jsonl", "--overwrite")
        code, _, err = run_command(*arguments)
        assert code == 1
        assert "is the input, and would be replaced" in err
    code, _, err = run_command("annotate", pipeline, notes, "o.parquet", "--format", "jsonl")
    assert code == 1
    assert "give --format parquet with it" in err
    assert notes.read_bytes() == before


def test_a_run_over_other_columns_is_another_run(pipeline: Path, tmp_path: Path) -> None:
    notes = as_parquet(tmp_path / "notes.parquet")
    out = tmp_path / "out.jsonl"
    JsonlWriter.log_of(out).write_text(
        json.dumps({"pipeline": "x", "precision": "as saved", "input": "y"}) + "\n"
    )
    code, _, err = run_command("annotate", pipeline, notes, out, "--format", "jsonl")
    assert code == 1
    assert f"an unfinished run with another input (y, now {notes}, columns id and text)" in err


def test_without_pyarrow_parquet_is_refused_before_anything_is_done(
    pipeline: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = as_parquet(tmp_path / "notes.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for source, out in ((notes, "out.parquet"), (parquet, "out.jsonl")):
        arguments = ("annotate", pipeline, source, tmp_path / out)
        code, _, err = run_command(*arguments, "--format", out.partition(".")[2])
        assert code == 1
        assert err.startswith("clinical-ie: Parquet needs pyarrow (")
        assert err.endswith('): pip install "clinical-ie[parquet]"\n')
        assert err.count("\n") == 1
        assert not (tmp_path / out).exists()


# Each run is killed at a later point: at the third note, after writing the whole file but before
# moving it into place, and after that but before removing the temporary files.
KILLED = """
import os, signal, sys
from pathlib import Path
from clinical_ie.__main__ import app
from clinical_ie.annotate import JsonlWriter
import tests.scoring.helpers

def kill_at(kind, name, is_here):
    function = getattr(kind, name)
    def killing(self, *args, **kwargs):
        if is_here(self, *args):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(self, *args, **kwargs)
    setattr(kind, name, killing)

points = [
    (JsonlWriter, "write", lambda self, name, *_: name == ".."),
    (Path, "replace", lambda self, target: self.name.endswith(".whole")),
    (Path, "unlink", lambda self, **_: self.name == "out.parquet.part"),
]
for point in points:
    child = os.fork()
    if not child:
        kill_at(*point)
        app(sys.argv[1:])
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_a_killed_run_loses_and_doubles_no_note(pipeline: Path, tmp_path: Path) -> None:
    notes = as_parquet(tmp_path / "notes.parquet")
    out = tmp_path / "out.parquet"
    arguments = ["annotate", pipeline, notes, out, "--format", "parquet"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "components")])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert killed.stdout.split() == ["-9"] * 3
    assert "2 notes are there already, 4 are in the input" in killed.stderr
    assert "4 notes are there already, 4 are in the input" in killed.stderr
    code, _, err = run_command(*arguments)
    assert code == 0
    assert "4 notes are there already, 4 are in the input: continuing" in err
    assert records(out) == EXPECTED
    assert {p.name for p in tmp_path.iterdir()} == {"pipeline", "notes.parquet", "out.parquet"}


@pytest.mark.slow
def test_several_processes_over_lines(
    pipeline: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "load_pipeline", load)
    out = tmp_path / "out.parquet"
    arguments = ("annotate", pipeline, notes, out, "--format", "parquet", "--n-process", 2)
    assert run_command(*arguments)[0] == 1
    assert records(out) == EXPECTED


def test_an_ann_alone_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("aspirin")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.ann").write_text("T1\tDrug 0 7\taspirin\n")
    with pytest.raises(ValueError, match=r"a\.ann already exists"):
        open_writer(tmp_path / "out", "brat", open_source(tmp_path / "notes"), {}, overwrite=False)
