import logging
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, fix_random_seed

from clinical_ie.doc import Annotations, Mention, annotate, annotations_of
from clinical_ie.heads.gold import gold_spans
from clinical_ie.relations import component
from clinical_ie.relations.candidates import Schema, find_candidates
from clinical_ie.scoring.evaluation import evaluate
from tests.conftest import examples, note


def fresh(**settings: object) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_relations", config=settings)
    return nlp


@pytest.fixture(scope="module")
def trained(notes: list[Doc]) -> Language:
    nlp = fresh()
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    sgd = Adam(0.005)
    for _ in range(60):
        nlp.update(batch, sgd=sgd)
    return nlp


def on_gold_mentions(nlp: Language, gold: Doc) -> Doc:
    doc = nlp.make_doc(gold.text)
    annotations = annotations_of(gold)
    annotations.links.clear()
    annotate(doc, annotations)
    return nlp(doc)


def related(doc: Doc) -> set[tuple[str, str, str]]:
    return {(r.head.text, r.tail.text, r.label) for r in doc._.relations}


def test_learns_four_notes_by_heart_on_gold_mentions(trained, notes):
    for gold in notes:
        doc = on_gold_mentions(trained, gold)
        assert related(doc) == related(gold)
        assert all(0.5 <= relation.score <= 1 for relation in doc._.relations)


def test_the_gradient_is_that_of_the_loss_of_a_pair():
    head, rng = fresh().get_pipe("clinical_relations"), np.random.default_rng(0)
    scores, step = rng.normal(size=(2, 7, 3)).astype("f")
    targets = (rng.random((7, 3)) < 0.5).astype("f")
    loss, gradient = head.get_loss(targets, scores)
    above, below = (head.get_loss(targets, scores + x * step)[0] for x in (0.01, -0.01))
    assert (above - below) / 0.02 == pytest.approx(float((gradient * step).sum()), rel=1e-3)
    # The same pairs twice cost no more a pair.
    twice, _ = head.get_loss(np.tile(targets, (2, 1)), np.tile(scores, (2, 1)))
    assert twice == pytest.approx(loss)


def test_needs_to_be_initialized():
    with pytest.raises(ValueError, match="clinical_relations"):
        fresh()("Some text.")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_length", 100),
        ("gold_preproc", True),
        ("augmenter", {"@augmenters": "spacy.lower_case.v1", "level": 0.5}),
    ],
)
def test_readers_that_leave_relations_out_are_refused(notes, setting, value):
    nlp = fresh()
    reader = {"@readers": "spacy.Corpus.v1", "path": "dev.spacy", "max_length": 0}
    nlp.config["corpora"] = {"dev": reader | {setting: value}}
    batch = examples(nlp, notes)
    with pytest.raises(ValueError, match=rf"with {setting} in \[corpora\.dev\].*Notes\.v1"):
        nlp.initialize(lambda: batch)
    # Without these settings, and of other readers, nothing is said.
    own = {"@readers": "my.Corpus.v1", setting: value}
    for corpora in ({"dev": reader}, {"dev": own}, own):
        nlp.config["corpora"] = corpora
        nlp.initialize(lambda: batch)


@pytest.mark.parametrize(("place", "is_told"), [("last", True), ("first", False)])
def test_relations_before_their_mentions_are_told(notes, caplog, place, is_told):
    nlp = fresh()
    nlp.add_pipe("clinical_ner", **{place: True})
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    told = "clinical_relations comes before clinical_ner in nlp.pipeline"
    assert (told in caplog.text) == is_told
    assert "no component of the pipeline finds mentions" not in caplog.text


def test_a_frozen_component_finds_mentions_too(notes, caplog):
    """spaCy disables it while the others are initialized."""
    nlp = fresh()
    nlp.add_pipe("clinical_ner", first=True)
    batch = examples(nlp, notes)
    with nlp.select_pipes(disable=["clinical_ner"]):
        nlp.initialize(lambda: batch)
    assert "no component of the pipeline finds mentions" not in caplog.text


