import json
import os
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
from .scoring.helpers import save_pipeline, write_brat

TEXT = "aspirin 81 mg for pain"
GOLD = (
    "T1\tDrug 0 7\taspirin\n"
    "T2\tDosage 8 13\t81 mg\n"
    "T3\tReason 18 22\tpain\n"
    "R1\tDosage-Drug Arg1:T2 Arg2:T1\n"
)
PREDICTED = GOLD.replace("Drug 0 7\taspirin", "Drug 0 4\taspi")


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write_brat(tmp_path / "gold", {"1": (TEXT, GOLD), "2": (TEXT, GOLD)})


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    return write_brat(tmp_path / "predicted", {"1": (TEXT, PREDICTED), "3": (TEXT, "")})


def test_score_json(gold: Path, predicted: Path) -> None:
    code, out, err = run("score", gold, predicted, "--json")
    # Scores are there, and something was said beside them.
    assert code == 3
    scores = json.loads(out)
    assert list(scores) == ["protocol", "notes", "entities", "relations"]
    assert list(scores["entities"]["strict"]) == ["micro", "macro", "by_label"]
    assert scores["entities"]["strict"]["micro"] == {
        "tp": 2, "fp": 1, "fn": 4, "precision": 2 / 3, "recall": 2 / 6, "f1": 4 / 9,
    }  # fmt: skip
    assert scores["entities"]["lenient"]["by_label"]["Drug"]["tp"] == 1
    assert scores["relations"]["strict"]["micro"]["tp"] == 0
    assert scores["relations"]["lenient"]["micro"]["tp"] == 1
    assert f"1 not in {predicted}, scored as all missed:\n  2\n" in err
    assert f"1 not in {gold}, scored as all wrong:\n  3\n" in err


def test_score_table(gold: Path) -> None:
    code, out, err = run("score", gold, gold)
    assert (code, err) == (0, f"{gold} is scored against itself\n")
    assert "entities, percent, protocol: one-to-one" in out
    (row,) = [line.split() for line in out.splitlines() if "Dosage-Drug" in line]
    assert row == ["Dosage-Drug", "2", "2", *["100.00"] * 6]


def test_score_by_the_official_counts(gold: Path, predicted: Path) -> None:
    code, out, err = run("score", gold, predicted, "--protocol", "n2c2-2018", "--json")
    scores = json.loads(out)
    assert (code, scores["protocol"], scores["notes"]) == (3, "n2c2-2018", 1)
    assert f"1 not in {predicted}, not scored:\n  2\n" in err
    assert f"1 not in {gold}, not scored:\n  3\n" in err


def test_score_in_all_detail(gold: Path, predicted: Path, tmp_path: Path) -> None:
    options = ("--by-document", "--by-length", "--agreement", "--intervals", "--compare", gold)
    code, out, _ = run("score", gold, predicted, *options, "--json")
    assert code == 3
    scores = json.loads(out)
    by_document = scores["by_document"]
    assert sorted(by_document) == ["1", "2", "3"]
    micro = scores["entities"]["strict"]["micro"]
    for count in ("tp", "fp", "fn"):
        found = [note["entities"]["strict"][count] for note in by_document.values()]
        assert sum(found) == micro[count]
    of_length = scores["by_length"].values()
    assert sum(found["strict"]["found"] for found in of_length) == micro["tp"]
    assert scores["agreement"]["overall"]["n_tokens"] > 0
    interval = scores["intervals"]["entities"]["strict"]["f1"]
    assert interval["low"] <= interval["value"] == micro["f1"] <= interval["high"]


def test_score_compares_two_arms_in_words(gold: Path, tmp_path: Path) -> None:
    arm = write_brat(tmp_path / "arm", {"1": (TEXT, PREDICTED), "2": (TEXT, PREDICTED)})
    code, out, _ = run("score", gold, arm, "--compare", arm)
    assert code == 0
    assert (
        f"entities, strict, micro F1: {arm} and {arm} are not distinguishable at the 0.05 level: "
        "they differ by 0.00 points (p = 1.0000, 2 notes)" in out
    )


def test_score_warns_of_labels_that_differ_in_case_alone(tmp_path: Path) -> None:
    folders = [
        write_brat(tmp_path / label, {"1": ("aspirin", f"T1\t{label} 0 7\taspirin\n")})
        for label in ("Drug", "drug")
    ]
    code, out, err = run("score", *folders, "--json")
    assert (code, json.loads(out)["entities"]["lenient"]["micro"]["tp"]) == (3, 0)
    assert "1 labels that differ in case, or in how accents are written, alone: scored" in err
    places = [f"{label}, first in {tmp_path / label / '1.ann'}:1" for label in ("Drug", "drug")]
    assert f"  {places[0]}; {places[1]}" in err


def test_score_tells_labels_apart_that_look_the_same(tmp_path: Path) -> None:
    # What macOS and some editors make of an é: an e and an accent.
    folders = [
        write_brat(tmp_path / side, {"1": ("disnea", f"T1\t{label} 0 6\tdisnea\n")})
        for side, label in (("gold", "S\u00edntoma"), ("found", "Si\u0301ntoma"))
    ]
    code, out, err = run("score", *folders, "--json")
    assert (code, json.loads(out)["entities"]["strict"]["micro"]["tp"]) == (3, 0)
    found, gold = (tmp_path / side / "1.ann" for side in ("found", "gold"))
    assert f"  'Si\\u0301ntoma', first in {found}:1; 'S\\xedntoma', first in {gold}:1" in err


