from pathlib import Path

import pytest

from clinical_ie.corpora.synthetic import write_corpus
from clinical_ie.scoring import score
from clinical_ie.scoring.folders import read_pair

from .helpers import mention, note


def test_all_figures_by_hand() -> None:
    gold = {
        "a": note(mention("T1", "Drug", (0, 3)), mention("T2", "Form", (5, 8))),
        "b": note(mention("T1", "Drug", (0, 3))),
        "missing": note(mention("T1", "Drug", (0, 3))),
        "empty": note(),
    }
    predicted = {
        "a": note(mention("T1", "Drug", (0, 3)), mention("T2", "Drug", (6, 8))),
        "b": note(mention("T1", "Drug", (1, 3))),
        "extra": note(mention("T1", "Form", (0, 3))),
        "empty": note(),
    }
    scores = score(gold, predicted)
    assert scores["protocol"] == "one-to-one"
    assert scores["entities"]["strict"] == {
        "micro": {"tp": 1, "fp": 3, "fn": 3, "precision": 0.25, "recall": 0.25, "f1": 0.25},
        # a: 1/2; b, missing and extra: 0; empty does not count.
        "macro": {"precision": 0.125, "recall": 0.125, "f1": 0.125},
        "by_label": {
            "Drug": {
                "tp": 1,
                "fp": 2,
                "fn": 2,
                "precision": 1 / 3,
                "recall": 1 / 3,
                "f1": 1 / 3,
                # a: 1/2 of precision, all of recall; b and missing: 0.
                "macro": {"precision": 1 / 6, "recall": 1 / 3, "f1": pytest.approx(2 / 9)},
            },
            "Form": {
                "tp": 0,
                "fp": 1,
                "fn": 1,
                "precision": 0.0,
                "recall": 0.0,
                "f1": 0.0,
                "macro": {"precision": 0.0, "recall": 0.0, "f1": 0.0},
            },
        },
    }
    assert scores["entities"]["lenient"]["micro"] == {
        "tp": 2, "fp": 2, "fn": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5,
    }  # fmt: skip
    assert scores["entities"]["lenient"]["macro"] == {
        "precision": 0.375, "recall": 0.375, "f1": 0.375,
    }  # fmt: skip


def test_nothing_at_all_is_zero_and_no_error() -> None:
    zero = {"tp": 0, "fp": 0, "fn": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    for notes in ({}, {"a": note()}):
        scores = score(notes, notes)
        assert scores["relations"]["lenient"] == {
            "micro": zero,
            "macro": {"precision": 0.0, "recall": 0.0, "f1": 0.0},
            "by_label": {},
        }


def test_unknown_protocol_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'muc'.* one-to-one, n2c2-2018"):
        score({}, {}, protocol="muc")


def test_errors_name_the_note() -> None:
    doubled = note(mention("T1", "A", (0, 1)), mention("T1", "A", (2, 3)))
    with pytest.raises(ValueError, match=r"^note 7: "):
        score({"note 7": doubled}, {})


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_maccrobat_against_itself(maccrobat: Path, split: str) -> None:
    pair = read_pair(maccrobat / split, maccrobat / split)
    scores = score(pair.gold, pair.predicted, texts=pair.texts)
    assert not pair.missing
    for task in (scores["entities"], scores["relations"]):
        for mode in (task["strict"], task["lenient"]):
            assert mode["micro"]["tp"] > 0
            assert mode["micro"]["f1"] == mode["macro"]["f1"] == 1.0


def test_the_demo_corpus_against_itself(tmp_path: Path) -> None:
    write_corpus(tmp_path, 0, {"train": 6, "dev": 1, "test": 6})
    for split in ("train", "test"):
        pair = read_pair(tmp_path / split, tmp_path / split)
        scores = score(pair.gold, pair.predicted, texts=pair.texts)
        for task in (scores["entities"], scores["relations"]):
            assert task["strict"]["micro"]["f1"] == task["lenient"]["micro"]["f1"] == 1.0
