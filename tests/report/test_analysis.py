import json
import re
from pathlib import Path

import numpy as np
import pytest

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.heads.calibration import Calibration
from clinical_ie.report.analysis import (
    MAX_TYPES,
    _precision_recall,
    borders,
    changes,
    confusion,
    curves,
    in_words,
    judge,
    missed_relations,
    training_curves,
)
from clinical_ie.report.browser import as_script, browser_data
from clinical_ie.report.charts import changes_chart, confusion_chart
from clinical_ie.report.metrics import read_arms
from clinical_ie.report.predictions import ScoredNote, read_predictions
from clinical_ie.scoring import score
from clinical_ie.scoring.reliability import Outcomes

from .helpers import GOLD, metrics, perturbed, write_arm

TEXT = "😀 aspirin 81 mg for severe back pain"
NOTE = Annotations(
    [
        Mention("T1", "Drug", ((2, 9),)),
        Mention("T2", "Dose", ((10, 15),)),
        Mention("T3", "Reason", ((20, 36),)),
    ],
    [Link("Has", "T1", "T2"), Link("For", "T1", "T3")],
)


def arms(folder: Path) -> dict:
    gold = {str(n): NOTE for n in range(30)}
    for arm, rate in (("a", 0.9), ("b", 0.4)):
        predicted = {name: perturbed(NOTE, int(name), rate) for name in gold}
        write_arm(folder, arm, gold, predicted, dict.fromkeys(gold, TEXT))
    return {arm: read_predictions(folder / "predictions" / f"{arm}.jsonl") for arm in "ab"}


def test_predictions_come_back_as_they_were(tmp_path: Path) -> None:
    notes = arms(tmp_path)
    assert [note.gold for note in notes["a"]] == [NOTE] * 30
    assert notes["b"][3].predicted == perturbed(NOTE, 3, 0.4)
    path = tmp_path / "predictions" / "a.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text() + '{"id": 1}\n')
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}:31: .*evaluate"):
        read_predictions(path)


def test_figures_add_up_to_the_scores(tmp_path: Path) -> None:
    notes = arms(tmp_path)
    errors = judge(notes)
    for arm, found in notes.items():
        gold = {n.name: n.gold for n in found}
        scores = score(gold, {n.name: n.predicted for n in found}, texts=dict.fromkeys(gold, TEXT))
        strict = scores["relations"]["strict"]["micro"]
        rows = [row for row in missed_relations(notes, errors) if row["arm"] == arm]
        assert sum(row["n"] for row in rows) == strict["tp"] + strict["fn"] == 60
        assert sum(row["n"] for row in rows if row["outcome"] == "correct") == strict["tp"]
        entities = scores["entities"]["strict"]["micro"]
        wrong = [row for row in confusion(notes, errors) if row["arm"] == arm]
        misplaced = sum(row["mentions"] for row in borders(errors) if row["arm"] == arm)
        not_found = sum(r["mentions"] for r in wrong if r["gold"] != "(nothing)")
        assert not_found + misplaced == entities["fn"]
        points, reliability = curves({arm: found})
        last = [p for p in points if p["task"] == "mentions"][-1]
        assert last["recall"] == pytest.approx(100 * entities["recall"])
        assert last["precision"] == pytest.approx(100 * entities["precision"])
        for scores_ in ("calibrated", "as the model gives them"):
            items = [
                r["items"] for r in reliability if (r["task"], r["scores"]) == ("mentions", scores_)
            ]
            assert sum(items) == entities["tp"] + entities["fp"]
        raw = [r for r in reliability if (r["task"], r["scores"]) == ("mentions", scores_)]
        undone = Calibration(0.5, 0.1).undo([m.score for n in found for m in n.predicted.mentions])
        assert sum(r["items"] * r["score"] for r in raw) == pytest.approx(100 * undone.sum())


def test_a_curve_goes_from_the_surest_items_to_all_of_them() -> None:
    scores = np.linspace(0, 1, 100)
    points = list(_precision_recall(Outcomes(scores, scores > 0.5), n_gold=60))
    # Points start at 20 items.
    assert len(points) == 81
    assert points[0] == {"recall": pytest.approx(100 * 20 / 60), "precision": 100}
    assert points[-1] == {"recall": pytest.approx(100 * 50 / 60), "precision": 50}


