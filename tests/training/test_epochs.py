"""Training by readings of the notes, not by steps: its end is known only when it is there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from spacy.language import Language

from clinical_ie.corpora.docbin import write_docs
from clinical_ie.training import loop, run
from tests.conftest import ROOT, build_tiny_bert

CONFIG = ROOT / "configs" / "train" / "minilm.cfg"


# Four notes a reading, one in a step; the second value ends with an evaluation anyway.
@pytest.mark.parametrize(("between", "evaluated"), [(5, [0, 5, 7]), (7, [0, 7]), (100, [0, 7])])
def test_the_last_step_is_evaluated_once(
    notes, tmp_path: Path, monkeypatch, capsys, train_until_calibration, between, evaluated
):
    updates = []
    update = Language.update
    monkeypatch.setattr(
        Language, "update", lambda *args, **kwargs: updates.append(1) or update(*args, **kwargs)
    )
    write_docs(notes, tmp_path / "notes.spacy")
    build_tiny_bert(tmp_path / "encoder", max_pieces=256)
    paths = tmp_path / "notes.spacy", tmp_path / "notes.spacy", str(tmp_path / "encoder")
    values = run.run_values(CONFIG, *paths, "1000", str(between))
    values |= {"training.batcher.size": 5, "training.max_epochs": 2}
    train_until_calibration(CONFIG, tmp_path / "out", values)
    assert len(updates) == 8
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    # What was finished is neither made nor evaluated again.
    assert len(updates) == 8
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    log = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == evaluated
    assert capsys.readouterr().out.count("going on after step 7") == 1


def test_of_equal_scores_that_of_the_later_step_is_best(notes, tmp_path: Path, monkeypatch):
    # As in spaCy.
    monkeypatch.setattr(loop, "create_evaluation_callback", lambda *_: lambda: (0.5, {}))
    write_docs(notes, tmp_path / "notes.spacy")
    build_tiny_bert(tmp_path / "encoder", max_pieces=256)
    paths = tmp_path / "notes.spacy", tmp_path / "notes.spacy", str(tmp_path / "encoder")
    run.train_pipeline(CONFIG, tmp_path / "out", run.run_values(CONFIG, *paths, "2", "1"), -1)
    best, last = (
        (tmp_path / "out" / name / "tok2vec" / "model").read_bytes()
        for name in ("model-best", "model-last")
    )
    assert best == last


def test_a_run_ends_when_no_step_was_better_for_as_long_as_its_patience():
    # Of equal scores, the first counts.
    progress = loop.Progress(results=[(0.4, 0), (0.5, 10), (0.5, 20), (0.3, 30)])
    ends = [step for step in range(0, 60) if replace(progress, step=step + 1).is_over(30, 0)]
    assert ends == list(range(40, 60))
    assert not loop.Progress().is_over(1, 1)
    assert not replace(progress, step=1000).is_over(0, 0)
    assert [replace(progress, step=step + 1).is_over(0, 35) for step in (34, 35)] == [False, True]
