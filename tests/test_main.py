"""`clinical-ie annotate`: files, messages and exit codes."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

import pytest

from clinical_ie import __main__ as main
from clinical_ie.annotate import Annotated, BratWriter, Failure, annotate_notes
from clinical_ie.brat import read_note
from clinical_ie.doc import Mention

from .conftest import run_command as run
from .scoring.helpers import save_pipeline


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return save_pipeline(tmp_path / "pipeline")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "ward").mkdir(parents=True)
    (folder / "ward" / "a.b.txt").write_bytes(b"Anna saw\r\nOmar.\r\n")
    (folder / "marked.txt").write_bytes(b"\xef\xbb\xbf\nAnna.")
    (folder / "empty.txt").write_bytes(b"")
    return folder


def test_annotate_brat(pipeline: Path, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, err = run("annotate", pipeline, notes, out)
    assert (code, printed) == (0, "")
    assert f"3 of 3 notes written to {out}" in err.replace("\n", " ")
    for path in notes.rglob("*.txt"):
        assert (out / path.relative_to(notes)).read_bytes() == path.read_bytes()
    note = read_note(out / "ward" / "a.b.txt", out)
    assert str(note.standoff).splitlines()[1:] == [
        "T2\tName 10 14\tOmar",
        "R1\tNext Arg1:T1 Arg2:T2",
    ]
    assert (out / "empty.ann").read_bytes() == b""
    # Without annotations that leave out the byte order mark, it counts as the first character.
    marked = read_note(out / "marked.txt", out)
    assert (marked.text[2:6], str(marked.standoff)) == ("Anna", "T1\tName 2 6\tAnna\n")


@pytest.mark.parametrize(("out", "written"), [("o.jsonl", "o.jsonl"), ("o", "o/annotations.jsonl")])
def test_annotate_jsonl(
    pipeline: Path, notes: Path, tmp_path: Path, out: str, written: str
) -> None:
    code, _, _ = run("annotate", pipeline, notes, tmp_path / out, "--format", "jsonl")
    assert code == 0
    lines = [json.loads(line) for line in (tmp_path / written).read_text().splitlines()]
    assert [line["id"] for line in lines] == ["empty", "marked", "ward/a.b"]
    assert lines[2]["relations"] == [{"label": "Next", "head": "T1", "tail": "T2", "score": 0.5}]


def test_annotate_lists_what_it_left_out(pipeline: Path, notes: Path, tmp_path: Path) -> None:
    (notes / "latin.txt").write_bytes(b"caf\xe9")
    (notes / "crash.txt").write_text("A CRASH")
    code, _, err = run("annotate", pipeline, notes, tmp_path / "out")
    assert code == 1
    assert "3 of 5 notes written" in err
    assert "2 left out:" in err
    assert "  crash.txt: RuntimeError: too much\n" in err
    assert "  latin.txt: UnicodeDecodeError" in err
    assert len(list((tmp_path / "out").rglob("*.ann"))) == 3


@pytest.mark.parametrize("format_", ["brat", "jsonl", "parquet"])
def test_annotate_a_file_whose_name_is_not_utf8(
    pipeline: Path, notes: Path, tmp_path: Path, format_: str
) -> None:
    try:
        Path(os.fsdecode(bytes(notes) + b"/caf\xe9.txt")).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    code, _, err = run("annotate", pipeline, notes, tmp_path / "out", "--format", format_)
    if format_ == "brat":
        assert (code, (tmp_path / "out" / "caf\udce9.ann").exists()) == (0, True)
    else:
        assert code == 1
        assert "3 of 4 notes written" in err
        assert r": its name 'caf\udce9' is not UTF-8, as all of annotations." in err


def test_annotate_leaves_out_what_brat_cannot_hold(
    pipeline: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_blank(*args, **options) -> Iterator[Annotated | Failure]:
        for result in annotate_notes(*args, **options):
            assert isinstance(result, Annotated)
            if result.note.name == "marked":
                result.annotations.mentions[0] = Mention("T1", "Full Name", ((2, 6),))
            yield result

    monkeypatch.setattr(main, "annotate_notes", with_blank)
    code, _, err = run("annotate", pipeline, notes, tmp_path / "out")
    assert code == 1
    assert "2 of 3 notes written" in err
    assert "  marked.txt: T1: 'T1\\tFull Name 2 6\\tAnna' cannot be read back" in err
    assert not list((tmp_path / "out").glob("marked*"))


def test_annotate_tells_of_a_hidden_folder(pipeline: Path, notes: Path, tmp_path: Path) -> None:
    (notes / ".git").mkdir()
    (notes / ".git" / "a.txt").write_text("Anna")
    code, _, err = run("annotate", pipeline, notes, tmp_path / "out")
    assert code == 0
    assert f"{notes}/.git: its name begins with a dot: not looked into\n" in err
    assert "3 of 3 notes written" in err


def test_annotate_overwrites_only_when_told(pipeline: Path, notes: Path, tmp_path: Path) -> None:
    for format_, out in (("brat", tmp_path / "out"), ("jsonl", tmp_path / "out.jsonl")):
        args = "annotate", pipeline, notes, out, "--format", format_
        assert run(*args)[0] == 0
        code, _, err = run(*args)
        assert code == 1
        assert "--overwrite" in err
        assert err.count("\n") == 1
        assert run(*args, "--overwrite")[0] == 0


def test_annotate_refuses_in_one_line(pipeline: Path, notes: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "d.jsonl").mkdir()
    out = tmp_path / "out"
    for args, message in [
        ((pipeline, notes, out, "--format", "xml"), "expected one of brat, jsonl, parquet"),
        ((tmp_path / "nothing", notes, out), "cannot load the pipeline"),
        ((pipeline, tmp_path / "nowhere", out), "no such folder"),
        ((pipeline, notes / "empty.txt", out), "is not a kind of file that can be read; expected"),
        ((pipeline, notes, tmp_path / "file"), "is a file; brat output needs a folder"),
        ((pipeline, notes, tmp_path / "o.jsonl"), "give --format jsonl with it"),
        ((pipeline, notes, tmp_path / "d.jsonl", "--format", "jsonl"), "jsonl output needs a file"),
        ((pipeline, notes, notes), "choose a folder outside"),
        ((pipeline, notes, notes / "out"), "choose a folder outside"),
    ]:
        code, printed, err = run("annotate", *args)
        assert (code, printed) == (1, "")
        assert message in err
        assert err.count("\n") == 1
        assert not out.exists()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "stopped: interrupted (1 of 3 notes are written; the same"),
        (signal.SIGTERM, 143, "stopped: terminated (1 of 3 notes are written; the same"),
        (BrokenProcessPool(), 1, "too little memory for --n-process? (1 of 3"),
        (OSError(28, "No space left"), 1, "out: No space left (1 of 3"),
    ],
)
def test_annotate_stopped_on_the_way(
    pipeline: Path,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | signal.Signals,
    code: int,
    message: str,
) -> None:
    write = BratWriter.write

    def stopping(self: BratWriter, name: str, *args: object, **kwargs: object) -> None:
        if name == "marked" and isinstance(error, signal.Signals):
            signal.raise_signal(error)
        elif name == "marked":
            raise error
        write(self, name, *args, **kwargs)

    monkeypatch.setattr(BratWriter, "write", stopping)
    found, _, err = run("annotate", pipeline, notes, tmp_path / "out")
    assert found == code
    assert message in err
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"empty.txt", "empty.ann", ".annotate-run"}
    # The command's own handler is gone.
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_worker_process_that_ends_while_it_loads(
    pipeline: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(*args: object, **kwargs: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(main, "annotate_notes", ending)
    code, _, err = run("annotate", pipeline, notes, tmp_path / "out", "--n-process", 2)
    assert (code, err.count("\n")) == (1, 1)
    assert "too little memory for --n-process?" in err


@pytest.mark.parametrize("format_", ["brat", "jsonl", "parquet"])
def test_annotate_goes_on_where_it_was_stopped(
    pipeline: Path, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    def arguments(out: str, *more: object) -> list[object]:
        return ["annotate", pipeline, notes, tmp_path / out, "--format", format_, *more]

    def contents(out: str) -> dict[str, bytes]:
        files = (path for path in (tmp_path / out).rglob("*") if path.is_file())
        return {str(path.relative_to(tmp_path / out)): path.read_bytes() for path in files}

    def stopping(*args: object, **kwargs: object) -> Iterator[Annotated | Failure]:
        yield from islice(annotate_notes(*args, **kwargs), 2)
        raise KeyboardInterrupt

    assert run(*arguments("straight"))[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(main, "annotate_notes", stopping)
        assert run(*arguments("out"))[0] == 130
    code, _, err = run(*arguments("out", "--precision", "int8"))
    assert code == 1
    assert "an unfinished run with another precision (as saved, now int8)" in err
    code, _, err = run(*arguments("out"))
    assert code == 0
    assert "2 notes are there already, 3 are in the input: continuing" in err
    assert "3 of 3 notes written" in err
    assert contents("out") == contents("straight")
    # The text of this note changes between two runs.
    with monkeypatch.context() as patch:
        patch.setattr(main, "annotate_notes", stopping)
        assert run(*arguments("changed"))[0] == 130
    (notes / "marked.txt").write_bytes(b"Omar.")
    code, _, err = run(*arguments("changed"))
    assert code == 1
    assert "marked.txt: its text has changed since this run annotated it" in err
    assert "2 of 3 notes written" in err
    (notes / "marked.txt").write_bytes(b"\xef\xbb\xbf\nAnna.")
    # Finished output is only replaced with --overwrite.
    code, _, err = run(*arguments("out"))
    assert code == 1
    assert "--overwrite replaces it" in err
    with monkeypatch.context() as patch:
        patch.setattr(main, "annotate_notes", stopping)
        code, _, err = run(*arguments("out", "--overwrite"))
    assert "the same command without --overwrite continues" in err
    assert run(*arguments("out"))[0] == 0
    assert contents("out") == contents("straight")
    # A note of the first run is taken away before the second.
    with monkeypatch.context() as patch:
        patch.setattr(main, "annotate_notes", stopping)
        assert run(*arguments("gone"))[0] == 130
    first = min(notes.rglob("*.txt"))
    first.unlink()
    code, _, err = run(*arguments("gone"))
    assert code == 1
    assert "2 of 2 notes written" in err
    assert f"{first.relative_to(notes).with_suffix('')}: this run has annotated it" in err
