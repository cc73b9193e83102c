"""The demo corpus on disk: written whole, the same everywhere, and never over others' notes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clinical_ie.brat import read_note
from clinical_ie.corpora.synthetic import (
    MANIFEST,
    SyntheticNote,
    corpus,
    generate_note,
    write_corpus,
)
from tests.conftest import ROOT, run_script

DEMO_SCRIPT = ROOT / "scripts" / "demo.py"


def test_script_writes_the_same_bytes_under_another_hash_seed(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO_SCRIPT), str(tmp_path / "script"), "--seed", "3"]
    sizes = {"train": 2, "dev": 1, "test": 1}
    options = [part for split, size in sizes.items() for part in (f"--{split}", str(size))]
    subprocess.run(
        [*command, *options], check=True, env={**os.environ, "PYTHONHASHSEED": "77"}, timeout=60
    )
    write_corpus(tmp_path / "library", 3, sizes)
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
        for root in (tmp_path / "script", tmp_path / "library")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 9


def test_corpus_is_written_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    write_corpus(folder, 0, {"train": 2, "test": 1})
    note = read_note(folder / "train" / "train-001.txt", folder)
    assert note.problems == []
    assert note.text == generate_note(0, "train", 1).text
    write_corpus(folder, 0, {"train": 1})
    names = sorted(path.name for path in folder.rglob("*.*"))
    assert names == [MANIFEST, "train-000.ann", "train-000.txt"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "train" / "100035.txt"
    mine.parent.mkdir()
    mine.write_text("my note")
    with pytest.raises(FileExistsError, match=r"100035\.txt is not part of a demo corpus"):
        write_corpus(tmp_path, 0, {"train": 1})
    result = run_script("demo.py", tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(f"demo: {mine} is not part of a demo corpus")
    assert mine.read_text() == "my note"


def test_a_demo_that_was_edited_is_kept(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    write_corpus(demo, 0, {"train": 1})
    edited = demo / "train" / "train-000.ann"
    edited.write_text("T1\tDrug 0 9\tAdmission\n")
    result = run_script("demo.py", demo)
    # The workflow goes on.
    assert result.exit_code == 0
    assert result.stderr.startswith(f"demo: kept as it is: the notes in {demo} were changed since")
    assert edited.read_text() == "T1\tDrug 0 9\tAdmission\n"
    with pytest.raises(FileExistsError, match="were changed since"):
        write_corpus(demo, 0, {"train": 1})
    # As earlier versions left it.
    (demo / MANIFEST).unlink()
    result = run_script("demo.py", demo)
    assert result.exit_code == 0
    assert "has no generated.json that tells whether its notes are as they were" in result.stderr


def test_an_interrupted_run_leaves_the_old_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "demo", 0, {"train": 1})

    def interrupted(seed: int, split: str, index: int) -> SyntheticNote:
        if index == 1:
            raise KeyboardInterrupt
        return generate_note(seed, split, index)

    monkeypatch.setattr(corpus, "generate_note", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path / "demo", 1, {"train": 2})
    assert list(tmp_path.iterdir()) == [tmp_path / "demo"]
    written = (tmp_path / "demo" / "train" / "train-000.txt").read_text()
    assert written == generate_note(0, "train", 0).text
