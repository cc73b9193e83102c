import logging
from pathlib import Path

import pytest
import spacy
from spacy.util import load_config

from clinical_ie.corpora.docbin import write_docs
from clinical_ie.training.length import steps_between, training_steps
from clinical_ie.training.run import TrainingError, run_values
from tests.conftest import ROOT

CONFIG = ROOT / "configs" / "train" / "minilm.cfg"


def corpus(folder: Path, *lengths: int) -> Path:
    """Notes with the given numbers of words."""
    path = folder / "notes.spacy"
    nlp = spacy.blank("en")
    write_docs([nlp.make_doc("word " * length) for length in lengths], path)
    return path


@pytest.mark.parametrize(
    ("n_notes", "steps"),
    [
        pytest.param(3, 200, id="a few notes are read more often"),
        pytest.param(50, 550, id="eleven times"),
        pytest.param(500, 3000, id="many notes less often"),
    ],
)
def test_a_training_is_as_long_as_the_notes_are_many(tmp_path, n_notes: int, steps: int):
    # A step holds about 700 words, so each of these notes takes one step.
    assert training_steps(CONFIG, corpus(tmp_path, *[600] * n_notes)) == steps


def test_the_rate_of_learning_has_time_to_rise(tmp_path):
    config = CONFIG.with_name("bluebert_large.cfg")
    assert training_steps(config, corpus(tmp_path, 600)) == 400


def test_notes_that_share_a_step_are_counted_as_one(tmp_path):
    assert training_steps(CONFIG, corpus(tmp_path, *[300] * 100)) == 11 * 50


def test_a_reading_that_is_cut_short_is_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        training_steps(CONFIG, corpus(tmp_path, *[600] * 500))
    assert "3,000 steps read the training notes 6.0 times" in caplog.text
    assert "5,500 read them 11 times" in caplog.text


def test_evaluations_are_eight_but_never_dense():
    assert (steps_between(200), steps_between(801), steps_between(3000)) == (100, 101, 375)


def test_both_follow_from_the_notes_where_nobody_says(tmp_path):
    notes = corpus(tmp_path, *[600] * 150)
    found = run_values(CONFIG, notes, notes, "encoder", "auto", "auto")
    assert (found["training.max_steps"], found["training.eval_frequency"]) == (1650, 207)
    found = run_values(CONFIG, notes, notes, "encoder", "7", "3")
    assert (found["training.max_steps"], found["training.eval_frequency"]) == (7, 3)


@pytest.mark.parametrize("steps", ["0", "-1", "many", "1.5", "", "1" * 20])
def test_a_number_of_steps_that_cannot_be_is_refused(tmp_path, steps: str):
    notes = tmp_path / "unread.spacy"
    with pytest.raises(TrainingError, match=f"--max-steps {steps}: expected a whole number"):
        run_values(CONFIG, notes, notes, "encoder", steps, "auto")


@pytest.mark.parametrize("named", ["optimizer", "learn_rate"])
def test_a_config_without_a_rate_is_counted_by_its_notes(tmp_path, named: str):
    config = load_config(CONFIG)
    section = config["training"] if named == "optimizer" else config["training"]["optimizer"]
    section[named] = None
    config.to_disk(tmp_path / "own.cfg")
    assert training_steps(tmp_path / "own.cfg", corpus(tmp_path, 5)) == 200


def test_a_config_without_a_batcher_is_refused(tmp_path):
    config = tmp_path / "own.cfg"
    config.write_text("[training]\nmax_steps = 5\n")
    notes = corpus(tmp_path, 5)
    with pytest.raises(TrainingError, match=r"own\.cfg: has no \[training\.batcher\]"):
        run_values(config, notes, notes, "encoder", "auto", "auto")
