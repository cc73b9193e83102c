from pathlib import Path

import pytest

from clinical_ie.corpora.docbin import write_docs
from tests.conftest import ROOT, build_tiny_bert, run_script

CONFIG = ROOT / "configs" / "train" / "minilm.cfg"


@pytest.fixture(scope="module")
def files(tmp_path_factory, notes) -> Path:
    folder = tmp_path_factory.mktemp("training")
    write_docs(notes, folder / "notes.spacy")
    build_tiny_bert(folder / "encoder", max_pieces=256)
    return folder


def train(files: Path, config: Path, out: Path):
    notes = files / "notes.spacy"
    steps = ["--max-steps", 2, "--eval-frequency", 1]
    where = ["--train", notes, "--dev", notes, "--encoder", files / "encoder"]
    return run_script("train.py", config, out, *where, *steps)


def test_a_run_leaves_its_pipelines_and_log_and_replaces_an_older_one(files, tmp_path: Path):
    out = tmp_path / "seed-0"
    (out / "model-best").mkdir(parents=True)
    (out / "stale").touch()
    result = train(files, CONFIG, out)
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in out.iterdir()} == {"model-best", "model-last", "log.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == {"seed-0"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[paths]", "[paths", "no section headers"),
        ("hidden = 256", "hiden = 256", "unexpected argument"),
        ("window = 256", "window = 2560", "window = 2560"),
        ("threshold = 0.5", "threshold = 5.0", "threshold = 5.0"),
    ],
)
def test_a_config_that_cannot_be_is_one_line_and_leaves_nothing(files, tmp_path, old, new, told):
    config = tmp_path / "bad.cfg"
    config.write_text(CONFIG.read_text().replace(old, new))
    result = train(files, config, tmp_path / "out")
    assert result.exit_code == 1
    [line] = result.stderr.strip().splitlines()
    assert line.startswith(f"train: {config}: ")
    assert told in line
    assert {path.name for path in tmp_path.iterdir()} == {"bad.cfg"}


def test_missing_notes_are_told(files, tmp_path: Path):
    where = ["--train", "nope.spacy", "--dev", "nope.spacy", "--encoder", files / "encoder"]
    result = run_script("train.py", CONFIG, tmp_path / "out", *where)
    assert result.exit_code == 1
    assert "nope.spacy: no such file" in result.stderr
