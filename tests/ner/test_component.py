from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Adam, fix_random_seed, warmup_linear

from clinical_ie.corpora.notes import corpus_nlp, make_doc
from clinical_ie.doc import Annotations, Link, Mention, annotate, annotations_of
from clinical_ie.heads.gold import gold_spans
from clinical_ie.references import is_annotated
from tests.conftest import examples, note


def fresh(**settings: object) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_ner", config=settings)
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


def found(doc: Doc) -> set[tuple[str, str]]:
    return {(span.text, span.label_) for span in doc.spans["entities"]}


def test_learns_four_notes_by_heart(trained, notes):
    for gold in notes:
        doc = trained(gold.text)
        assert found(doc) == {(span.text, span.label_) for span in gold.spans["entities"]}
        assert [(e.text, e.label_) for e in doc.ents] == [(e.text, e.label_) for e in gold.ents]
        assert all(0 <= mention.score <= 1 for mention in annotations_of(doc).mentions)


@pytest.mark.parametrize("overlapping", [True, False])
def test_the_gradient_is_that_of_the_loss_of_a_token(notes, overlapping):
    nlp = fresh(overlapping=overlapping)
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    head, rng = nlp.get_pipe("clinical_ner"), np.random.default_rng(0)
    shapes = [(len(eg.predicted), head.model.get_dim("nO")) for eg in batch]
    scores, step = ([rng.normal(size=of_doc).astype("f") for of_doc in shapes] for _ in range(2))
    _, gradient = head.get_loss(batch, scores)
    above, below = (
        head.get_loss(batch, [x + sign * 0.01 * y for x, y in zip(scores, step, strict=True)])[0]
        for sign in (1, -1)
    )
    expected = sum(float((x * y).sum()) for x, y in zip(gradient, step, strict=True))
    assert (above - below) / 0.02 == pytest.approx(expected, rel=1e-3)
    # The same notes twice cost no more a token.
    assert head.get_loss(batch * 2, scores * 2)[0] == pytest.approx(head.get_loss(batch, scores)[0])


@pytest.mark.parametrize(
    "use",
    [
        lambda nlp, batch: nlp(batch[0].text),
        lambda nlp, batch: list(nlp.pipe([batch[0].text])),
        lambda nlp, batch: nlp.get_pipe("clinical_ner").update(batch),
    ],
)
def test_needs_to_be_initialized(notes, use):
    nlp = fresh()
    with pytest.raises(ValueError, match=r"E109.*clinical_ner"):
        use(nlp, examples(nlp, notes))


def test_it_can_be_initialized_anew_with_other_labels(notes):
    nlp = fresh()
    head = nlp.get_pipe("clinical_ner")
    for known, labels in ((notes, ("ADE", "Drug", "Reason", "Strength")), ([NESTED], LABELS)):
        batch = examples(nlp, known)
        nlp.initialize(lambda batch=batch: batch)
        # In the same order in every process.
        assert head.labels == labels
        assert head.update(batch)["clinical_ner"] > 0
    # What spaCy's `init labels` saves is what it may be initialized with.
    other = fresh()
    other.get_pipe("clinical_ner").initialize(lambda: batch, labels=head.label_data)
    assert other.get_pipe("clinical_ner").labels == LABELS


def test_learning_drops_as_much_as_it_is_told(notes):
    nlp = fresh()
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    head = nlp.get_pipe("clinical_ner")
    losses = [head.update(batch, drop=drop)["clinical_ner"] for drop in (0.5, 0.5, 0.0, 0.0)]
    assert losses[0] != losses[1]
    assert losses[2] == losses[3]


def test_a_layer_without_width_is_refused_by_value():
    with pytest.raises(ValueError, match="hidden = 0: must be 1"):
        fresh(model={"hidden": 0})


def test_notes_without_a_mention_cannot_train_it():
    nlp = fresh()
    batch = examples(nlp, [corpus_nlp()("Nothing here.")])
    with pytest.raises(ValueError, match=r"no training note has a mention .* nor in doc\.ents"):
        nlp.initialize(lambda: batch)
    # Here the notes are not at fault.
    with pytest.raises(ValueError, match=r"labels = \[\]: name a type"):
        nlp.get_pipe("clinical_ner").initialize(lambda: batch, nlp=nlp, labels=[])


