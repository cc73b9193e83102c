import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from thinc.api import Model
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder.model import LongDocEncoder
from clinical_ie.encoder.transformer import TransformerWindows

SETTINGS = {
    "window": 32,
    "context": 6,
    "batch_pieces": 128,
    "learn_rate_scale": 1.0,
    "layer_decay": 1.0,
    "mask_share": 0.0,
    "precision": "float32",
    "mixed_precision": False,
    "freeze_embeddings": False,
    "tokenizer_config": {},
    "transformer_config": {},
}


@pytest.fixture
def encoder(tiny_bert: Path) -> Model:
    model = LongDocEncoder(str(tiny_bert), width=16, window=32, context=6, batch_pieces=128)
    model.initialize(X=[corpus_nlp()("a note")])
    return model


@pytest.fixture
def windows_only(tiny_bert: Path) -> Model:
    model = TransformerWindows(str(tiny_bert), **SETTINGS)
    model.initialize()
    return model


TEXTS = ["", "x", "\n\n \n", "aspirin 81 mg", "He took it.\n\n" * 40, "a1b2c3d4" * 50 + " end"]


def test_one_vector_for_every_token_of_any_text(encoder):
    docs = [corpus_nlp()(text) for text in TEXTS]
    vectors = encoder.predict(docs)
    assert [v.shape for v in vectors] == [(len(doc), 16) for doc in docs]
    assert all(np.isfinite(v).all() for v in vectors)
    assert all((np.abs(v).sum(axis=1) > 0).all() for v in vectors)


@pytest.mark.parametrize(
    ("text", "is_told"), [("头痛", True), ("aspirin 81 mg", False), ("", False)]
)
def test_letters_that_the_encoder_does_not_know_are_told(tiny_bert, caplog, text, is_told):
    model = LongDocEncoder(str(tiny_bert), width=16, window=32, context=6)
    model.initialize(X=[corpus_nlp()(text)])
    assert ["100 % of the wordpieces" in told for told in caplog.messages] == [True] * is_told


def test_a_short_text_gets_what_the_transformer_itself_gives(windows_only, tiny_bert):
    text = "Aspirin 81 mg"
    tokenizer, bert = AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert)
    bert.eval()
    encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        hidden = bert(**encoded).last_hidden_state[0].numpy()
    doc = corpus_nlp()(text)
    [vectors] = windows_only.predict([doc])
    for token, vector in zip(doc, vectors, strict=True):
        end = token.idx + len(token)
        own = [i for i, (a, b) in enumerate(offsets) if a < b and token.idx <= a and b <= end]
        np.testing.assert_allclose(vector, hidden[own].mean(axis=0), atol=1e-5)


def test_an_encoder_without_weights_says_how_it_gets_them():
    """An encoder that is frozen in training, for instance, is never initialized."""
    model = TransformerWindows("some/encoder", **SETTINGS)
    with pytest.raises(ValueError, match="some/encoder: the encoder has no weights yet"):
        model.predict([corpus_nlp()("a note")])


def test_a_note_reads_the_same_alone_and_among_others(encoder):
    docs = [corpus_nlp()(text) for text in TEXTS]
    together = encoder.predict(docs)
    for doc, vectors in zip(docs, together, strict=True):
        if len(doc):
            np.testing.assert_allclose(encoder.predict([doc])[0], vectors, atol=1e-4)


def test_no_piece_of_a_hash_like_text_is_truncated(windows_only):
    doc = corpus_nlp()(" ".join(f"{i:032x}" for i in range(7, 40)))
    [vectors] = windows_only.predict([doc])
    assert (np.abs(vectors).sum(axis=1) > 0).all()


def test_a_tokenizer_that_truncates_and_pads_by_its_file_does_not_here(tiny_bert, tmp_path: Path):
    folder = tmp_path / "cutting"
    shutil.copytree(tiny_bert, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    docs = [corpus_nlp()(text) for text in ("aspirin", "aspirin daily for pain")]
    vectors = []
    for name in (tiny_bert, folder):
        model = TransformerWindows(str(name), **SETTINGS)
        model.initialize()
        vectors.append(model.predict(docs))
    for plain, cutting in zip(*vectors, strict=True):
        np.testing.assert_array_equal(plain, cutting)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "assets/models/nowhere"])
def test_a_folder_that_is_not_there_is_told(name):
    with pytest.raises(FileNotFoundError, match=f"{name}: no such folder of weights"):
        TransformerWindows(name, **SETTINGS).initialize()


