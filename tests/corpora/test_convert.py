import json
from pathlib import Path

import pytest

from clinical_ie.brat import Standoff, write_note
from clinical_ie.corpora.convert import convert_dataset
from clinical_ie.corpora.docbin import read_docs
from tests.conftest import run_script as run


def quiet(paths: list[Path], _: str) -> list[Path]:
    return paths


def fill(folder: Path, n: int, ann: str = "T1\tDrug 0 7\taspirin\n") -> None:
    for i in range(n):
        write_note(folder, f"n{i}", "aspirin daily", Standoff.parse(ann))


def test_a_missing_dev_is_drawn_from_train_by_the_seed(tmp_path: Path):
    fill(tmp_path / "in" / "train", 10)
    drawn = []
    for seed in (0, 0, 1):
        out = tmp_path / "out"
        counts, remarks = convert_dataset(tmp_path / "in", out, "brat", seed, quiet)
        drawn.append({doc._.note_id for doc in read_docs(out / "dev.spacy")})
        assert (counts["train"].notes, counts["dev"].notes, counts["test"].notes) == (8, 2, 0)
        assert any("by seed" in r for r in remarks)
        assert any("evaluation will use dev" in r for r in remarks)
        assert drawn[-1].isdisjoint(doc._.note_id for doc in read_docs(out / "train.spacy"))
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_a_flat_tagger_cannot_learn_is_counted_by_reason(tmp_path: Path):
    ann = (
        "T1\tDrug 0 7\taspirin\nT2\tReason 0 7\taspirin\nT3\tDrug 8 11\tdai\n"
        "T4\tADE 0 2;8 13\tas daily\nR1\tX Arg1:T1 Arg2:T1\n"
    )
    fill(tmp_path / "in" / "train", 2, ann)
    counts, _ = convert_dataset(tmp_path / "in", tmp_path / "out", "brat", 0, quiet)
    reasons = {reason: dict(labels) for reason, labels in counts["train"].not_trainable.items()}
    assert reasons == {
        "overlaps a longer or earlier mention": {"Drug": 2, "Reason": 1},
        "cuts through a token": {"Drug": 1},
        "is in several pieces": {"ADE": 1},
        "relates a mention to itself": {"X": 1},
    }
    assert counts["train"].mentions.total() == 4


def test_one_unreadable_note_does_not_stop_the_corpus(tmp_path: Path):
    fill(tmp_path / "in", 2)
    (tmp_path / "in" / "bad.txt").write_bytes(b"\xff\xfe")
    result = run("convert.py", tmp_path / "in", tmp_path / "out.spacy")
    assert result.exit_code == 0
    assert "bad.txt: left out, the whole note" in result.stderr
    assert len(read_docs(tmp_path / "out.spacy")) == 2


def test_scripts_take_a_folder_to_a_file_and_back(tmp_path: Path):
    fill(tmp_path / "in", 3, "#1\tAnnotatorNotes T1\tkept \nT1\tDrug 0 7\taspirin\r\n")
    assert run("convert.py", tmp_path / "in", tmp_path / "x.spacy").exit_code == 0
    assert run("export.py", tmp_path / "x.spacy", tmp_path / "out").exit_code == 0
    for path in (tmp_path / "in").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


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


@pytest.mark.parametrize(
    ("script", "arguments", "told"),
    [
        ("convert.py", ["nope", "out"], "nope/train: no such folder"),
        ("convert.py", ["nope", "out.spacy"], "nope: no such folder"),
        ("convert.py", ["empty", "out.spacy"], "holds no .txt"),
        ("convert.py", ["corpus", "out", "--format", "docx"], "unknown format 'docx'"),
        ("export.py", ["nope.spacy", "out"], "nope.spacy: no such file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, script, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "corpus" / "train", 2)
    result = run(script, *arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out*"))
