"""The whole pipeline, with two heads on one encoder."""

import pickle
from collections import Counter
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed

from clinical_ie.doc import annotations_of
from tests.conftest import examples, note, pipeline_config, update_like_spacy_train


def make(tiny_bert: Path, notes: list[Doc], **encoder: object) -> Language:
    fix_random_seed(0)
    nlp = load_model_from_config(Config(pipeline_config(tiny_bert, **encoder)), auto_fill=True)
    batch = examples(nlp, notes)
    nlp.initialize(lambda: batch)
    return nlp


def encoder_weights(nlp: Language) -> dict[str, np.ndarray]:
    shim = nlp.get_pipe("tok2vec").model.layers[0].shims[0]
    return {name: p.detach().numpy().copy() for name, p in shim._model.named_parameters()}


def change(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(after[name] - before[name]).max()) for name in before)


class OnlyOneHead:
    """Zeroes the gradient of one head, to test the other by itself."""

    def __init__(self, nlp: Language, silenced: str) -> None:
        self.pipe = nlp.get_pipe(silenced)
        original = self.pipe.get_loss

        def zeros(*args: object):
            loss, gradient = original(*args)
            return loss, [g * 0 for g in gradient] if isinstance(gradient, list) else gradient * 0

        self.pipe.get_loss = zeros


@pytest.mark.parametrize("silenced", [None, "clinical_ner", "clinical_relations"])
def test_each_head_trains_the_shared_encoder(tiny_bert, notes, silenced):
    nlp = make(tiny_bert, notes)
    if silenced:
        OnlyOneHead(nlp, silenced)
    before = encoder_weights(nlp)
    update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.01))
    assert change(before, encoder_weights(nlp)) > 1e-5


def test_a_batch_without_candidates_still_trains_the_encoder(tiny_bert, notes):
    """The relation head listens last, so the backward pass of both heads depends on it."""
    nlp = make(tiny_bert, notes)
    alone = [note("He took aspirin.", ("Drug", "aspirin"))]
    before = encoder_weights(nlp)
    update_like_spacy_train(nlp, examples(nlp, alone), Adam(0.01))
    assert change(before, encoder_weights(nlp)) > 1e-5


def test_both_heads_learn_together(learned, notes):
    nlp = spacy.load(learned)
    scores = nlp.evaluate(examples(nlp, notes))
    assert scores["mentions_strict_f"] == 1.0
    assert scores["relations_strict_f"] == 1.0


def test_same_seed_same_weights(tiny_bert, notes):
    trained = []
    for _ in range(2):
        nlp = make(tiny_bert, notes)
        for _ in range(3):
            update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.01))
        trained.append(nlp.to_bytes())
    assert trained[0] == trained[1]


def test_a_batch_without_a_token_is_passed_over_in_peace(tiny_bert, notes, caplog):
    nlp = make(tiny_bert, notes)
    sgd, empty = Adam(0.01), examples(nlp, [note(""), note("")])
    for _ in range(2):
        assert set(update_like_spacy_train(nlp, empty, sgd).values()) == {0.0}
    before = encoder_weights(nlp)
    update_like_spacy_train(nlp, examples(nlp, notes), sgd)
    assert change(before, encoder_weights(nlp)) > 1e-5
    assert not caplog.messages


def test_frozen_embeddings_stay_as_they_are(tiny_bert, notes):
    nlp = make(tiny_bert, notes, freeze_embeddings=True)
    before = encoder_weights(nlp)
    update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.01))
    after = encoder_weights(nlp)
    frozen = "embeddings.word_embeddings.weight"
    assert np.array_equal(before[frozen], after[frozen])
    assert change(before, after) > 1e-5


def test_a_saved_pipeline_is_whole(learned, notes, tmp_path: Path):
    nlp = spacy.load(learned)
    update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.01))
    nlp.config["components"]["tok2vec"]["model"]["name"] = "gone"
    nlp.to_disk(tmp_path)
    other = spacy.load(tmp_path)
    # Ten times longer than the encoder's limit of 64 wordpieces.
    text = " ".join(gold.text for gold in notes) * 5
    assert annotations_of(other(text)) == annotations_of(nlp(text))
    assert annotations_of(nlp(text)).mentions