def test_relations_between_mentions_that_nobody_finds_are_told(notes, caplog):
    nlp = fresh()
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    told = (
        "clinical_relations: no component of the pipeline finds mentions: it is scored on the gold"
    )
    assert told in caplog.text


@pytest.mark.parametrize("text", ["", "x", "\n\n", "aspirin"])
def test_a_doc_without_pairs_has_no_relation(trained, text):
    assert trained(text)._.relations == []


def test_an_empty_note_in_a_batch_costs_nothing(notes):
    nlp = fresh()
    batch = examples(nlp, [*notes, note("")])
    nlp.initialize(lambda: batch)
    sgd = Adam(0.005)
    for _ in range(2):
        losses = nlp.update(batch, sgd=sgd)
        assert np.isfinite(losses["clinical_relations"])
    net = nlp.get_pipe("clinical_relations").model.shims[0]._model
    assert all(weights.isfinite().all() for weights in net.parameters())


def test_mentions_that_are_in_ents_alone_are_related_too(trained, notes):
    for gold in notes:
        doc = trained.make_doc(gold.text)
        doc.set_ents([Span(doc, e.start, e.end, e.label) for e in gold.ents])
        assert related(trained(doc)) == related(gold)


def test_entities_keep_the_ids_that_a_ruler_gave_them(trained, notes):
    gold = notes[0]
    doc = trained.make_doc(gold.text)
    doc.ents = [Span(doc, e.start, e.end, e.label, span_id="known") for e in gold.ents]
    found = [(e.start, e.end, e.label_, e.ent_id_) for e in doc.ents]
    assert len(found) > 1
    doc = trained(doc)
    assert [(e.start, e.end, e.label_, e.ent_id_) for e in doc.ents] == found
    assert len({mention.id for mention in annotations_of(doc).mentions}) == len(found)
    assert related(doc) == related(gold)


def test_relations_are_found_where_tokens_were_merged_after_the_mentions(trained, notes):
    merge_entities = trained.create_pipe("merge_entities")
    for gold in notes:
        doc = trained.make_doc(gold.text)
        annotate(doc, Annotations(annotations_of(gold).mentions))
        annotations = annotations_of(trained(merge_entities(doc)))
        assert annotations.mentions == annotations_of(gold).mentions
        assert annotations.links or not annotations_of(gold).links


def test_a_corpus_without_relations_trains_to_find_none(caplog):
    nlp = fresh()
    gold = note("Took aspirin.", ("Drug", "aspirin"))
    batch = examples(nlp, [gold])
    with caplog.at_level(logging.WARNING):
        nlp.initialize(lambda: batch)
    assert "no relation in the training notes" in caplog.text
    nlp.update(batch, sgd=Adam(0.01))
    assert nlp("Took aspirin.")._.relations == []
    assert evaluate(nlp, [gold]).candidate_ceiling is None


def test_bytes_and_disk_give_the_same_pipeline_back(trained, notes, tmp_path: Path):
    trained.to_disk(tmp_path)
    copy = load_model_from_config(trained.config)
    copy.from_bytes(trained.to_bytes())
    for other in (spacy.load(tmp_path), copy):
        for gold in notes:
            assert annotations_of(on_gold_mentions(other, gold)) == annotations_of(
                on_gold_mentions(trained, gold)
            )


def test_the_candidate_ceiling_counts_what_the_window_cuts_off(notes):
    nlp = fresh(max_distance=2)
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    # Only two of five relations are within the distance: "81 mg" and "500 mg" with their drugs.
    assert nlp.get_pipe("clinical_relations").cfg["candidate_ceiling"] == pytest.approx(2 / 5)


