"""Differences between encoder families: special tokens, offsets, limits, saving."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from thinc.api import Model
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    DebertaConfig,
    DebertaModel,
    ModernBertModel,
)

from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder import shim
from clinical_ie.encoder.loading import piece_limit
from clinical_ie.encoder.model import LongDocEncoder

from ..conftest import build_tiny_bert
from .tiny_models import FAMILIES, SIZES

NOTE = "Pt took Aspirin 81 mg PO/NG q6h.\n\nHb 9.1 — “stable” 😀\t(no bleeding)\n" * 12
TEXTS = ["", " ", "\n", "x", "Aspirin 81 mg daily.", NOTE, f"{0xDEADBEEF:x}" * 60]


@pytest.fixture(scope="module", params=list(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Model:
    model = LongDocEncoder(str(folder), width=16, window=32, context=6, lstm_depth=0)
    model.initialize()
    return model


def test_every_token_has_a_vector(encoder):
    docs = [corpus_nlp()(text) for text in TEXTS]
    vectors = encoder.predict(docs)
    assert [v.shape for v in vectors] == [(len(doc), 16) for doc in docs]
    assert all(np.isfinite(v).all() and (np.abs(v).sum(axis=1) > 0).all() for v in vectors)


def test_a_short_text_gets_what_the_transformer_itself_gives(encoder, folder):
    doc = corpus_nlp()("Took aspirin 81 mg")
    tokenizer, transformer = (
        AutoTokenizer.from_pretrained(folder),
        AutoModel.from_pretrained(folder),
    )
    transformer.eval()
    encoded = tokenizer(doc.text, return_offsets_mapping=True, return_tensors="pt")
    offsets = encoded["offset_mapping"][0].tolist()
    with torch.no_grad():
        hidden = transformer(input_ids=encoded["input_ids"]).last_hidden_state[0].numpy()
    [vectors] = encoder.predict([doc])
    for token, vector in zip(doc, vectors, strict=True):
        end = token.idx + len(token)
        own = [i for i, (a, b) in enumerate(offsets) if a < end and b > token.idx and a < b]
        np.testing.assert_allclose(vector, hidden[own].mean(axis=0), atol=1e-5)


def test_its_limit_is_known(encoder):
    assert piece_limit(encoder.shims[0].config, encoder.shims[0].tokenizer) == 64


@pytest.mark.parametrize(
    "family", ["roberta", "roberta-prelayernorm", "xlm-roberta-xl", "data2vec-text", "ibert"]
)
def test_positions_that_begin_after_the_padding_are_not_counted(family):
    config = AutoConfig.for_model(family, max_position_embeddings=66, pad_token_id=1)
    assert piece_limit(config, SimpleNamespace(model_max_length=512)) == 64


def test_positions_without_a_limit_leave_that_of_the_tokenizer():
    config = AutoConfig.for_model("xlnet")
    assert config.max_position_embeddings == -1
    assert piece_limit(config, SimpleNamespace(model_max_length=512)) == 512


@pytest.mark.parametrize("mixed", [False, True])
def test_it_learns(folder, mixed, monkeypatch):
    monkeypatch.setattr(shim, "bfloat16_pays", lambda device: True)
    model = LongDocEncoder(str(folder), width=16, window=32, context=6, mixed_precision=mixed)
    docs = [corpus_nlp()(text) for text in ("Took aspirin 81 mg", NOTE)]
    model.initialize(X=docs)
    vectors, backprop = model.begin_update(docs)
    backprop([np.ones_like(v) for v in vectors])
    transformer = model.layers[0].shims[0]._model
    gradients = [p.grad for name, p in transformer.named_parameters() if "layer" in name]
    assert gradients
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)


def test_what_cannot_learn_in_bfloat16_is_told(tmp_path: Path, monkeypatch):
    """The first DeBERTa puts the lowest number of float32 into a tensor of bfloat16."""
    monkeypatch.setattr(shim, "bfloat16_pays", lambda device: True)
    build_tiny_bert(tmp_path, 64)
    config = DebertaConfig(**SIZES, vocab_size=105, max_position_embeddings=65)
    DebertaModel(config).save_pretrained(tmp_path)
    model = LongDocEncoder(str(tmp_path), width=16, window=32, context=6, mixed_precision=True)
    docs = [corpus_nlp()("Took aspirin 81 mg")]
    model.initialize(X=docs)
    with pytest.raises(ValueError, match=r"type deberta cannot .* set mixed_precision = false"):
        model.begin_update(docs)


def test_a_saved_one_needs_no_folder(encoder):
    other = LongDocEncoder("no/such/folder", width=16, window=32, context=6, lstm_depth=0)
    other.from_bytes(encoder.to_bytes())
    docs = [corpus_nlp()(text) for text in TEXTS]
    for ours, theirs in zip(encoder.predict(docs), other.predict(docs), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_no_encoder_compiles_itself(folder, monkeypatch):
    """ModernBERT does on a GPU, and its saved config does not say whether it should."""
    # On a CPU the trial run would turn it off.
    monkeypatch.setattr("clinical_ie.encoder.loading._check_encoder", lambda name, loaded: None)
    model = LongDocEncoder(str(folder), width=16, window=32, context=6, lstm_depth=0)
    model.initialize()
    loaded = LongDocEncoder(str(folder), width=16, window=32, context=6, lstm_depth=0)
    loaded.from_bytes(model.to_bytes())
    for encoder in (model, loaded):
        assert getattr(encoder.shims[0].config, "reference_compile", False) is False


def test_modernbert_leaves_flash_attention_alone_where_it_is_installed(tmp_path: Path, monkeypatch):
    folder = str(FAMILIES["modernbert"](tmp_path))

    def installed(cls, config, **options):
        config._attn_implementation_internal = "flash_attention_2"
        return config

    monkeypatch.setattr(
        ModernBertModel, "_check_and_enable_flash_attn_2", classmethod(installed), raising=False
    )
    # By itself it would be used, and is not really there.
    with pytest.raises(TypeError):
        AutoModel.from_pretrained(folder)
    build = partial(LongDocEncoder, folder, 16, window=32, context=6, lstm_depth=0)
    model, loaded = build(), build()
    chosen = build(transformer_config={"attn_implementation": "eager"})
    model.initialize()
    loaded.from_bytes(model.to_bytes())
    chosen.initialize()
    used = [encoder.shims[0].config._attn_implementation for encoder in (model, loaded, chosen)]
    assert used == ["sdpa", "sdpa", "eager"]
