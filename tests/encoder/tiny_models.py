"""Tiny untrained encoders of several families, built on the fly."""

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    DebertaV2Config,
    DebertaV2Model,
    DebertaV2TokenizerFast,
    ElectraConfig,
    ElectraModel,
    ElectraTokenizerFast,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
)

from ..conftest import build_tiny_bert

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;()[]*/-+%'"


def build_bert(folder: Path) -> Path:
    return build_tiny_bert(folder, max_pieces=64)


def build_electra(folder: Path) -> Path:
    """WordPiece like BERT; the embeddings are narrower than the layers."""
    build_tiny_bert(folder, max_pieces=64)
    tokenizer = ElectraTokenizerFast.from_pretrained(folder)
    config = ElectraConfig(
        **SIZES, vocab_size=len(tokenizer), embedding_size=8, max_position_embeddings=64
    )
    return _save(folder, tokenizer, ElectraModel, config)


def build_roberta(folder: Path) -> Path:
    """Byte-level BPE, `<s>` and `</s>`; positions start after the padding index."""
    backend = _byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer = RobertaTokenizerFast(tokenizer_object=backend, model_max_length=64)
    config = RobertaConfig(
        **SIZES,
        vocab_size=backend.get_vocab_size(),
        max_position_embeddings=66,
        pad_token_id=1,
        type_vocab_size=1,
    )
    return _save(folder, tokenizer, RobertaModel, config)


def build_deberta(folder: Path) -> Path:
    """Unigram pieces with a marker for blanks; relative positions."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    pieces = [*special, "▁", *LETTERS, *(f"▁{letter}" for letter in LETTERS)]
    backend = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], 3))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer = DebertaV2TokenizerFast(tokenizer_object=backend, model_max_length=64)
    config = DebertaV2Config(
        **SIZES,
        vocab_size=len(pieces),
        max_position_embeddings=64,
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
        type_vocab_size=0,
    )
    return _save(folder, tokenizer, DebertaV2Model, config)


def build_modernbert(folder: Path) -> Path:
    """Byte-level BPE with BERT's special tokens; rotary positions, local and global attention."""
    backend = _byte_level(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )
    config = ModernBertConfig(
        **SIZES,
        vocab_size=backend.get_vocab_size(),
        max_position_embeddings=64,
        local_attention=8,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
        reference_compile=False,
    )
    return _save(folder, tokenizer, ModernBertModel, config)


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "bert": build_bert,
    "electra": build_electra,
    "roberta": build_roberta,
    "deberta-v3": build_deberta,
    "modernbert": build_modernbert,
}


def _byte_level(special: list[str]) -> Tokenizer:
    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def _save(
    folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    model: type[PreTrainedModel],
    config: object,
) -> Path:
    torch.manual_seed(0)
    tokenizer.save_pretrained(folder)
    model(config).save_pretrained(folder)
    return folder