def test_initialization_looks_at_each_note_once(notes, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def counted(example):
        seen.append(example)
        return gold_spans(example)

    monkeypatch.setattr(component, "gold_spans", counted)
    nlp = fresh()
    batch = examples(nlp, notes)
    nlp.get_pipe("clinical_relations").initialize(lambda: batch)
    # The model is initialized with the first two.
    assert [batch.index(example) for example in seen] == [0, 1, 2, 3, 0, 1]


def test_several_labels_may_hold_for_one_pair():
    gold = note(
        "rash from aspirin",
        ("ADE", "rash"),
        ("Drug", "aspirin"),
        links=(("ADE-Drug", 0, 1), ("Follows", 0, 1)),
    )
    nlp = fresh()
    batch = examples(nlp, [gold])
    nlp.initialize(lambda: batch)
    sgd = Adam(0.01)
    for _ in range(60):
        nlp.update(batch, sgd=sgd)
    assert related(on_gold_mentions(nlp, gold)) == related(gold)


def test_a_note_has_the_same_relations_alone_and_among_others(notes):
    # What is learned by heart has probabilities of 0 and 1, which hide a difference.
    nlp, docs = fresh(), []
    nlp.initialize(lambda: examples(nlp, notes))
    head = nlp.get_pipe("clinical_relations")
    for gold in [*notes, note("aspirin"), note("")]:
        docs.append(nlp.make_doc(gold.text))
        annotate(docs[-1], Annotations(annotations_of(gold).mentions))
    for doc, (candidates, found) in zip(docs, head.predict(docs), strict=True):
        assert candidates.doc is doc
        [(_, alone)] = head.predict([doc])
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_a_mention_of_a_type_that_is_new_is_in_no_relation(trained, notes):
    for gold in notes:
        doc = trained.make_doc(gold.text)
        known = annotations_of(gold).mentions
        annotate(doc, Annotations([Mention("T0", "Food", ((0, len(gold.text)),)), *known]))
        assert related(trained(doc)) == related(gold)


def test_many_mentions_and_pairs_run(trained):
    doc = trained.make_doc("aspirin 81 mg for pain . " * 150)
    annotations = annotations_of(note("aspirin 81 mg", ("Drug", "aspirin"), ("Strength", "81 mg")))
    mentions = [
        type(m)(f"{m.id}-{k}", m.label, tuple((a + 25 * k, b + 25 * k) for a, b in m.fragments))
        for k in range(150)
        for m in annotations.mentions
    ]
    annotate(doc, type(annotations)(mentions))
    [(candidates, scores)] = trained.get_pipe("clinical_relations").predict([doc])
    assert len(candidates) == len(scores) > 1000
    assert np.isfinite(scores).all()


def test_a_relation_is_no_more_probable_than_its_mentions(trained, notes):
    found = []
    for score in (1.0, 0.5):
        doc = trained.make_doc(notes[0].text)
        given = annotations_of(notes[0]).mentions
        annotate(doc, Annotations([mention._replace(score=score) for mention in given]))
        [(_, probabilities)] = trained.get_pipe("clinical_relations").predict([doc])
        found.append(probabilities)
    assert found[0].max() > 0.5
    np.testing.assert_allclose(found[1], found[0] / 4, rtol=1e-5)


def test_a_predicted_mention_is_in_the_relations_of_the_gold_one_of_its_type():
    gold = note(
        "rash from aspirin or ASA",
        ("ADE", "rash"),
        ("Drug", "aspirin"),
        ("Drug", "ASA"),
        links=(("ADE-Drug", 0, 1), ("Same", 1, 2)),
    )
    nlp = fresh()
    [example] = examples(nlp, [gold])
    nlp.initialize(lambda: [example])
    doc = example.predicted
    # The last is a gold mention, too, which is learned from once.
    doc.spans["entities"] = [
        Span(doc, 0, 2, label="ADE"), Span(doc, 0, 1, label="Drug"), Span(doc, 2, 3, label="Drug"),
    ]  # fmt: skip
    head = nlp.get_pipe("clinical_relations")
    candidates, targets = head._gold_candidates(example, head.schema, with_predicted=True)
    assert len(candidates.spans) == 3 + 2
    learned = set()
    for pair, label in np.argwhere(targets):
        ends = [candidates.spans[places[pair]] for places in (candidates.heads, candidates.tails)]
        learned.add((*((span.text, span.label_) for span in ends), head.labels[label]))
    assert learned == {
        (("rash", "ADE"), ("aspirin", "Drug"), "ADE-Drug"),
        (("rash from", "ADE"), ("aspirin", "Drug"), "ADE-Drug"),
        (("aspirin", "Drug"), ("ASA", "Drug"), "Same"),
    }
    # With a share of 0, predicted mentions are not used for training.
    losses = []
    for head.predicted_share in (1.0, 0.0):
        losses.append(nlp.update([example], sgd=False)["clinical_relations"])
    doc.spans["entities"] = []
    head.predicted_share = 1.0
    losses.append(nlp.update([example], sgd=False)["clinical_relations"])
    assert losses[0] != losses[1] == losses[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_distance": -1}, "max_distance = -1"),
        ({"predicted_share": 1.5}, "predicted_share = 1.5"),
        ({"model": {"hidden": 0}}, "hidden = 0: must be 1"),
    ],
)
def test_settings_out_of_range_are_refused_by_value(settings, message):
    with pytest.raises(ValueError, match=message):
        fresh(**settings)


