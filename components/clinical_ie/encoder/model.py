"""The registered architecture of the encoder."""

from typing import Any

from spacy.tokens import Doc
from thinc.api import Model, chain

from .bilstm import BiLSTM
from .reading import PRECISIONS, Precision
from .transformer import TokenVectors, TransformerWindows


def LongDocEncoder(  # noqa: N802
    name: str,
    width: int,
    window: int = 256,
    context: int = 32,
    batch_pieces: int = 4096,
    lstm_depth: int = 1,
    learn_rate_scale: float = 0.1,
    layer_decay: float = 1.0,
    mask_share: float = 0.0,
    precision: Precision = "float32",
    mixed_precision: bool = False,
    freeze_embeddings: bool = False,
    tokenizer_config: dict[str, Any] | None = None,
    transformer_config: dict[str, Any] | None = None,
) -> Model[list[Doc], TokenVectors]:
    """Encode notes of any length with a transformer of limited input length.

    The wordpieces of a note are cut into overlapping windows of equal length; each window goes
    through the transformer; each token takes its vector from the window in which it is most
    central; a BiLSTM runs over the whole note. For spaCy's `tok2vec` component. After
    "Structured LLM Augmentation for Clinical Information Extraction", section on the extractor.

    name (str): A folder with a Hugging Face model, or its name on the hub. It is read when the
        pipeline is initialized. A saved pipeline contains the weights; initializing it again keeps
        them and resets the BiLSTM and the heads.
    width (int): Width of the output vectors: the BiLSTM's, both directions together, or, with
        `lstm_depth` 0, the transformer's own.
    window (int): Wordpieces in a window, special tokens included.
    context (int): Minimum wordpieces on each side of a token within its window, except at the ends
        of a note.
    batch_pieces (int): Maximum wordpieces that go through the transformer at once. If a training
        batch needs several passes, each is recomputed in the backward pass, so that memory stays
        that of one. A CPU reads fewer at once in inference, since it is faster so.
    lstm_depth (int): Layers of the BiLSTM; 0 leaves it out.
    learn_rate_scale (float): The transformer's learning rate relative to the optimizer's.
    layer_decay (float): Each layer's learning rate relative to that of the layer above.
    mask_share (float): Share of the wordpieces that are masked in training: a kind of dropout that
        makes the model use the words around.
    precision (Precision): Of inference: `float32`, `bfloat16` (or `bf16`) or `int8`; can be chosen
        when a pipeline is loaded, however it was trained. `bfloat16` is for GPUs and for CPUs
        that are fast at it, `int8` for other CPUs. If it would be no faster than float32 on this
        machine, float32 is used, with a warning.
    mixed_precision (bool): Train the transformer in bfloat16 where that is faster.
    freeze_embeddings (bool): Do not train the word embeddings.
    tokenizer_config, transformer_config (dict[str, Any] | None): Passed to `from_pretrained`.
    RAISES (ValueError): A setting is out of range; the message gives its value and the limit.
    """
    if lstm_depth < 0:
        raise ValueError(f"lstm_depth = {lstm_depth}: must be 0 (no BiLSTM) or more")
    if width < 2 or width % 2:
        raise ValueError(f"width = {width}: must be even, half for each direction of the BiLSTM")
    if batch_pieces < 1:
        raise ValueError(f"batch_pieces = {batch_pieces}: must be 1 or more")
    # Below 0, the transformer would be trained in the wrong direction.
    if not learn_rate_scale >= 0:
        raise ValueError(f"learn_rate_scale = {learn_rate_scale}: must be 0 (frozen) or more")
    for setting, value in (("mask_share", mask_share), ("layer_decay", layer_decay)):
        if not 0 <= value <= 1:
            raise ValueError(f"{setting} = {value}: must lie between 0 and 1")
    if precision not in PRECISIONS:
        raise ValueError(f"precision = {precision!r}: must be one of {', '.join(PRECISIONS)}")
    transformer = TransformerWindows(
        name,
        window=window,
        context=context,
        batch_pieces=batch_pieces,
        learn_rate_scale=learn_rate_scale,
        layer_decay=layer_decay,
        mask_share=mask_share,
        precision=precision,
        mixed_precision=mixed_precision,
        freeze_embeddings=freeze_embeddings,
        tokenizer_config=tokenizer_config or {},
        transformer_config=transformer_config or {},
        width=None if lstm_depth else width,
    )
    if not lstm_depth:
        return transformer
    model = chain(transformer, BiLSTM(width, lstm_depth))
    model.set_dim("nO", width)
    return model