def test_a_mention_and_a_relation_may_have_one_name(tmp_path: Path) -> None:
    ann = "T1\tDrug 0 7\taspirin\nT2\tDose 8 13\t81 mg\nR1\tdose Arg1:T1 Arg2:T2\n"
    folders = [
        write_brat(tmp_path / side, {"1": ("aspirin 81 mg", ann)}) for side in ("gold", "arm")
    ]
    code, _, err = run("score", *folders)
    assert (code, err) == (0, "")


def test_a_relation_to_nothing_is_named_and_not_scored(gold: Path, tmp_path: Path) -> None:
    bad = write_brat(
        tmp_path / "bad", dict.fromkeys("12", (TEXT, f"{GOLD}R9\tForm-Drug Arg1:T1 Arg2:T77\n"))
    )
    code, out, err = run("score", gold, bad, "--json")
    assert (code, json.loads(out)["relations"]["strict"]["micro"]["fp"]) == (3, 0)
    assert f"{bad / '1.ann'}:{GOLD.count(chr(10)) + 1}: " in err


def test_the_exit_code_is_0_where_nothing_had_to_be_said(gold: Path, tmp_path: Path) -> None:
    same = write_brat(tmp_path / "same", {"1": (TEXT, GOLD), "2": (TEXT, "")})
    (gold / "2.ann").unlink()
    code, _, err = run("score", gold, same, "--compare", same)
    assert (code, "no .ann, read as a note with nothing in it" in err) == (0, True)
    less = write_brat(tmp_path / "less", {"1": (TEXT, GOLD)})
    assert run("score", gold, same, "--compare", less)[0] == 3


def test_with_two_arms_what_is_to_be_said_of_gold_is_said_once(tmp_path: Path) -> None:
    odd = f"{GOLD}R9\tForm-Drug Arg1:T1 Arg2:T77\nT9\tdrug 0 7\taspirin\n"
    gold = write_brat(tmp_path / "gold", {"1": (TEXT, odd), "2": (TEXT, GOLD), "3": (TEXT, "")})
    (gold / "3.ann").unlink()
    arms = [
        write_brat(tmp_path / name, dict.fromkeys("13", (TEXT, f"{GOLD}T8\tx\n"))) for name in "ab"
    ]
    code, _, err = run("score", gold, arms[0], "--compare", arms[1])
    assert code == 3
    for once in (f"{gold / '1.ann'}:5:", f"  {gold / '3.txt'}", "Drug, first in"):
        assert err.count(once) == 1
    for arm in arms:
        assert f"1 not in {arm}, scored as all missed:\n  2\n" in err
        assert err.count(f"{arm / '1.ann'}:5:") == 1


def test_without_a_common_note_the_official_counts_are_refused(gold: Path, tmp_path: Path) -> None:
    other = write_brat(tmp_path / "other", {"9": (TEXT, "")})
    code, out, err = run("score", gold, other, "--protocol", "n2c2-2018")
    assert (code, out) == (1, "")
    assert "no note in common: nothing is scored" in err


def test_score_tells_what_it_could_not_read(gold: Path, tmp_path: Path) -> None:
    bad = write_brat(tmp_path / "bad", {"1": (TEXT, "T1\tDrug 0 x\t\n" * 30), "2": (TEXT, "")})
    (bad / "2.ann").unlink()
    code, _, err = run("score", gold, bad)
    assert code == 3
    assert f"  {bad / '1.ann'}:1: T1: " in err
    assert "  … and 10 more" in err
    assert f"1 no .ann, read as a note with nothing in it:\n  {bad / '2.txt'}" in err


def test_score_refuses_in_one_line(gold: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = write_brat(tmp_path / "other", {"2": (f"{TEXT}!", "")})
    for args, message in [
        ((gold, tmp_path / "empty"), "holds no .txt"),
        ((tmp_path / "nowhere", gold), "no such folder"),
        ((gold, other), "2.txt:1: its text differs"),
        ((gold, gold, "--protocol", "muc"), "there is: one-to-one, n2c2-2018"),
    ]:
        code, out, err = run("score", *args)
        assert (code, out) == (1, "")
        assert message in err
        assert err.startswith("clinical-ie: ")
        assert err.count("\n") == 1


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
    # Nothing says that offsets leave the mark out: it is the first character.
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
        ((pipeline, notes, out, "--format", "xml"), "there is: brat, jsonl, parquet"),
        ((tmp_path / "nothing", notes, out), "cannot load the pipeline"),
        ((pipeline, tmp_path / "nowhere", out), "no such folder"),
        ((pipeline, notes / "empty.txt", out), "is a file of a kind that is not read; expected a"),
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
        (BrokenProcessPool(), 1, "too little memory for --n-process? (1 of 3"),
        (OSError("disk full"), 1, "stopped: disk full (1 of 3"),
    ],
)
def test_annotate_stopped_on_the_way(
    pipeline: Path,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    write = BratWriter.write

    def stopping(self: BratWriter, name: str, *args: object, **kwargs: object) -> None:
        if name == "marked":
            raise error
        write(self, name, *args, **kwargs)

    monkeypatch.setattr(BratWriter, "write", stopping)
    found, _, err = run("annotate", pipeline, notes, tmp_path / "out")
    assert found == code
    assert message in err
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"empty.txt", "empty.ann", ".annotate-run"}


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
    assert "2 of 3 notes are there already: going on" in err
    assert "3 of 3 notes written" in err
    assert contents("out") == contents("straight")
    # What is finished is replaced by nobody who does not say so.
    code, _, err = run(*arguments("out"))
    assert code == 1
    assert "--overwrite replaces it" in err
    with monkeypatch.context() as patch:
        patch.setattr(main, "annotate_notes", stopping)
        code, _, err = run(*arguments("out", "--overwrite"))
    assert "the same command without --overwrite goes on" in err
    assert run(*arguments("out"))[0] == 0
    assert contents("out") == contents("straight")