@pytest.mark.parametrize("text", ["", "x", " ", "\n\n\n", "\x00\x07", "w" * 5000])
def test_any_text_gives_a_result(trained, text):
    doc = trained(text)
    assert doc.text == text
    assert "entities" in doc.spans


def test_pipe_is_the_same_as_call(trained, notes):
    texts = [gold.text for gold in notes]
    assert [found(d) for d in trained.pipe(texts, batch_size=3)] == [
        found(trained(t)) for t in texts
    ]


def test_bytes_and_disk_give_the_same_pipeline_back(trained, notes, tmp_path: Path):
    trained.to_disk(tmp_path)
    copy = load_model_from_config(trained.config)
    copy.from_bytes(trained.to_bytes())
    for other in (spacy.load(tmp_path), copy):
        for gold in notes:
            assert annotations_of(other(gold.text)) == annotations_of(trained(gold.text))


def test_gold_may_be_tokenized_in_another_way():
    nlp = fresh()
    gold = note("Gave 10mg of aspirin.", ("Strength", "10mg"), ("Drug", "aspirin"))
    words = Doc(nlp.vocab, words=["Gave", "10mg", "of", "aspi", "rin."], spaces=[1, 1, 1, 0, 0])
    example = Example(words, gold)
    nlp.initialize(lambda: [example])
    losses = nlp.get_pipe("clinical_ner").update([example])
    assert losses["clinical_ner"] > 0
    for text in ("Gave 10mg.", "Gave 20mg of aspirin."):
        other = Example(nlp.make_doc(text), gold)
        with pytest.raises(ValueError, match="differ, and not only in white space and capitals"):
            nlp.get_pipe("clinical_ner").update([other])
        with pytest.raises(ValueError, match=r"example 0: .* differ, and not only in white space"):
            nlp.get_pipe("clinical_ner").scorer([other])


def test_gold_may_have_other_white_space_and_capitals():
    """As references have that are made from words alone."""
    nlp = fresh()
    words = ["\n", "Pt.", "(", "67M", ")", "took", "Aspirin", "(", "81", "mg", ")", "daily", "."]
    tags = ["O"] * 6 + ["U-Drug", "O", "B-Strength", "L-Strength", "O", "O", "O"]
    doc = nlp.make_doc("Pt. (67M) took  aspirin (81 \nmg) daily.")
    example = Example.from_dict(doc, {"words": words, "entities": tags})
    white = Mention("T0", "Gap", ((0, 1),))
    mentions = [white, *annotations_of(example.reference).mentions]
    links = [Link("of", mentions[2].id, mentions[1].id), Link("in", "T0", mentions[1].id)]
    annotate(example.reference, Annotations(mentions, links))
    annotations, spans = gold_spans(example)
    assert [(span.text, span.label_) for span in spans] == [
        ("aspirin", "Drug"),
        ("81 \nmg", "Strength"),
    ]
    assert annotations.links == links[:1]
    annotate(doc, annotations)
    scores = nlp.get_pipe("clinical_ner").scorer([example])
    assert scores["mentions_strict_f"] == 1.0


def test_what_says_nothing_of_mentions_is_neither_learned_nor_scored(notes, caplog):
    """Not even that there is none: such an example is for another component."""
    nlp = fresh()
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    head = nlp.get_pipe("clinical_ner")
    shapes = [(len(eg.predicted), head.model.get_dim("nO")) for eg in batch]
    scores = [np.random.default_rng(0).normal(size=of_doc).astype("f") for of_doc in shapes]
    others = [Example.from_dict(eg.predicted.copy(), {"cats": {"A": 1.0}}) for eg in batch]
    expected, gradients = head.get_loss(batch, scores)
    loss, mixed = head.get_loss([*others, *batch], [*scores, *scores])
    assert loss == expected
    assert not any(gradient.any() for gradient in mixed[: len(others)])
    assert all(map(np.array_equal, mixed[len(others) :], gradients))
    loss, nothing = head.get_loss(others, scores)
    assert loss == 0.0
    assert [gradient.shape for gradient in nothing] == shapes
    assert not any(gradient.any() for gradient in nothing)
    assert sum("nothing is learned from references" in message for message in caplog.messages) == 1
    for eg in (*batch, *others):
        annotate(eg.predicted, annotations_of(eg.reference))
    annotate(others[0].predicted, annotations_of(notes[0]))
    assert head.scorer([*batch, *others])["mentions_strict_f"] == 1.0
    assert f"{len(others)} references are not scored" in caplog.messages[-1]
    # Somebody looked, and there is none.
    for reference in (note("No drug."), Doc(nlp.vocab, ["No", "drug"], ents=["O", "O"])):
        assert is_annotated(reference)


