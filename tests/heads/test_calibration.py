from pathlib import Path

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.util import load_model_from_config, load_model_from_path
from thinc.api import Config

from clinical_ie.doc import Annotations, Link, annotate, annotations_of
from clinical_ie.heads.calibration import Calibration
from clinical_ie.relations.component import GIVEN, PREDICTED
from clinical_ie.scoring.evaluation import evaluate, relate_given
from clinical_ie.scoring.reliability import Outcomes, outcomes
from clinical_ie.training.calibrate import PASSES, calibrate_pipeline
from tests.conftest import examples, pipeline_config
from tests.conftest import note as doc_of
from tests.scoring.helpers import mention, note


def drawn(slope: float, shift: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores, and outcomes for which the given calibration is correct."""
    random = np.random.default_rng(0)
    raw = random.uniform(0.3, 0.999, n)
    return raw, random.uniform(size=n) < Calibration(slope, shift)(raw)


def test_it_finds_the_line_that_made_the_outcomes() -> None:
    raw, right = drawn(0.4, -0.5)
    found = Calibration.fit(raw, right)
    assert found.slope == pytest.approx(0.4, abs=0.06)
    assert found.shift == pytest.approx(-0.5, abs=0.1)
    before, after = (Outcomes(s, right).calibration_error() for s in (raw, found(raw)))
    assert before > 0.1
    assert after < 0.02


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30),
)
def test_whatever_it_is_fitted_on_it_keeps_order_and_range_and_can_be_undone(pairs) -> None:
    scores, right = np.array([p[0] for p in pairs]), [p[1] for p in pairs]
    found = Calibration.fit(scores, right)
    grid = np.linspace(0.001, 0.999, 50)
    calibrated = found(grid)
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    assert (np.diff(calibrated) >= 0).all()
    inner = (calibrated > 1e-5) & (calibrated < 1 - 1e-5)
    np.testing.assert_allclose(found.undo(calibrated)[inner], grid[inner], atol=1e-6)
    assert Calibration.from_dict(found.to_dict()) == found


def test_what_a_pipeline_finds_is_never_as_sure_as_what_a_person_wrote() -> None:
    assert Calibration(slope=20.0, shift=20.0)([0.5, 1.0]).max() < 1.0


def test_nothing_to_learn_from_changes_nothing() -> None:
    assert Calibration.fit([], []) == Calibration()
    # Everything is right, but the calibrated score must not become 1.
    assert Calibration.fit([0.9] * 8, [True] * 8)(0.9) == pytest.approx(0.9, abs=0.01)


def test_calibration_error_by_hand() -> None:
    found = Outcomes(np.array([0.95, 0.95, 0.15, 1.0]), np.array([True, True, False, False]))
    # The last bin: three items, mean 2.9 / 3, right 2 / 3. The second: 0.15 off, one item.
    assert found.calibration_error() == pytest.approx((0.9 + 0.15) / 4)
    assert Outcomes(np.zeros(0), np.zeros(0, dtype=bool)).calibration_error() == 0.0


def test_a_duplicate_and_a_wrong_border_are_wrong() -> None:
    gold = {"a": note(mention("T1", "Drug", (0, 7)), Link("Same", "T1", "T1"))}
    predicted = {
        "a": note(
            mention("T1", "Drug", (0, 7)), mention("T2", "Drug", (0, 7)),
            mention("T3", "Drug", (0, 5)),
            Link("Same", "T1", "T1"), Link("Same", "T1", "T1"), Link("Same", "T3", "T3"),
        )
    }  # fmt: skip
    found = outcomes(gold, predicted, {"a": "aspirin"})
    for task in ("entities", "relations"):
        assert sorted(found[task].right.tolist()) == [False, False, True]


def test_a_pipeline_keeps_its_calibration(learned, notes, tmp_path) -> None:
    nlp = load_model_from_path(learned)
    docs = [doc.copy() for doc in notes]
    for number, doc in enumerate(docs):
        doc._.note_id = str(number)
    # The pipeline has memorized this note, whose annotations are removed: its scores are too high.
    annotate(docs[0], Annotations())
    raw = evaluate(nlp, docs).outcomes()
    found = calibrate_pipeline(nlp, docs)
    assert set(found) == {"entities", "relations"}
    nlp.to_disk(tmp_path)
    again = evaluate(load_model_from_path(tmp_path), docs)
    for task, calibration in found.items():
        assert again.calibrations[task].to_dict() == pytest.approx(calibration.to_dict())
    for task, of_task in again.outcomes().items():
        assert len(of_task["raw"].scores) > 0, task
        assert of_task["calibrated"].calibration_error() <= raw[task]["raw"].calibration_error()
    np.testing.assert_allclose(
        again.outcomes()["entities"]["raw"].scores, raw["entities"]["raw"].scores, atol=1e-5
    )
    # An earlier calibration has no effect.
    assert calibrate_pipeline(nlp, docs) == found


def test_what_was_chosen_for_other_weights_is_forgotten(learned, notes) -> None:
    nlp = spacy.load(learned)
    heads = [nlp.get_pipe(name) for name in ("clinical_ner", "clinical_relations")]
    for head in heads:
        head.calibration = Calibration(0.5, 0.25)
    heads[0].cfg["bias"] = 1.0
    heads[1].cfg["thresholds"] = {PREDICTED: 0.9, GIVEN: 0.9}
    nlp.initialize(lambda: examples(nlp, notes))
    assert [head.calibration for head in heads] == [Calibration()] * 2
    assert heads[0].cfg["bias"] == 0.0
    assert heads[1].cfg["thresholds"] == {PREDICTED: 0.3, GIVEN: 0.5}
    # What it learned from the notes is there again.
    assert heads[1].cfg["candidate_ceiling"] == 1.0


def test_what_comes_after_the_heads_changes_neither_calibration_nor_scores(learned, notes) -> None:
    """One merges tokens, the other takes away the vectors that the heads read."""
    docs = [doc.copy() for doc in notes]
    for number, doc in enumerate(docs):
        doc._.note_id = str(number)
    nlp = load_model_from_path(learned)
    found, evaluation = calibrate_pipeline(nlp, docs), evaluate(nlp, docs)
    more = load_model_from_path(learned)
    for name in ("merge_entities", "doc_cleaner"):
        more.add_pipe(name)
    assert calibrate_pipeline(more, docs) == found
    again = evaluate(more, docs)
    assert again.predicted == evaluation.predicted
    assert again.candidate_ceiling == evaluation.candidate_ceiling == 1.0


def test_what_gives_the_best_f1_is_taken_and_scores_are_fitted_on_that(
    learned, notes, monkeypatch
) -> None:
    nlp = load_model_from_path(learned)
    # The last note has no annotations, and predictions there are less probable.
    docs = [*(doc.copy() for doc in notes), doc_of("diabetes. for mg 500 metformin on Started")]
    for number, doc in enumerate(docs):
        doc._.note_id = str(number)
    # With the first bias, every prediction is right, but some mentions are missed.
    monkeypatch.setattr("clinical_ie.training.calibrate._BIASES", (-9.0, 0.0))
    # With those of an earlier calibration, nothing would be found.
    relations = nlp.get_pipe("clinical_relations")
    relations.cfg["thresholds"] = {PREDICTED: 1.0, GIVEN: 1.0}
    found = calibrate_pipeline(nlp, docs)
    assert max(relations.cfg["thresholds"].values()) < 1.0
    assert nlp.get_pipe("clinical_ner").cfg["bias"] == 0.0
    for task, calibration in found.items():
        taken = evaluate(nlp, docs).outcomes()[task]["raw"]
        fitted = Calibration.fit(taken.scores, taken.right).to_dict()
        assert fitted == pytest.approx(calibration.to_dict(), rel=1e-3), task


def test_the_thresholds_of_relations_are_the_best_on_dev(tiny_bert, notes) -> None:
    nlp = load_model_from_config(Config(pipeline_config(tiny_bert)), auto_fill=True)
    nlp.initialize(lambda: examples(nlp, notes))
    pipe = nlp.get_pipe("clinical_relations")
    # With many gold relations, two false positives cost less than one miss.
    scores, right = np.array([0.9, 0.8, 0.7, 0.4]), np.array([True, False, False, True])
    assert pipe.choose_threshold("predicted", scores, right, 10) == pytest.approx(0.2)
    assert pipe.choose_threshold("predicted", scores, right, 2) == pytest.approx(0.85)
    scores, right = np.array([0.9, 0.2, 0.6, 0.4]), np.array([True, False, True, True])
    # 0.9, 0.6 and 0.4 are right, one relation is no candidate: F1 is best between 0.4 and 0.2.
    assert pipe.choose_threshold("predicted", scores, right, 4) == pytest.approx(0.3)
    assert pipe.choose_threshold("given", scores, np.zeros(4, dtype=bool), 4) is None
    assert pipe.cfg["thresholds"]["given"] == 0.5
    # A threshold is between two scores, however near to each other they are.
    scores, right = np.float32([0.9999998, 0.9999996, 0.9999994]), np.array([True, True, False])
    assert scores[2] < pipe.choose_threshold("predicted", scores, right, 2) < scores[1]
    # The first three are found together or not at all, and then the fourth costs nothing.
    scores, right = np.array([0.9, 0.9, 0.9, 0.6]), np.array([True, False, False, True])
    assert pipe.choose_threshold("predicted", scores, right, 2) == pytest.approx(0.3)
    # Not below what was left out, nor halfway to it from a score that is no better than that.
    scores, right = np.array([0.9, 0.5, 0.021]), np.ones(3, dtype=bool)
    assert pipe.choose_threshold("predicted", scores, right, 3, 0.02) == pytest.approx(0.0205)
    assert pipe.choose_threshold("predicted", scores, right, 3, 0.3) == pytest.approx(0.4)
    pipe.choose_threshold("predicted", np.array([0.4, 0.2]), np.array([True, False]), 1)
    # Mentions with a score of 1 count as given; each kind has its own threshold.
    for sure, expected in ((1.0, 0), (0.99, 1)):
        doc = nlp.get_pipe("tok2vec")(nlp.make_doc(notes[0].text))
        given = annotations_of(notes[0]).mentions
        annotate(doc, Annotations([given[0], *(m._replace(score=sure) for m in given[1:])]))
        [(candidates, _)] = pipe.predict([doc])
        probabilities = np.full((len(candidates), len(pipe.labels)), 0.4)
        pipe.set_annotations([doc], [(candidates, probabilities)])
        assert len(doc._.relations) == expected * len(candidates) * len(pipe.labels)


def test_a_pipeline_that_takes_every_pair_for_a_relation_is_calibrated_on_a_few(
    learned, monkeypatch
) -> None:
    """One of a handful of steps found tens of thousands in each long note."""
    nlp = load_model_from_path(learned)
    pipe = nlp.get_pipe("clinical_relations")
    pipe.max_distance = 1000
    terms = [(f"drug{n:02}", f"pain{n:02}") for n in range(20)]
    doc = doc_of(
        ". ".join(f"{drug} for {reason}" for drug, reason in terms),
        *(pair for drug, reason in terms for pair in (("Drug", drug), ("Reason", reason))),
    )
    predict, seen, before = pipe.predict, [], pipe.cfg["thresholds"]

    def sure_of_all(docs):
        return [(candidates, np.ones_like(given)) for candidates, given in predict(docs)]

    def counted(doc):
        seen.append((len(doc._.relations), len(doc.spans["entities"])))
        return annotations_of(doc)

    monkeypatch.setattr(pipe, "predict", sure_of_all)
    monkeypatch.setattr("clinical_ie.training.calibrate.annotations_of", counted)
    calibrate_pipeline(nlp, [doc])
    n_relations, n_mentions = seen[-1]
    # The last are those of the given mentions; 400 pairs, and three labels.
    assert (n_relations, n_mentions) == (200, 40)
    # Where those are no more probable than the rest, no threshold tells them apart.
    assert pipe.cfg["thresholds"] == before


def test_nothing_is_chosen_on_notes_without_annotations(learned: Path, notes: list[Doc]):
    nlp = spacy.load(learned)
    before = nlp.get_pipe("clinical_relations").cfg["thresholds"]
    calibrate_pipeline(nlp, [nlp.make_doc(doc.text) for doc in notes])
    assert nlp.meta["clinical_ie"].keys() == {"candidate_ceiling"}
    assert nlp.get_pipe("clinical_ner").cfg["bias"] == 0.0
    assert nlp.get_pipe("clinical_relations").cfg["thresholds"] == before
    # Everything found is wrong there, but that says nothing of the scores.
    assert nlp.get_pipe("clinical_ner").calibration == Calibration()
    assert nlp.get_pipe("clinical_relations").calibration == Calibration()


def test_what_is_chosen_is_told_and_each_pass_over_a_note(learned: Path, notes: list[Doc]):
    nlp, told = spacy.load(learned), []
    calibrate_pipeline(nlp, notes, lambda: told.append(1))
    assert len(told) == PASSES * len(notes)
    # Other biases are as good for what was learned by heart.
    thresholds = nlp.get_pipe("clinical_relations").cfg["thresholds"]
    assert nlp.meta["clinical_ie"] == {
        "mention_bias": 0.0, "relation_thresholds": thresholds, "candidate_ceiling": 1.0,
    }  # fmt: skip
    assert all(0 < threshold < 1 for threshold in thresholds.values())
    # Given mentions are certain, so their relations are more probable.
    assert thresholds["given"] > thresholds["predicted"]


def test_heads_are_known_whatever_they_are_called(learned: Path, notes: list[Doc]):
    nlp, renamed = spacy.load(learned), spacy.load(learned)
    renamed.rename_pipe("clinical_ner", "mentions")
    renamed.rename_pipe("clinical_relations", "relations")
    assert calibrate_pipeline(renamed, notes) == calibrate_pipeline(nlp, notes)
    assert renamed.meta["clinical_ie"] == nlp.meta["clinical_ie"]
    # No pipeline predicts this mention, but given mentions are kept as they are.
    gold = note(mention("T1", "Drug", (0, 2)))
    [(_, doc)] = relate_given(renamed, {"a": gold}, {"a": notes[0].text})
    assert annotations_of(doc).mentions == gold.mentions


def test_what_else_writes_mentions_does_not_write_over_those_that_are_given(notes: list[Doc]):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("span_ruler", config={"spans_key": "entities"})
    ruler.add_patterns([{"label": "Food", "pattern": "aspirin"}])
    gold = annotations_of(notes[0])
    [(_, doc)] = relate_given(nlp, {"a": gold}, {"a": notes[0].text})
    assert annotations_of(doc).mentions == gold.mentions
