"""Extreme texts and training sets for the whole pipeline."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed

from clinical_ie.doc import Annotations, Mention, annotate, annotations_of
from tests.conftest import examples, note, pipeline_config, update_like_spacy_train


def make(tiny_bert: Path, notes: list[Doc], steps: int, **encoder: object) -> Language:
    fix_random_seed(0)
    config = Config(pipeline_config(tiny_bert, learn_rate_scale=0.5, **encoder))
    nlp = load_model_from_config(config, auto_fill=True)
    batch, sgd = examples(nlp, notes), Adam(0.01)
    nlp.initialize(lambda: batch)
    for _ in range(steps):
        losses = update_like_spacy_train(nlp, batch, sgd)
        assert all(np.isfinite(loss) for loss in losses.values())
    return nlp


@pytest.fixture(scope="module")
def trained(learned) -> Language:
    return spacy.load(learned)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "\n", "\n" * 3000, "\r\n\t\x0b\x0c\x1c\x85\u2028", "\x00\x07\x1b"),
        *("w" * 5000, "😀 e\u0301\u202e aspirin", "aspirin" + "\u200b" * 500, "(" * 3000),
    ],
    ids=lambda text: repr(text[:6]),
)
def test_any_text_gives_a_result(trained, text):
    doc = trained(text)
    assert doc.text == text
    for mention in annotations_of(doc).mentions:
        assert 0 <= mention.start < mention.end <= len(text)
        assert 0 <= mention.score <= 1


@pytest.mark.slow
def test_a_hundred_thousand_tokens_are_read_to_the_last(learned, notes):
    # With the default of four windows, 5,000 batches would take a minute longer.
    setting = "components.tok2vec.model.batch_pieces"
    trained = spacy.load(learned, config={setting: 8192})
    one = f"{notes[0].text}\n"
    many = one * (100_000 // len(notes[0]))
    doc = trained(many)
    assert len(doc) > 99_000
    mentions = annotations_of(doc).mentions
    assert max(mention.end for mention in mentions) > len(many) - len(one)
    assert len(mentions) > 2 * (len(many) // len(one))


def test_a_batch_of_nothing(trained):
    assert list(trained.pipe([])) == []
    update_like_spacy_train(trained, [], Adam(0.01))
    empty = examples(trained, [trained.make_doc(""), trained.make_doc("\n\n")])
    losses = trained.update(empty, sgd=False)
    assert all(np.isfinite(loss) for loss in losses.values())


def test_a_training_set_without_relations(tiny_bert, caplog):
    nlp = make(tiny_bert, [note("Took aspirin daily.", ("Drug", "aspirin"))], steps=60)
    doc = nlp("Took aspirin daily.")
    assert [m.label for m in annotations_of(doc).mentions] == ["Drug"]
    assert doc._.relations == []


def test_a_mention_longer_than_a_window(tiny_bert):
    covered = "a rash with itching that began on the arm and went on to the face and the neck"
    gold = note(f"He had {covered} in May.", ("ADE", covered))
    nlp = make(tiny_bert, [gold], steps=80, window=20, context=2)
    assert [nlp(gold.text).text[m.start : m.end] for m in annotations_of(nlp(gold.text)).mentions]
    assert annotations_of(nlp(gold.text)).mentions[0].fragments == ((7, 7 + len(covered)),)


def test_every_pair_of_many_mentions_is_scored(trained):
    """22,500 pairs are more than are scored in one batch."""
    doc = trained.get_pipe("tok2vec")(trained.make_doc("aspirin 81 mg , " * 150))
    mentions = [
        Mention(f"T{2 * k + n}", label, ((16 * k + start, 16 * k + end),))
        for k in range(150)
        for n, (label, start, end) in enumerate([("Drug", 0, 7), ("Strength", 8, 13)])
    ]
    annotate(doc, Annotations(mentions))
    pipe = trained.get_pipe("clinical_relations")
    before, pipe.max_distance = pipe.max_distance, 10_000
    try:
        [(candidates, probabilities)] = pipe.predict([doc])
    finally:
        pipe.max_distance = before
    assert len(candidates) == 150 * 150 == len(probabilities)
    assert np.isfinite(probabilities).all()
