"""Weights and tokenizer of an encoder, from a folder or the model hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.transformer_model import huggingface_from_pretrained
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from .wordpieces import SpecialTokens

# Model types whose position embeddings begin after the padding index.
_OFFSET_POSITIONS = {
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert"),
    *("mpnet", "longformer", "data2vec-text", "ibert"),
}
_UNLIMITED = 10**6
# Wordpieces of the trial run before training, the length of the shortest window allowed.
_TRIED = 8
# How much its vectors may differ, relative to the largest number, besides some steps of rounding.
_DIFFERENCE, _STEPS = 5e-4, 8


def load_pretrained(
    name: str, tokenizer_config: Mapping[str, Any], transformer_config: Mapping[str, Any]
) -> HFObjects:
    """Load an encoder as spacy-transformers does.

    name (str): A folder, or a name on the hub.
    tokenizer_config, transformer_config (Mapping[str, Any]): Passed to `from_pretrained`.
    RAISES (OSError): There is no such folder, and the hub, if it can be a name there, gives none.
    RAISES (ValueError): The model cannot be read or cannot serve as an encoder; the message says
        why.
    """
    path = Path(name)
    # A name on the hub has at most one slash.
    if not path.is_dir() and (path.is_absolute() or name[:1] == "." or name.count("/") > 1):
        raise FileNotFoundError(
            f"{name}: no such folder of weights; `weasel run models` fetches them"
        )
    if path.is_dir() and not (path / "config.json").is_file():
        is_pipeline = (path / "config.cfg").is_file()
        told = "is a spaCy pipeline; to go on from one, use --start" if is_pipeline else "is none"
        raise ValueError(f"{name}: {told}; expected an encoder's folder, with a config.json in it")
    try:
        loaded = huggingface_from_pretrained(
            name,
            dict(tokenizer_config),
            dict(transformer_config),
            model_cls=_Weights,
            tokenizer_cls=_Tokenizers,
        )
    except ValueError as error:
        if "`model_type`" not in str(error):
            raise
        # The original lists all types that there are.
        raise ValueError(
            f"{name}: its config.json names no model_type that transformers knows: add it, for "
            'instance "bert", or put it into the name of the folder'
        ) from error
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(
            f"{name}: its weights do not fit its config.json, or the transformer_config "
            f"({' '.join(str(error).split())[:300]})"
        ) from error
    except OSError as error:
        if path.is_dir():
            raise
        raise OSError(
            f"{name}: no such folder of weights, nor does the hub give any "
            f"({' '.join(str(error).split())}); `weasel run models` fetches them"
        ) from error
    except ImportError as error:
        # transformers raises this for a folder without a tokenizer, too.
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise ValueError(
            f"{name}: no tokenizer.json beside its weights, or a package is not installed "
            f"({reason})"
        ) from error
    except SafetensorError as error:
        raise ValueError(
            f"{name}: its weights cannot be read ({error}): the file is truncated, or is a "
            "Git LFS pointer; fetch it again"
        ) from error
    _check_encoder(name, loaded)
    return loaded


def run_anywhere(config: Any) -> None:
    """Keep ModernBERT from what works on some machines only, before a model of it is made.

    On GPUs it compiles itself unless told otherwise, which needs a C compiler, and starts again for
    windows of other lengths. Where the package flash-attn is installed, it uses that: it fails on a
    CPU, and reads float32 in less precision. Neither is saved with a model's config.
    """
    if getattr(config, "reference_compile", False) is None:
        config.reference_compile = False
    chosen = getattr(config, "_attn_implementation_internal", None)
    if config.model_type == "modernbert" and chosen is None:
        config._attn_implementation = "sdpa"


def _check_encoder(name: str, loaded: HFObjects) -> None:
    """Check that a model gives a vector for each wordpiece, and its tokenizer character offsets.

    RAISES (ValueError): One of them does not.
    """
    tokenizer, config = loaded.tokenizer, loaded.transformer.config
    if not tokenizer.is_fast:
        raise ValueError(
            f"{name}: its tokenizer gives no character offsets; "
            "an encoder with a fast tokenizer (tokenizer.json or a known vocabulary) is needed"
        )
    if getattr(config, "attention_type", None) == "block_sparse":
        # At the first short batch it would switch to full attention for good.
        raise ValueError(
            f"{name}: with sparse attention, its vectors of a note depend on the notes read "
            'before; set attention_type = "original_full" in the transformer_config'
        )
    special = SpecialTokens.of(tokenizer)
    known = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False).values()
    highest = max(*known, *special.before, *special.after, special.pad, special.mask)
    if highest >= getattr(config, "vocab_size", highest + 1):
        raise ValueError(
            f"{name}: its tokenizer counts wordpieces up to {highest}, and its weights are for "
            f"{config.vocab_size}: they belong to different models"
        )
    alone = torch.full((1, _TRIED), special.mask, device=loaded.transformer.device)
    padded = torch.nn.functional.pad(alone, (0, _TRIED), value=special.pad)
    try:
        with torch.no_grad():
            hidden, longer = (
                loaded.transformer(
                    ids, attention_mask=(ids == special.mask).long()
                ).last_hidden_state
                for ids in (alone, padded)
            )
        found = tuple(hidden.shape)
    except torch.OutOfMemoryError:
        # No fault of the encoder's.
        raise
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise _no_encoder(name, config, " ".join(str(error).split())) from error
    if found != (1, _TRIED, config.hidden_size):
        raise _no_encoder(name, config, f"{_TRIED} wordpieces gave the shape {found}")
    _check_vectors(name, config, hidden, longer[:, :_TRIED])


def _check_vectors(name: str, config: Any, alone: torch.Tensor, padded: torch.Tensor) -> None:
    """Check that vectors are numbers, and do not depend on what windows are read together.

    alone, padded (torch.Tensor): Of the same wordpieces, without padding after them and with it.
    RAISES (ValueError): They are not, or they do.
    """
    if not alone.isfinite().all():
        raise ValueError(f"{name}: its vectors are not numbers (NaN): its weights are damaged")
    most = float(alone.abs().max()) * (_DIFFERENCE + _STEPS * torch.finfo(alone.dtype).eps)
    if (alone - padded).abs().max() > most:
        raise _no_encoder(name, config, "its vectors depend on the padding of other notes' windows")


def _no_encoder(name: str, config: Any, reason: str) -> ValueError:
    return ValueError(
        f"{name}: a model of type {config.model_type} does not give one vector of its width for "
        f"each wordpiece, as BERT-like models do ({reason}); use another encoder"
    )


def piece_limit(config: Any, tokenizer: Any) -> int:
    """The maximum length that an encoder can read, in wordpieces, special tokens included."""
    positions = getattr(config, "max_position_embeddings", None) or _UNLIMITED
    # XLNet's sign for no limit.
    if positions < 0:
        positions = _UNLIMITED
    if config.model_type in _OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1
    return int(min(positions, tokenizer.model_max_length, _UNLIMITED))


def check_window(window: int, name: str, config: Any, tokenizer: Any) -> None:
    """Check that an encoder can read windows of this many wordpieces, special tokens included.

    RAISES (ValueError): It cannot.
    """
    limit = piece_limit(config, tokenizer)
    if not 8 <= window <= limit:
        raise ValueError(f"window = {window}: {name} takes 8 to {limit} wordpieces")


class _Weights:
    """`AutoModel`, but files that lack weights are refused: by itself, it makes these up."""

    @staticmethod
    def from_pretrained(name: str, config: Any) -> Any:
        run_anywhere(config)
        model, info = AutoModel.from_pretrained(name, config=config, output_loading_info=True)
        # Nothing here reads what a pooler makes.
        missing = [key for key in info["missing_keys"] if "pooler" not in key]
        if missing:
            others = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ValueError(
                f"{name}: its weights lack {', '.join(missing[:3])}{others}: they are of another "
                "model than its config.json, or saved under other names, as wrappers do"
            )
        return model


class _Tokenizers:
    """`AutoTokenizer`, also for folders whose only tokenizer file is `tokenizer.json`.

    The fast tokenizers of some families name a vocabulary file that they do not need, and
    spacy-transformers tries to open it. A generic fast tokenizer needs only the JSON.
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
