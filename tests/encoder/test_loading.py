"""Unusable encoders are rejected before training starts."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from spacy_transformers.layers import transformer_model
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    BigBirdConfig,
    BigBirdModel,
    ConvBertConfig,
    ConvBertModel,
    PreTrainedModel,
    ReformerConfig,
    ReformerModel,
    T5Config,
    T5Model,
)

from clinical_ie.encoder import loading
from clinical_ie.encoder.loading import load_pretrained

from .tiny_models import SIZES

T5 = T5Config(vocab_size=105, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
REFORMER = ReformerConfig(
    vocab_size=105, hidden_size=16, num_attention_heads=2, attention_head_size=8,
    feed_forward_size=32, axial_pos_embds=False, max_position_embeddings=64,
)  # fmt: skip
BIGBIRD = BigBirdConfig(**SIZES, vocab_size=105, max_position_embeddings=64, block_size=4)
CONVBERT = ConvBertConfig(**SIZES, vocab_size=105, max_position_embeddings=64)
OTHER_WORDS = BertConfig(**SIZES, vocab_size=95, max_position_embeddings=64)


@pytest.fixture
def folder(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "encoder"))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (T5Model(T5), r"a model of type t5 does not give .* \(.*decoder_input_ids"),
        (
            ReformerModel(REFORMER),
            r"type reformer .* \(8 wordpieces gave the shape \(1, 8, 32\)\)",
        ),
        (BigBirdModel(BIGBIRD), 'attention_type = "original_full" in the transformer_config'),
        (BertModel(OTHER_WORDS), "counts wordpieces up to 104, and its weights are for 95"),
        (ConvBertModel(CONVBERT), "depend on the padding of other notes' windows"),
    ],
    ids=["needs a decoder", "other width", "sparse attention", "other vocabulary", "padding"],
)
def test_a_model_that_cannot_be_an_encoder_is_refused(folder, model: PreTrainedModel, told):
    model.save_pretrained(folder)
    with pytest.raises(ValueError, match=f"{folder}: .*{told}"):
        load_pretrained(str(folder), {}, {})


def test_sparse_attention_can_be_switched_off(folder):
    BigBirdModel(BIGBIRD).save_pretrained(folder)
    loaded = load_pretrained(str(folder), {}, {"attention_type": "original_full"})
    assert loaded.transformer.attention_type == "original_full"


def test_weights_that_are_cut_short_are_told(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{folder}: its weights cannot be read .* fetch it again"):
        load_pretrained(str(folder), {}, {})


def test_weights_that_do_not_fit_are_told(folder):
    weights = folder / "model.safetensors"
    found = load_file(weights)
    told = r"do not fit its config\.json, or the transformer_config \(.*size mismatch"
    with pytest.raises(ValueError, match=told):
        load_pretrained(str(folder), {}, {"hidden_size": 32})
    # The names that a wrapper gives them: transformers would begin with random weights.
    save_file({f"module.{name}": value for name, value in found.items()}, weights, {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"its weights lack \S+, \S+, \S+ and \d+ more: .*wrappers"
    ):
        load_pretrained(str(folder), {}, {})
    without = {name: value for name, value in found.items() if "pooler" not in name}
    assert len(without) < len(found)
    save_file(without, weights, {"format": "pt"})
    load_pretrained(str(folder), {}, {})
    found["embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(found, weights, {"format": "pt"})
    with pytest.raises(ValueError, match="are not numbers"):
        load_pretrained(str(folder), {}, {})


def test_a_folder_that_is_no_encoders_is_told(learned: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="is a spaCy pipeline; to go on from one, use --start"):
        load_pretrained(str(learned), {}, {})
    with pytest.raises(ValueError, match=r"is none; expected .* with a config\.json in it"):
        load_pretrained(str(tmp_path), {}, {})


def test_a_config_without_its_type_is_told(folder, tmp_path: Path):
    nameless = Path(shutil.copytree(folder, tmp_path / "x"))
    config = json.loads((nameless / "config.json").read_text())
    del config["model_type"]
    (nameless / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="names no model_type that transformers knows: add it"):
        load_pretrained(str(nameless), {}, {})


def test_weights_without_a_tokenizer_are_told(folder):
    for path in folder.glob("*token*"):
        path.unlink()
    with pytest.raises(ValueError, match=f"{folder}: no tokenizer.json beside its weights"):
        load_pretrained(str(folder), {}, {})


def test_a_name_that_nobody_knows_is_told(tmp_path, monkeypatch):
    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("We couldn't connect to the hub.\nCheck your internet connection.")

    monkeypatch.setattr(loading, "huggingface_from_pretrained", unreachable)
    told = "minilmm: no such folder of weights, nor does the hub give any .*We couldn't connect"
    with pytest.raises(OSError, match=told) as error:
        load_pretrained("minilmm", {}, {})
    assert "\n" not in str(error.value)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "config.json").touch()
    with pytest.raises(OSError, match=r"^We couldn't"):
        load_pretrained(str(tmp_path / "there"), {}, {})


def test_a_tokenizer_without_character_offsets_is_refused(folder):
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    with pytest.raises(ValueError, match=f"{folder}: its tokenizer gives no character offsets"):
        load_pretrained(str(folder), {"use_fast": False, "tokenizer_type": "bert"}, {})


def test_an_encoder_is_tried_where_its_weights_are(folder, monkeypatch):
    """`meta` stands in for a GPU that is thinc's default device, but not PyTorch's."""
    monkeypatch.setattr(transformer_model, "get_torch_default_device", lambda: torch.device("meta"))
    # No number can be looked at there.
    monkeypatch.setattr(loading, "_check_vectors", lambda *_: None)
    # Faster attention implementations read the mask's values, which `meta` does not have.
    loaded = load_pretrained(str(folder), {}, {"attn_implementation": "eager"})
    assert loaded.transformer.device.type == "meta"
