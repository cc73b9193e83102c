"""Generated corpora on disk."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from clinical_ie.brat import read_note
from clinical_ie.corpora.generator import Generator, write_generated_corpus
from clinical_ie.corpora.generator.corpus import Job
from clinical_ie.corpora.synthetic import MANIFEST
from tests.conftest import ROOT, run_script

from .schema_example import small_schema, write_schema

SIZES = {"train": 20, "dev": 3, "test": 4}


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_number_of_processes_makes_no_difference(tmp_path: Path) -> None:
    schema = small_schema(tmp_path)
    one = write_generated_corpus(schema, tmp_path / "one", 3, SIZES)
    two = write_generated_corpus(schema, tmp_path / "two", 3, SIZES, n_process=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(content(tmp_path / "one")) == 2 * 27 + 1
    assert one == two
    write_generated_corpus(schema, tmp_path / "other", 4, SIZES)
    assert content(tmp_path / "other") != content(tmp_path / "one")


def test_the_script_writes_the_same_bytes_under_another_hash_seed(tmp_path: Path) -> None:
    schema = ROOT / "configs" / "synthetic" / "full.yml"
    options = ["--seed", "3", "--train", "2", "--dev", "1", "--test", "1"]
    for number in (1, 77):
        script = [sys.executable, ROOT / "scripts" / "generate.py", schema, tmp_path / f"{number}"]
        subprocess.run(
            [*script, *options],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": f"{number}"},
        )
    assert content(tmp_path / "1") == content(tmp_path / "77")


def test_notes_and_counts(tmp_path: Path) -> None:
    schema = small_schema(tmp_path)
    seen: list[Job] = []

    def track(jobs: Sequence[Job], description: str) -> Iterable[Job]:
        for job in jobs:
            seen.append(job)
            yield job

    counts = write_generated_corpus(schema, tmp_path / "out", 0, SIZES, track=track)
    assert len(seen) == len(counts.words) == 27
    note = read_note(tmp_path / "out" / "test" / "test-0002.txt")
    written = Generator(schema, 0).write("test", 2)
    assert (note.text, str(note.standoff)) == (written.text, str(written.standoff))
    assert counts.mentions.keys() == {"Plant", "Amount", "Fault"}
    assert counts.lines["T"] == counts.mentions.total()
    assert counts.lines["R"] == counts.relations.total()
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["seed"] == 0
    assert manifest["sizes"] == SIZES
    assert manifest["counts"]["mentions"] == dict(counts.mentions)


def test_a_corpus_of_its_own_is_replaced(tmp_path: Path) -> None:
    schema, out = small_schema(tmp_path), tmp_path / "out"
    write_generated_corpus(schema, out, 0, SIZES)
    write_generated_corpus(schema, out, 0, {"train": 1})
    assert sorted(content(out)) == [MANIFEST, "train/train-0000.ann", "train/train-0000.txt"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("train/train-0000.txt", "has no generated.json that tells"),
        ("notes/mine.txt", r"is not part of a generated corpus; .* must be new"),
    ],
)
def test_a_folder_that_was_not_generated_is_left_alone(
    tmp_path: Path, name: str, told: str
) -> None:
    schema, mine = small_schema(tmp_path), tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("my note")
    with pytest.raises(FileExistsError, match=told):
        write_generated_corpus(schema, tmp_path / "out", 0, {"train": 1})
    assert content(tmp_path / "out") == {name: b"my note"}


def test_a_file_that_was_added_saves_the_corpus(tmp_path: Path) -> None:
    schema, out = small_schema(tmp_path), tmp_path / "out"
    write_generated_corpus(schema, out, 0, {"train": 1})
    (out / "train" / "annotation.conf").write_text("[entities]")
    with pytest.raises(FileExistsError, match=r"annotation\.conf is not part"):
        write_generated_corpus(schema, out, 0, {"train": 1})
    assert len(content(out)) == 4


@pytest.mark.parametrize("n_process", [1, 2])
def test_an_interrupted_run_leaves_what_was_there(tmp_path: Path, n_process: int) -> None:
    schema, out = small_schema(tmp_path), tmp_path / "out"
    write_generated_corpus(schema, out, 0, {"train": 1})
    before = content(out)

    def interrupted(jobs: Sequence[Job], description: str) -> Iterable[Job]:
        yield jobs[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_generated_corpus(schema, out, 1, SIZES, n_process=n_process, track=interrupted)
    assert content(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "plants.yml"]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    schema = small_schema(tmp_path)
    with pytest.raises(ValueError, match="split 'training' is unknown; expected some of train"):
        write_generated_corpus(schema, tmp_path / "out", 0, {"training": 1})
    with pytest.raises(ValueError, match="0 processes cannot write"):
        write_generated_corpus(schema, tmp_path / "out", 0, SIZES, n_process=0)
    assert not (tmp_path / "out").exists()


def test_the_script_tells_a_fault_in_one_line(tmp_path: Path) -> None:
    path = write_schema(tmp_path, "use: 0.5", "used: 0.5")
    result = run_script("generate.py", path, tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"generate: {path}:3: splits.used")
    assert not (tmp_path / "out").exists()
    path = write_schema(tmp_path)
    result = run_script(
        "generate.py", path, tmp_path / "out", "--train", 2, "--dev", 1, "--test", 0
    )
    assert result.exit_code == 0, result.output
    assert "Wrote 2 train, 1 dev and 0 test notes" in result.output