def test_the_most_frequent_types_that_are_taken_for_each_other() -> None:
    mentions = [Mention(f"T{n}", f"{n:02}", ((n, n + 1),)) for n in range(25)]
    wrong = [mention._replace(label="other") for mention in mentions[::-1]]
    wrong[0] = wrong[0]._replace(label="last")
    found = ScoredNote("a", "x" * 25, Annotations(mentions), Annotations(wrong), [], {})
    often = ScoredNote("b", "x", Annotations(mentions[:1]), Annotations(), [], {})
    notes = {"arm": [found, often, often]}
    rows = {(r["gold"], r["predicted"]): r["mentions"] for r in confusion(notes, judge(notes))}
    assert len(rows) == MAX_TYPES
    assert rows["00", "(nothing)"] == 2
    assert rows["00", "other"] == rows["01", "other"] == 1


def test_changes_between_arms() -> None:
    rows = changes({"no_aug": metrics(1), "with_aug": metrics(2)})
    strict = {r["label"]: r["difference"] for r in rows if r["mode"] == "strict"}
    assert strict == {"Drug": 0.0, "<Dose>": 100.0, "Dose-Drug": 100.0}
    assert changes({"only": metrics()}) == []


def test_of_no_relations_nothing_is_said_or_drawn(tmp_path: Path) -> None:
    mentions = Annotations(GOLD.mentions, [])
    for arm in ("no_aug", "with_aug"):
        write_arm(tmp_path, arm, {"a": mentions}, {"a": mentions}, {"a": "aspirin 81 mg"})
    notes = {
        arm: read_predictions(tmp_path / "predictions" / f"{arm}.jsonl")
        for arm in ("no_aug", "with_aug")
    }
    assert [sentence.split(":")[0] for sentence in in_words(notes)] == ["NER strict", "NER lenient"]
    drawn = changes_chart(changes(read_arms(tmp_path)), "no_aug", "with_aug")
    assert ">Mentions<" in drawn
    assert ">Relations<" not in drawn


def test_a_label_that_xml_has_no_place_for_is_drawn_escaped() -> None:
    """A character like these would end the process, without a message."""
    rows = [{"arm": "a", "gold": "Dr\x1bug", "predicted": "\ufffe<b>\x00", "mentions": 3}]
    drawn = confusion_chart(rows, "a")
    assert "Dr\\x1bug" in drawn
    assert "\\ufffe&lt;b&gt;\\x00" in drawn


def test_training_curves_from_spacys_log(tmp_path: Path) -> None:
    log = tmp_path / "no_aug" / "seed-0" / "log.jsonl"
    log.parent.mkdir(parents=True)
    entry = {"step": 50, "scores": {"mentions_strict_f": 61.5, "relations_strict_f": 30.0}}
    log.write_text(json.dumps(entry) + "\n" + '{"step": 100, "sc')
    interrupted = tmp_path / "with_aug" / "seed-0.part" / "log.jsonl"
    interrupted.parent.mkdir(parents=True)
    interrupted.write_text(json.dumps(entry))
    rows = training_curves(tmp_path)
    assert [(r["arm"], r["step"], r["f1"]) for r in rows] == [
        ("no_aug", 50, 61.5),
        ("no_aug", 50, 30.0),
    ]


def test_browser_counts_in_utf16_and_lists_each_error_once(tmp_path: Path) -> None:
    notes = arms(tmp_path)
    errors = judge(notes)
    data = browser_data(notes, errors)
    label, [[start, end]], _ = data["docs"][0]["sides"][0]["m"][0]
    assert data["words"][label] == "Drug"
    assert len(set(data["words"])) == len(data["words"])
    units = TEXT.encode("utf-16-le")
    assert units[2 * start : 2 * end].decode("utf-16-le") == "aspirin"
    for arm, listed in data["errors"].items():
        misses = sum(
            v.kind != "correct"
            for note in errors[arm]
            for v in (*note.gold_mentions, *note.gold_links)
        )
        assert sum(error[4] == 0 for error in listed) == misses
        alone = sum(
            v.kind != "correct" and v.partner is None
            for note in errors[arm]
            for v in (*note.predicted_mentions, *note.predicted_links)
        )
        assert sum(error[4] == 1 for error in listed) == alone
        assert len({tuple(error) for error in listed}) == len(listed)
        tasks = {data["words"][error[3]] for error in listed}
        assert tasks == {"mention", "relation"}


def test_json_in_a_script_cannot_end_it() -> None:
    data = {"text": "</script><!-- & \u2028 \x00", "gold": GOLD.mentions[0].label}
    script = as_script(data)
    assert not set("<>&\u2028\x00") & set(script)
    assert json.loads(script) == data