def test_white_space_learns_its_own_vectors(windows_only):
    doc = corpus_nlp()("one\ntwo\n\nthree")
    vectors, backprop = windows_only.begin_update([doc])
    backprop([np.ones_like(vectors[0])])
    gradient = windows_only.get_grad("blank")
    assert [float(row[0]) for row in gradient] == [0.0, 1.0, 1.0]


def test_gradient_is_that_of_plain_autograd(tiny_bert):
    """Checks alignment and means against a hand-written differentiable forward pass."""
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    windows_only = TransformerWindows(str(tiny_bert), **{**SETTINGS, "transformer_config": off})
    windows_only.initialize()
    doc = corpus_nlp()("aspirin 81 mg")
    weights = np.random.default_rng(0).normal(size=(len(doc), 16)).astype("f")
    _, backprop = windows_only.begin_update([doc])
    backprop([weights])
    ours = windows_only.shims[0]._model.embeddings.word_embeddings.weight.grad
    bert = AutoModel.from_pretrained(tiny_bert)
    bert.eval()
    encoded = AutoTokenizer.from_pretrained(tiny_bert)(
        doc.text, return_tensors="pt", return_offsets_mapping=True
    )
    offsets = encoded.pop("offset_mapping")[0].tolist()
    hidden = bert(**encoded).last_hidden_state[0]
    total = torch.zeros(())
    for token, weight in zip(doc, weights, strict=True):
        end = token.idx + len(token)
        own = [i for i, (a, b) in enumerate(offsets) if a < b and token.idx <= a and b <= end]
        total = total + (hidden[own].mean(dim=0) * torch.from_numpy(weight)).sum()
    total.backward()
    torch.testing.assert_close(
        ours, bert.embeddings.word_embeddings.weight.grad, atol=1e-4, rtol=1e-3
    )


def test_what_is_recomputed_gives_the_same_gradient(tiny_bert):
    """Several batches are recomputed in the backward pass, with the same dropout."""
    doc = corpus_nlp()("He took aspirin 81 mg daily.\n" * 12)
    weights = np.random.default_rng(0).normal(size=(len(doc), 16)).astype("f")
    gradients = []
    for recompute in (True, False):
        model = TransformerWindows(str(tiny_bert), **SETTINGS)
        model.initialize()
        shim = model.shims[0]
        read = shim.read
        seen = []

        def observed(inputs, is_train, recompute, keep=recompute, read=read, seen=seen):
            seen.append(recompute)
            return read(inputs, is_train, recompute and keep)

        shim.read = observed
        torch.manual_seed(1)
        _, backprop = model.begin_update([doc])
        backprop([weights])
        assert len(seen) > 1
        assert all(seen)
        gradients.append([p.grad for p in shim._model.parameters() if p.grad is not None])
    assert len(gradients[0]) > 20
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-6, rtol=1e-5)


def test_saved_weights_load_without_the_folder(encoder, tiny_bert):
    docs = [corpus_nlp()("He took aspirin.")]
    other = LongDocEncoder("no/such/folder", width=16, window=32, context=6, batch_pieces=128)
    other.from_bytes(encoder.to_bytes())
    np.testing.assert_allclose(other.predict(docs)[0], encoder.predict(docs)[0], atol=1e-6)


def test_saved_weights_tell_nothing_of_the_folder(encoder, tiny_bert):
    assert tiny_bert.is_absolute()
    assert str(tiny_bert.parent).encode() not in encoder.to_bytes()


def test_a_saved_config_keeps_its_small_numbers(windows_only):
    """With eps rounded to 0, layer normalization of a constant vector would divide by zero."""
    other = TransformerWindows("no/such/folder", **SETTINGS).from_bytes(windows_only.to_bytes())
    transformer = other.shims[0]._model
    assert transformer.config.layer_norm_eps == transformer.embeddings.LayerNorm.eps == 1e-12


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 100}, "window = 100: .* takes 8 to 64"),
        ({"window": 4}, "window = 4"),
        ({"width": 15}, "width = 15"),
        ({"lstm_depth": -1}, "lstm_depth = -1"),
        ({"context": 15}, "context = 15"),
        ({"batch_pieces": 0}, "batch_pieces = 0: must be 1"),
        ({"learn_rate_scale": -0.1}, "learn_rate_scale = -0.1: must be 0"),
        ({"lstm_depth": 0, "width": 20}, "width = 20: .* 16"),
    ],
)
def test_sizes_that_cannot_be_are_refused_by_value(tiny_bert, settings, message):
    with pytest.raises(ValueError, match=message):
        LongDocEncoder(
            str(tiny_bert), **{"width": 16, "window": 32, "context": 6, **settings}
        ).initialize(X=[corpus_nlp()("a note")])
