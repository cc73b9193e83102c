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
    """Read notes of any length with a transformer that has a limit.

    The wordpieces of a note are cut into windows of equal length that overlap; each window goes
    through the transformer; each token takes its vector from the window where it stands most
    centrally; a BiLSTM runs over the whole note. For spaCy's `tok2vec` component. After
    "Structured LLM Augmentation for Clinical Information Extraction", section on the extractor.

    name (str): A folder with a Hugging Face model, or its name on the hub. Read when the pipeline
        is initialized; a saved pipeline holds the weights itself, and keeps them where it is
        initialized anew, while the BiLSTM and the heads begin from nothing.
    width (int): Of the vectors given out: the BiLSTM's, both directions together, or, where
        `lstm_depth` is 0, the transformer's own.
    window (int): Wordpieces of a window, special tokens included.
    context (int): Least wordpieces on each side of a token within its window.
    batch_pieces (int): Most wordpieces that go through the transformer at once. Where training
        needs several such batches, each is run again in the backward pass, so that memory stays
        that of one.
    lstm_depth (int): Layers of the BiLSTM; 0 leaves it out.
    learn_rate_scale (float): The transformer's learning rate over the optimizer's.
    layer_decay (float): Each layer's learning rate over that of the layer above.
    mask_share (float): In training, so many of the wordpieces are hidden behind the mask, as a kind
        of dropout that makes the model read what stands around a word.
    precision (Precision): Of reading, `float32`, `bfloat16` (or `bf16`) or `int8`; to be chosen
        when a pipeline is loaded, whatever it was trained with. `bfloat16` is for GPUs and for CPUs
        that are fast at it, `int8` for other CPUs. One that would be slower than float32 where
        the pipeline runs is not used, and that is told.
    mixed_precision (bool): Train the transformer in bfloat16 where that is faster.
    freeze_embeddings (bool): Do not train the word embeddings.
    tokenizer_config, transformer_config (dict[str, Any] | None): Passed to `from_pretrained`.
    RAISES (ValueError): A size that cannot be, with the value and the limit.
    """
    if lstm_depth < 0:
        raise ValueError(f"lstm_depth = {lstm_depth}: must be 0 (no BiLSTM) or more")
    if width < 2 or width % 2:
        raise ValueError(f"width = {width}: must be even, half for each direction of the BiLSTM")
    if batch_pieces < 1:
        raise ValueError(f"batch_pieces = {batch_pieces}: must be 1 or more")
    # Below 0 the transformer would be trained away from what the notes say.
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
        precision="bfloat16" if precision == "bf16" else precision,
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
