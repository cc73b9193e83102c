"""Linear layers for reading on a CPU, which multiply by weights that oneDNN laid out once.

What is called here for it belongs to PyTorch's compiler, and is not public: `can_pack` and
`can_quantize` tell whether it is there.
"""

from typing import NamedTuple

import torch

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
# Rows that a processor's cache holds while they are gone over again and again.
ROWS_AT_ONCE = 512


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
        # An input, its version, and what was made of it: replaced together, since a pipeline may
        # read in several threads at once.
        self._last: tuple[torch.Tensor | None, int, list[Quantized]] = None, 0, []

    def __call__(self, X: torch.Tensor) -> list[Quantized]:
        """X: (…, width); returns its rows in parts."""
        # Queries, keys and values are made by three layers of one input, unless it was changed;
        # whether it was, PyTorch does not keep in its inference mode.
        version = -1 if X.is_inference() else X._version
        last, last_version, parts = self._last
        if last is not X or last_version != version or version < 0:
            rows = X.reshape(-1, X.shape[-1])
            parts = [_quantize(part) for part in rows.split(ROWS_AT_ONCE)]
            self._last = X, version, parts
        return parts


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


def can_pack(device: torch.device) -> bool:
    """Whether PyTorch lays out weights here."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def can_quantize(device: torch.device) -> bool:
    """Whether PyTorch multiplies whole numbers here."""
    return can_pack(device) and hasattr(torch.ops.onednn, "qlinear_pointwise")