def test_worker_processes_give_what_one_process_gives(learned, notes):
    nlp = spacy.load(learned)
    texts = [gold.text for gold in notes]
    alone = [annotations_of(doc) for doc in nlp.pipe(texts)]
    assert [annotations_of(doc) for doc in nlp.pipe(texts, n_process=2)] == alone
    assert any(annotations.links for annotations in alone)


@contextmanager
def defaults(dtype=torch.float32, device=None):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_default_device(None)


# `meta` stands in for a GPU that the application uses.
@pytest.mark.parametrize(
    ("loading", "reading"),
    [
        (partial(defaults, torch.float64), nullcontext),
        (partial(defaults, torch.bfloat16), partial(defaults, torch.bfloat16)),
        (nullcontext, partial(defaults, device="meta")),
        (nullcontext, partial(torch.autocast, "cpu", torch.bfloat16)),
    ],
)
def test_what_the_application_tells_pytorch_changes_nothing(learned, notes, loading, reading):
    texts = [gold.text for gold in notes]
    expected = [annotations_of(doc) for doc in spacy.load(learned).pipe(texts)]
    with loading():
        nlp = spacy.load(learned)
    with reading():
        assert [annotations_of(doc) for doc in nlp.pipe(texts)] == expected


def test_a_pipeline_fresh_from_training_can_be_pickled(tiny_bert, notes):
    """Spawned worker processes need this."""
    nlp = make(tiny_bert, notes)
    update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.01))
    assert pickle.loads(pickle.dumps(nlp)).to_bytes() == nlp.to_bytes()


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
def test_a_head_says_where_its_encoder_has_not_read_the_note(learned, notes, head):
    nlp = spacy.load(learned, exclude="tok2vec")
    told = f"{head}: the component whose vectors it reads .* has not seen the Doc"
    with pytest.raises(ValueError, match=told):
        nlp.get_pipe(head)(nlp.make_doc(notes[0].text))
    assert not len(nlp.get_pipe(head)(nlp.make_doc("")))


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
def test_a_head_says_that_its_vectors_were_cleaned_away(learned, notes, head):
    nlp = spacy.load(learned)
    nlp.add_pipe("doc_cleaner", before=head)
    with pytest.raises(ValueError, match=f"{head}: .* or a doc_cleaner stands between; put it"):
        nlp(notes[0].text)


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
@pytest.mark.parametrize("lstm_depth", [0, 1])
def test_a_listener_of_another_width_is_refused_with_both(tiny_bert, notes, head, lstm_depth):
    config = pipeline_config(tiny_bert, lstm_depth=lstm_depth)
    config["components"][head]["model"]["tok2vec"]["width"] = 24
    nlp = load_model_from_config(Config(config), auto_fill=True)
    batch = examples(nlp, notes)
    with pytest.raises(ValueError, match=rf"{head}: .* width = 24, but tok2vec .* of width 16;"):
        nlp.initialize(lambda: batch)


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
def test_a_head_says_that_vectors_are_of_another_encoder(learned, notes, head):
    """An encoder of the same width cannot be told from its own."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.initialize()
    nlp.add_pipe(head, source=spacy.load(learned))
    with pytest.raises(ValueError, match=f"{head}: it reads vectors of width 16, .* have 96: .*"):
        nlp(notes[0].text)


def test_a_pipeline_with_an_encoder_of_its_own_takes_all_three(learned, notes, tmp_path):
    """As README says."""
    trained = spacy.load(learned)
    nlp = spacy.blank("en")
    nlp.tokenizer = trained.tokenizer
    nlp.add_pipe("tok2vec")
    nlp.initialize()
    nlp.add_pipe("tok2vec", name="note2vec", source=trained)
    nlp.add_pipe("clinical_ner", source=trained)
    nlp.add_pipe("clinical_relations", source=trained)
    nlp.to_disk(tmp_path)
    for gold in notes:
        expected = annotations_of(trained(gold.text))
        assert annotations_of(nlp(gold.text)) == expected
        assert annotations_of(spacy.load(tmp_path)(gold.text)) == expected


def test_a_head_that_annotates_in_training_says_that_its_encoder_must(learned, notes):
    nlp = spacy.load(learned)
    with pytest.raises(ValueError, match="among annotating_components, that one too"):
        nlp.update(examples(nlp, notes), sgd=Adam(0.01), annotates=["clinical_ner"])
    nlp.update(examples(nlp, notes), sgd=Adam(0.01), annotates=["tok2vec", "clinical_ner"])


def test_what_is_initialized_anew_keeps_the_encoder_alone(tiny_bert, notes):
    nlp = make(tiny_bert, notes, learn_rate_scale=1.0)
    update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.01))
    encoder = encoder_weights(nlp)
    lstm = nlp.get_pipe("tok2vec").model.layers[1].shims[0]
    learned = lstm._model.lstm.weight_hh_l0.detach().clone()
    nlp.initialize(lambda: examples(nlp, [note("Took x.", ("Thing", "x"))]))
    assert change(encoder, encoder_weights(nlp)) == 0
    assert not torch.equal(lstm._model.lstm.weight_hh_l0, learned)
    assert nlp.get_pipe("clinical_ner").labels == ("Thing",)


def test_a_frozen_head_with_an_encoder_of_its_own_stays_as_it_is(tiny_bert, notes):
    nlp = make(tiny_bert, notes, learn_rate_scale=0.5)
    nlp.replace_listeners("tok2vec", "clinical_ner", ["model.tok2vec"])
    frozen = nlp.get_pipe("clinical_ner").model
    before, of_the_shared = frozen.to_bytes(), encoder_weights(nlp)
    sgd = Adam(0.01, use_averages=True)
    with nlp.select_pipes(disable="clinical_ner"):
        for _ in range(3):
            update_like_spacy_train(nlp, examples(nlp, notes), sgd)
    with nlp.use_params(sgd.averages):
        assert change(of_the_shared, encoder_weights(nlp)) > 1e-5
        assert frozen.to_bytes() == before


def test_an_encoder_that_gets_no_gradient_is_told(tiny_bert, notes, caplog):
    nlp = make(tiny_bert, notes, learn_rate_scale=0.5)
    before = encoder_weights(nlp)
    sgd = Adam(0.01)
    for _ in range(2):
        nlp.update(examples(nlp, notes), sgd=sgd)
    assert not caplog.messages
    assert change(before, encoder_weights(nlp)) > 0
    for _ in range(3):
        nlp.update(examples(nlp, notes), sgd=sgd, exclude=["clinical_relations"])
    [message] = caplog.messages
    assert "the encoder learned nothing from the last batch" in message
    # The remedy that the message names.
    nlp.replace_listeners("tok2vec", "clinical_relations", ["model.tok2vec"])
    before = encoder_weights(nlp)
    for _ in range(2):
        nlp.update(examples(nlp, notes), sgd=sgd, exclude=["clinical_relations"])
    assert change(before, encoder_weights(nlp)) > 0


def test_dropout_reaches_the_bilstm_and_both_heads_in_training_alone(tiny_bert, notes, monkeypatch):
    nlp, met = make(tiny_bert, notes), Counter()
    original = torch.nn.functional.dropout

    def dropout(X, p=0.5, training=True, inplace=False):
        met[p, training] += 1
        return original(X, p, training, inplace)

    monkeypatch.setattr(torch.nn.functional, "dropout", dropout)
    nlp.update(examples(nlp, notes), sgd=False, drop=0.25)
    # What each of the three reads, and the hidden layer of each head.
    assert met[0.25, True] == 5
    met.clear()
    nlp(notes[0].text)
    assert not any(training for _, training in met)


def test_components_of_spacy_find_what_they_require():
    nlp = spacy.blank("en")
    for name in ("clinical_sentences", "clinical_ner", "entity_linker", "merge_entities"):
        nlp.add_pipe(name)
    assert not any(nlp.analyze_pipes()["problems"].values())
