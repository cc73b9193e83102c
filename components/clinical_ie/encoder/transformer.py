"""The transformer layer: Docs of any length in, one vector per token out."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from spacy_transformers.data_classes import HFObjects
from thinc.api import ArgsKwargs, Model, Ops, torch2xp, uniform_init, xp2torch
from thinc.types import Floats2d

from ..system.memory import kept_in_training, release_memory
from .loading import check_window, load_pretrained
from .reading import Precision, pieces_at_once
from .shim import EncoderShim
from .windows import Window, batch_windows, cut_windows
from .wordpieces import BLANK_KINDS, SpecialTokens, encode_docs

logger = logging.getLogger(__name__)

# Share of the wordpieces; in notes in an encoder's own language, hardly any are unknown.
_MOST_UNKNOWN = 0.1

MEANS_AT_ONCE = 8192

TokenVectors = list[Floats2d]


@dataclass(frozen=True, slots=True)
class Reading:
    """How notes are read; see `LongDocEncoder`.

    These are not attributes of the model, which are saved with the pipeline and would override the
    config with which it is loaded.
    """

    window: int
    context: int
    batch_pieces: int
    mask_share: float


def TransformerWindows(  # noqa: N802  (layers are named like classes, as in thinc)
    name: str,
    *,
    window: int,
    context: int,
    batch_pieces: int,
    learn_rate_scale: float,
    layer_decay: float,
    mask_share: float,
    precision: Precision,
    mixed_precision: bool,
    freeze_embeddings: bool,
    tokenizer_config: dict[str, Any],
    transformer_config: dict[str, Any],
    width: int | None = None,
) -> Model[list[Doc], TokenVectors]:
    """A transformer over windows; a token's vector is the mean of its wordpieces' vectors.

    A token without wordpieces (white space, control characters) gets a learned vector: one each for
    blanks, line breaks and empty lines. The arguments are those of `LongDocEncoder`, except
    width (int | None): If given, the transformer's own width must equal it.
    """
    reading = Reading(window, context, batch_pieces, mask_share)
    return Model(
        "transformer_windows",
        partial(forward, reading=reading),
        init=partial(init, reading=reading),
        dims={"nO": None},
        params={"blank": None},
        attrs={
            "name": name,
            "width": width,
            "tokenizer_config": tokenizer_config,
            "transformer_config": transformer_config,
        },
        shims=[
            EncoderShim(
                HFObjects(None, None, None),
                learn_rate_scale=learn_rate_scale,
                layer_decay=layer_decay,
                precision=precision,
                mixed_precision=mixed_precision,
                freeze_embeddings=freeze_embeddings,
            )
        ],
    )


def init(
    model: Model, X: Sequence[Doc] | None = None, Y: object = None, *, reading: Reading
) -> None:
    """Load the weights by the configured name: a folder, or a name on the model hub."""
    shim = cast(EncoderShim, model.shims[0])
    if not shim.is_loaded:
        shim.load(
            load_pretrained(
                model.attrs["name"],
                model.attrs["tokenizer_config"],
                model.attrs["transformer_config"],
            )
        )
    check_window(reading.window, model.attrs["name"], shim.config, shim.tokenizer)
    _tell_unknown(model.attrs["name"], X or (), shim.tokenizer)
    width = shim.config.hidden_size
    if model.attrs["width"] not in {None, width}:
        raise ValueError(
            f"width = {model.attrs['width']}: without a BiLSTM it must be that of "
            f"{model.attrs['name']}, {width}"
        )
    model.set_dim("nO", width)
    if not model.has_param("blank"):
        # Not zeros, so that the next layers can tell a line break from nothing at all.
        model.set_param("blank", uniform_init(model.ops, (BLANK_KINDS, width)))
    if Path(model.attrs["name"]).is_absolute():
        # No longer needed, but saved with the weights: the full path would show whose folder it is.
        model.attrs["name"] = Path(model.attrs["name"]).name


def _tell_unknown(name: str, docs: Sequence[Doc], tokenizer: Any) -> None:
    """Warn if much of the notes is in letters that the encoder was not trained on.

    docs (Sequence[Doc]): Some of the training notes.
    """
    ids = encode_docs(docs, tokenizer).ids
    share = float(np.mean(ids == tokenizer.unk_token_id)) if len(ids) else 0.0
    if share > _MOST_UNKNOWN:
        logger.warning(
            "%.0f %% of the wordpieces of the first training notes are unknown to the encoder %s, "
            "which sees one and the same sign in their place: use one for the notes' language",
            100 * share,
            name,
        )


def forward(
    model: Model, docs: Sequence[Doc], is_train: bool, *, reading: Reading
) -> tuple[TokenVectors, Callable[[TokenVectors], list[Doc]]]:
    shim = cast(EncoderShim, model.shims[0])
    ops = model.ops
    if not shim.is_loaded:
        raise ValueError(
            f"{model.attrs['name']}: the encoder has no weights yet; initialize() loads them, but "
            "not for frozen_components: to freeze the encoder, source it from a trained pipeline, "
            "or take it off that list and set learn_rate_scale = 0"
        )
    # Checked again, since the window can be changed when a pipeline is loaded.
    check_window(reading.window, model.attrs["name"], shim.config, shim.tokenizer)
    special = SpecialTokens.of(shim.tokenizer)
    pieces = encode_docs(docs, shim.tokenizer)
    ids = pieces.ids
    if is_train and reading.mask_share:
        hidden_from_view = np.random.random(len(ids)) < reading.mask_share
        ids = np.where(hidden_from_view, special.mask, ids)
    if is_train and any(map(len, docs)):
        shim.await_gradient()
    capacity = reading.window - len(special)
    windows: list[Window] = []
    offset = 0
    for length in pieces.doc_lengths:
        windows += cut_windows(length, capacity, reading.context, offset)
        offset += length
    vectors = ops.alloc2f(len(pieces.ids), model.get_dim("nO"))
    backprops = []
    most = reading.batch_pieces
    at_once = most if is_train else pieces_at_once(most, shim.device)
    batches = batch_windows(windows, at_once, len(special))
    for batch in batches:
        hidden, backprop_batch = shim.read(
            _inputs(batch, ids, special, shim), is_train, recompute=len(batches) > 1
        )
        rows, columns, positions = (
            ops.asarray1i(index) for index in _spoken_for(batch, len(special.before))
        )
        vectors[positions] = torch2xp(hidden.detach())[rows, columns]
        if is_train:
            backprops.append((hidden, backprop_batch, rows, columns, positions))
    counts = ops.asarray1i(pieces.counts)
    of_token = ops.asarray1i(pieces.of_token)
    blanks, kinds = ops.asarray1i(pieces.blanks), ops.asarray1i(pieces.blank_kinds)
    tokens = _means(ops, vectors, pieces.of_token, pieces.counts)
    tokens[blanks] = model.get_param("blank")[kinds]
    lengths = [len(doc) for doc in docs]
    # Only the shape is kept: the closure below stays alive while the next layers run.
    shape = vectors.shape
    kept = kept_in_training(shim.parameters()) if is_train else 0
    release_memory(kept)

    def backprop(d_tokens_list: TokenVectors) -> list[Doc]:
        shim.gradient_came()
        d_tokens = ops.flatten(d_tokens_list)
        d_blank = ops.alloc2f(BLANK_KINDS, d_tokens.shape[1])
        ops.scatter_add(d_blank, kinds, d_tokens[blanks])
        model.inc_grad("blank", d_blank)
        if not len(of_token):
            return list(docs)
        d_vectors = ops.alloc2f(*shape)
        ops.scatter_add(d_vectors, of_token, ops.backprop_reduce_mean(d_tokens, counts))
        for hidden, backprop_batch, rows, columns, positions in backprops:
            d_hidden = ops.alloc(hidden.shape)
            d_hidden[rows, columns] = d_vectors[positions]
            backprop_batch(xp2torch(d_hidden, device=hidden.device).to(hidden.dtype))
        # The closure lives until the next batch, but the graphs can go now.
        backprops.clear()
        release_memory(kept)
        return list(docs)

    return ops.unflatten(tokens, lengths), backprop


def _means(ops: Ops, vectors: Floats2d, rows: np.ndarray, counts: np.ndarray) -> Floats2d:
    """Means over consecutive groups of rows; zeros for an empty group.

    vectors (Floats2d): Shape (n_vectors, width).
    rows (np.ndarray): Rows of `vectors`, group by group, shape (sum of counts,).
    counts (np.ndarray): Size of each group, shape (n_counts,).
    RETURNS (Floats2d): Shape (n_counts, width).
    """
    means = ops.alloc2f(len(counts), vectors.shape[1])
    ends = np.cumsum(counts)
    # In stretches, so that the vectors of a long note are never copied as a whole.
    for first in range(0, len(counts), MEANS_AT_ONCE):
        part = counts[first : first + MEANS_AT_ONCE]
        until = ends[first + len(part) - 1]
        of_part = rows[until - part.sum() : until]
        # thinc raises an error for an empty array.
        if len(of_part):
            means[first : first + len(part)] = ops.reduce_mean(
                vectors[ops.asarray1i(of_part)], ops.asarray1i(part)
            )
    return means


def _inputs(
    batch: list[Window], ids: np.ndarray, special: SpecialTokens, shim: EncoderShim
) -> ArgsKwargs:
    """The padded input ids of a batch of windows, and their attention mask."""
    width = max(len(window) for window in batch) + len(special)
    input_ids = np.full((len(batch), width), special.pad, dtype=np.int64)
    mask = np.zeros((len(batch), width), dtype=np.int64)
    for row, window in enumerate(batch):
        sequence = [*special.before, *ids[window.start : window.end], *special.after]
        input_ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ArgsKwargs(
        args=(),
        kwargs={
            "input_ids": xp2torch(input_ids, device=shim.device),
            "attention_mask": xp2torch(mask, device=shim.device),
        },
    )


def _spoken_for(batch: list[Window], n_before: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of a batch's output that are used, and the wordpieces they belong to."""
    positions = [np.arange(window.first, window.last) for window in batch]
    rows = [np.full(len(p), row) for row, p in enumerate(positions)]
    columns = [p - w.start + n_before for p, w in zip(positions, batch, strict=True)]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(positions)