def test_labels_it_never_saw_count_as_outside_and_are_told_once(trained, caplog):
    other = note("He likes aspirin.", ("Food", "aspirin"), ("Food", "aspirin"))
    [example] = examples(trained, [other])
    pipe = trained.get_pipe("clinical_ner")
    assert not any(pipe._gold_mentions(example).values())
    assert caplog.text.count("'Food' is not a label of this component and is not learned") == 1


NESTED = note(
    "severe chest pain", ("Reason", "severe chest pain"), ("ADE", "chest pain"), ("Reason", "pain")
)
LABELS = ("ADE", "Reason")


def test_mentions_of_different_types_may_overlap():
    nlp = fresh()
    batch = examples(nlp, [NESTED])
    nlp.initialize(lambda: batch)
    sgd = Adam(0.01)
    for _ in range(80):
        nlp.update(batch, sgd=sgd)
    doc = nlp(NESTED.text)
    # Of nested mentions with one label, only the longest is learned.
    assert found(doc) == {("severe chest pain", "Reason"), ("chest pain", "ADE")}
    assert [(e.text, e.label_) for e in doc.ents] == [("severe chest pain", "Reason")]


def test_flat_tags_learn_the_longest_of_what_overlaps():
    nlp = fresh(overlapping=False)
    batch = examples(nlp, [NESTED])
    nlp.initialize(lambda: batch)
    sgd = Adam(0.01)
    for _ in range(80):
        nlp.update(batch, sgd=sgd)
    assert found(nlp(NESTED.text)) == {("severe chest pain", "Reason")}


def test_a_mention_in_pieces_is_learned_as_one():
    annotations = Annotations([Mention("T1", "Reason", ((0, 4), (17, 21)))])
    gold = make_doc(corpus_nlp(), "left arm and also hand pain", annotations, "note")
    nlp = fresh()
    batch = examples(nlp, [gold])
    nlp.initialize(lambda: batch)
    [span] = nlp.get_pipe("clinical_ner")._gold_mentions(batch[0])["Reason"]
    assert (span.start, span.end) == (0, 5)


@pytest.mark.parametrize("overlapping", [True, False])
def test_what_would_be_nothing_but_line_breaks_is_fine_in_a_batch(overlapping, notes):
    nlp = fresh(overlapping=overlapping)
    batch = examples(nlp, [*notes, corpus_nlp()("\n\n"), corpus_nlp()("")])
    nlp.initialize(lambda: batch)
    losses = nlp.update(batch, sgd=Adam(0.01))
    assert np.isfinite(losses["clinical_ner"])


def test_a_label_that_is_given_twice_is_one(notes):
    nlp = fresh()
    ner = nlp.get_pipe("clinical_ner")
    batch = examples(nlp, notes)
    ner.initialize(lambda: batch, labels=["Drug", "Drug", "Strength"])
    assert ner.labels == ("Drug", "Strength")
    assert ner.predict([batch[0].predicted])


def test_nothing_is_found_in_nothing(trained):
    head = trained.get_pipe("clinical_ner")
    assert head.predict([]) == []
    assert head.update([]) == {"clinical_ner": 0.0}


def test_updates_that_teach_nothing_are_told_once(notes, caplog):
    """The textbook's loop, with an optimizer whose rate begins at 0."""
    nlp = fresh()
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    for steps, n_told in ((True, 0), (False, 1)):
        optimizer = Adam(warmup_linear(0.01, 4, 100))
        for _ in range(25):
            nlp.update(batch, sgd=optimizer)
            if steps:
                optimizer.step_schedules()
        told = [message for message in caplog.messages if "the learning rate is 0" in message]
        assert len(told) == n_told