def test_nothing_is_found_in_nothing(trained):
    head = trained.get_pipe("clinical_relations")
    assert head.predict([]) == []
    assert head.update([]) == {"clinical_relations": 0.0}


def test_the_schema_is_made_once_a_batch(trained, notes, monkeypatch):
    made = []

    def counted(pairs):
        made.append(Schema(pairs))
        return made[-1]

    monkeypatch.setattr(component, "Schema", counted)
    trained.get_pipe("clinical_relations").update(examples(trained, notes))
    assert len(made) == 1


def test_a_relation_that_is_listed_twice_is_one(notes):
    gold = notes[0].copy()
    gold._.relations = [*gold._.relations, *gold._.relations]
    nlp = fresh()
    nlp.initialize(lambda: examples(nlp, [gold]))
    assert nlp.get_pipe("clinical_relations").cfg["candidate_ceiling"] == 1.0


def test_a_mention_is_no_candidate_for_itself():
    gold = note(
        "Pain and rash.", ("Sign", "Pain"), ("Sign", "rash"), links=(("X", 0, 1), ("X", 1, 1))
    )
    nlp = fresh()
    nlp.initialize(lambda: examples(nlp, [gold]))
    found = evaluate(nlp, [gold])
    assert found.unreachable == {"note": [1]}
    assert found.candidate_ceiling == 0.5
    assert nlp.get_pipe("clinical_relations").cfg["candidate_ceiling"] == 0.5
    alone = note("Pain and rash.", ("Sign", "Pain"), links=(("X", 0, 0),))
    nlp = fresh()
    nlp.initialize(lambda: examples(nlp, [alone]))
    assert nlp.get_pipe("clinical_relations").cfg["type_pairs"] == []


def test_two_mentions_are_a_candidate_just_where_they_are_among_all():
    pipe = fresh(max_distance=3).get_pipe("clinical_relations")
    pipe.cfg["type_pairs"] = [["Drug", "Reason"]]
    doc = Doc(pipe.vocab, words=["w"] * 20)
    mentions = [Span(doc, at, at + 2, label=("Drug", "Reason")[at % 2]) for at in range(18)]
    found = find_candidates(doc, mentions, pipe.schema, pipe.max_distance)
    pairs = {(mentions[h], mentions[t]) for h, t in zip(found.heads, found.tails, strict=True)}
    assert pairs == {
        (head, tail) for head in mentions for tail in mentions if pipe.is_candidate(head, tail)
    }
    assert any(tail.start - head.end == 3 for head, tail in pairs)


def test_what_says_nothing_of_mentions_gives_no_pairs(trained, notes):
    head = trained.get_pipe("clinical_relations")
    doc = trained.make_doc(notes[0].text)
    annotate(doc, annotations_of(notes[0]))
    assert len(doc.spans["entities"]) > 1
    example = Example.from_dict(doc, {"cats": {"A": 1.0}})
    candidates, targets = head._gold_candidates(example, head.schema, with_predicted=True)
    assert not len(candidates)
    assert not len(targets)
