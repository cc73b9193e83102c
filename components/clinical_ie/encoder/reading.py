"""A copy of the transformer that only reads, and does so faster.

On a CPU more than four fifths of a transformer's time go into linear layers and the activation
between them. oneDNN, which PyTorch ships with, multiplies by weights that were laid out for it once
up to twice as fast, and applies the activation while the numbers are at hand; in whole numbers of
8 bits, or in bfloat16 where that is in hardware, it is faster again.
"""

import copy
import logging
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, get_args

import torch

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# What a layer hands to oneDNN to do with its output: name, arguments, algorithm.
_GELU: tuple[str, list[float], str] = ("gelu", [], "none")
_NOTHING: tuple[str, list[float], str] = ("none", [], "")
# Below AVX512 oneDNN's own GELU takes four times as long as PyTorch's.
_FUSES_GELU = torch.backends.cpu.get_cpu_capability() == "AVX512"

# Weights take 7 of the 8 bits. Processors without instructions for it add two products of 8 bits in
# 16, where 255 * 63 * 2 has room and 255 * 127 * 2 has not.
_WEIGHT_LEVELS = 63
_LEVELS = 255
_TINY = 1e-12
ROWS_AT_ONCE = 512

MakeLinear = Callable[[torch.nn.Linear, bool], torch.nn.Module]


class PackedLinear(torch.nn.Module):
    """A linear layer with its weights laid out for oneDNN, and perhaps a GELU behind it.

    linear (torch.nn.Linear): On the CPU.
    gelu (bool): Apply the exact GELU to what comes out.
    """

    def __init__(self, linear: torch.nn.Linear, gelu: bool) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.activation = _GELU if gelu and _FUSES_GELU else _NOTHING
        self.gelu = gelu and not _FUSES_GELU

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        Y = torch.ops.mkldnn._linear_pointwise(X, self.weight, self.bias, *self.activation)
        return torch.ops.aten.gelu_(Y) if self.gelu else Y


class Quantized(NamedTuple):
    """Some rows, nearly `steps * whole + least`.

    whole (torch.Tensor): Whole numbers of 8 bits, shape (n_rows, width).
    steps, least (torch.Tensor): The size of a row's step, and its least number, shape (n_rows, 1).
    """

    whole: torch.Tensor
    steps: torch.Tensor
    least: torch.Tensor


class Quantizer:
    """Makes whole numbers of 8 bits of each row's numbers, between its least and its greatest.

    Rows by themselves, since a few of them hold numbers thirty times as great as the others do.
    """

    def __init__(self) -> None:
        self._last: torch.Tensor | None = None
        self._version = 0
        self._parts: list[Quantized] = []

    def __call__(self, X: torch.Tensor) -> list[Quantized]:
        """X: (…, width); returns its rows in parts."""
        # Queries, keys and values are made by three layers of one input, unless it was changed.
        if self._last is not X or self._version != X._version:
            rows = X.reshape(-1, X.shape[-1])
            # A few at a time, which the cache holds while they are gone over again and again.
            self._parts = [_quantize(part) for part in rows.split(ROWS_AT_ONCE)]
            self._last, self._version = X, X._version
        return self._parts


def _quantize(X: torch.Tensor) -> Quantized:
    least = X.amin(1, keepdim=True)
    steps = ((X.amax(1, keepdim=True) - least) / _LEVELS).clamp(min=_TINY)
    # Cut to a whole number, half a step above it, is rounded.
    return Quantized(X.mul(1 / steps).add_(0.5 - least / steps).to(torch.uint8), steps, least)


class Int8Linear(torch.nn.Module):
    """A linear layer that multiplies whole numbers of 8 bits.

    Weights have a scale for each output, inputs one for each row, found anew each time.
    linear (torch.nn.Linear): On the CPU.
    gelu (bool): Apply the exact GELU to what comes out.
    quantize (Quantizer): One for all layers of a model.
    """

    def __init__(self, linear: torch.nn.Linear, gelu: bool, quantize: Quantizer) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.scale = (weight.abs().amax(1) / _WEIGHT_LEVELS).clamp(min=_TINY)
        whole = (weight / self.scale[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(whole, None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach()
        # What a row's least number adds to each output.
        self.sums = self.scale * whole.sum(1)
        self.gelu = gelu
        self.quantize = quantize

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        parts = self.quantize(X)
        Y = X.new_empty(*X.shape[:-1], len(self.bias))
        outputs = Y.view(-1, len(self.bias)).split(ROWS_AT_ONCE)
        for (whole, steps, least), into in zip(parts, outputs, strict=True):
            products = torch.ops.onednn.qlinear_pointwise(
                whole, 1.0, 0, self.weight, self.scale, self.zeros, None,
                1.0, 0, torch.float32, *_NOTHING,
            )  # fmt: skip
            torch.addcmul(self.bias, products, steps, out=into).addcmul_(least, self.sums)
            if self.gelu:
                torch.ops.aten.gelu_(into)
        return Y


def reading_copy(model: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """Make the copy. Weights that need no other form are shared with the original.

    precision (Precision): `bfloat16` has three digits, and half the time and memory; `int8` is for
        CPUs that lack it. Where one of them would be slower than float32, that is told and used.
    """
    device = next(model.parameters()).device
    if not pays(precision, device):
        logger.warning(
            "precision = %r would be slower here than float32, which is used instead: this %s "
            "has no instructions for it",
            precision,
            "GPU" if device.type == "cuda" else "CPU",
        )
        precision = "float32"
    shared = [*model.parameters(), *model.buffers()] if precision != "bfloat16" else []
    reader = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    if precision == "bfloat16":
        reader.to(torch.bfloat16)
    if precision == "int8":
        _pack(reader, partial(Int8Linear, quantize=Quantizer()))
    elif can_pack(device):
        _pack(reader, PackedLinear)
    return reader.eval()


def pays(precision: Precision, device: torch.device) -> bool:
    """Whether reading in this precision is any faster than in float32 here, or is float32."""
    if precision == "int8":
        return can_pack(device) and hasattr(torch.ops.onednn, "qlinear_pointwise")
    return precision == "float32" or has_bfloat16(device)


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is done in hardware; elsewhere it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def can_pack(device: torch.device) -> bool:
    """Whether PyTorch has the fast layers here. They are its compiler's, and not public."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def _pack(module: torch.nn.Module, make: MakeLinear) -> None:
    dense = getattr(module, "dense", None)
    activation = getattr(module, "intermediate_act_fn", None)
    # BERT and its kin: a layer, then its activation.
    if isinstance(dense, torch.nn.Linear) and _is_exact_gelu(activation):
        module.dense = make(dense, True)
        module.intermediate_act_fn = torch.nn.Identity()
    for name, child in module.named_children():
        if type(child) is torch.nn.Linear:
            setattr(module, name, make(child, False))
        else:
            _pack(child, make)


def _is_exact_gelu(activation: object) -> bool:
    inner = getattr(activation, "act", activation)
    return isinstance(activation, torch.nn.Module) and (
        inner is torch.nn.functional.gelu
        or (isinstance(activation, torch.nn.GELU) and activation.approximate == "none")
    )
