import json
from dataclasses import replace
from pathlib import Path

from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.doc import Annotations, annotate
from clinical_ie.scoring import sum_up
from clinical_ie.system.hashing import hash_of
from clinical_ie.training import seed_runs
from clinical_ie.training.fingerprint import FINGERPRINT, fingerprint
from clinical_ie.training.seed_runs import Experiment, run_seed
from tests.conftest import ROOT, run_script


def test_a_run_is_scored_once_and_anew_on_other_notes(learned, notes, tmp_path: Path):
    config, gold = ROOT / "configs" / "train" / "minilm.cfg", tmp_path / "gold.spacy"
    experiment = Experiment(config, {}, "first", tmp_path / "training", tmp_path / "metrics")
    run = experiment.training / "no_aug" / "seed-3"
    run.mkdir(parents=True)
    (run / "model-best").symlink_to(learned)
    stamp = {
        "fingerprint": fingerprint(config, {"system.seed": 3}),
        "model-best": hash_of([run / "model-best"]),
    }
    (run / FINGERPRINT).write_text(json.dumps(stamp))
    # The first note has no annotations, so every prediction in it is wrong.
    unlike = [notes[0].copy(), *notes[1:]]
    annotate(unlike[0], Annotations())
    for number, doc in enumerate(unlike):
        doc._.note_id = str(number)
    write_docs(unlike, gold)
    first = run_seed(experiment, read_docs(gold), "no_aug", {}, 3)
    micro = sum_up(first["end-to-end"]["one-to-one"], "one-to-one")["entities"]["strict"]["micro"]
    assert (micro["fp"], micro["fn"]) == (3, 0)
    store = tmp_path / "metrics" / "seeds" / "no_aug" / "seed-3.json"
    assert store.stat().st_mode & 0o777 == 0o600
    # The stored counts are used, and no note is read.
    assert run_seed(experiment, [], "no_aug", {}, 3) == first
    write_docs(unlike[1:2], gold)
    again = run_seed(replace(experiment, gold="second"), read_docs(gold), "no_aug", {}, 3)
    assert list(again["end-to-end"]["one-to-one"]) == ["1"]


def test_missing_augmented_notes_are_told_before_any_training(notes, tmp_path: Path):
    copies = [note.copy() for note in notes]
    for number, doc in enumerate(copies):
        doc._.note_id = str(number)
    write_docs(copies, tmp_path / "notes.spacy")
    options = [
        *(part for name in ("train", "dev", "test") for part in (f"--{name}", "notes.spacy")),
        *("--augmented", "none.spacy", "--training", "training", "--encoder", "none"),
    ]
    paths = [tmp_path / part if part.endswith(".spacy") else part for part in options]
    config = ROOT / "configs" / "train" / "minilm.cfg"
    result = run_script("table.py", config, tmp_path / "out", *paths)
    assert result.exit_code == 1
    [told] = result.stderr.splitlines()
    assert told.endswith("none.spacy: no such file; `weasel run augment` makes it")


def test_counts_are_not_those_of_a_config_that_changed_in_training(
    learned, notes, tmp_path, monkeypatch
):
    config = tmp_path / "a.cfg"
    config.write_text("before")
    experiment = Experiment(config, {}, "gold", tmp_path / "training", tmp_path / "metrics")

    def train(config: Path, out: Path, *_: object) -> None:
        out.mkdir(parents=True)
        (out / "model-best").symlink_to(learned)
        config.write_text("while it was trained")

    monkeypatch.setattr(seed_runs, "train_pipeline", train)
    first = run_seed(experiment, notes[:1], "no_aug", {}, 3)
    monkeypatch.setattr(seed_runs, "is_trained", lambda *_: True)
    assert run_seed(experiment, notes[3:], "no_aug", {}, 3) != first
