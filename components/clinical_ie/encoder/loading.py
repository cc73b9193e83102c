"""Weights and tokenizer of an encoder, from a folder or the model hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.transformer_model import huggingface_from_pretrained
from transformers import AutoTokenizer, PreTrainedTokenizerFast

# Their position embeddings begin after the padding index.
_OFFSET_POSITIONS = {
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert"),
    *("mpnet", "longformer", "data2vec-text", "ibert"),
}
_UNLIMITED = 10**6


def load_pretrained(
    name: str, tokenizer_config: Mapping[str, Any], transformer_config: Mapping[str, Any]
) -> HFObjects:
    """Load an encoder as spacy-transformers does.

    name (str): A folder, or a name on the hub.
    tokenizer_config, transformer_config (Mapping[str, Any]): Passed to `from_pretrained`.
    RAISES (FileNotFoundError): It can only be a folder, and is none.
    """
    path = Path(name)
    # A name on the hub has one slash at most.
    if not path.is_dir() and (path.is_absolute() or name[:1] == "." or name.count("/") > 1):
        raise FileNotFoundError(
            f"{name}: no such folder of weights; `weasel run models` fetches them"
        )
    return huggingface_from_pretrained(
        name, dict(tokenizer_config), dict(transformer_config), tokenizer_cls=_Tokenizers
    )


def piece_limit(config: Any, tokenizer: Any) -> int:
    """The most wordpieces, special tokens included, that an encoder can read at once."""
    positions = getattr(config, "max_position_embeddings", None) or _UNLIMITED
    if config.model_type in _OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1
    return int(min(positions, tokenizer.model_max_length, _UNLIMITED))


def check_window(window: int, name: str, config: Any, tokenizer: Any) -> None:
    """See that an encoder can read so many wordpieces at once.

    RAISES (ValueError): It cannot.
    """
    limit = piece_limit(config, tokenizer)
    if not 8 <= window <= limit:
        raise ValueError(f"window = {window}: {name} takes 8 to {limit} wordpieces")


class _Tokenizers:
    """`AutoTokenizer`, for folders too that hold `tokenizer.json` and nothing else.

    The fast tokenizers of some families name a vocabulary file that they do not need, and
    spacy-transformers opens it. A tokenizer without that name is saved and read by the JSON alone.
    """

    @staticmethod
    def from_pretrained(name: str, **config: Any) -> Any:
        tokenizer = AutoTokenizer.from_pretrained(name, **config)
        if getattr(tokenizer, "vocab_file", name) is not None:
            return tokenizer
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.backend_tokenizer,
            model_max_length=tokenizer.model_max_length,
            **tokenizer.special_tokens_map,
        )
