"""Linear layers for inference on a CPU, with weights packed once into oneDNN's own layout.

The operators used here belong to PyTorch's compiler and are not public: `can_pack` and
`can_quantize` tell whether they are available.
"""

from typing import NamedTuple

import torch

# The operation that oneDNN applies to a layer's output: name, arguments, algorithm.
_GELU: tuple[str, list[float], str] = ("gelu", [], "none")
_NOTHING: tuple[str, list[float], str] = ("none", [], "")
# Without AVX512, oneDNN's GELU takes four times as long as PyTorch's.
_FUSES_GELU = torch.backends.cpu.get_cpu_capability() == "AVX512"

# Weights use 7 of their 8 bits. Processors without int8 dot-product instructions add two 8-bit
# products in 16 bits, which hold 255 * 63 * 2 but not 255 * 127 * 2.
_WEIGHT_LEVELS = 63
_LEVELS = 255
_TINY = 1e-12
# Rows processed together, few enough to stay in the processor's cache.
ROWS_AT_ONCE = 512


class PackedLinear(torch.nn.Module):
    """A linear layer with its weights packed for oneDNN, optionally followed by a GELU.

    linear (torch.nn.Linear): The layer to convert, on the CPU.
    gelu (bool): Apply the exact GELU to the output.
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
    """Quantized rows: approximately `steps * whole + least`.

    whole (torch.Tensor): Unsigned 8-bit integers, shape (n_rows, width).
    steps, least (torch.Tensor): Step size and minimum of each row, shape (n_rows, 1).
    """

    whole: torch.Tensor
    steps: torch.Tensor
    least: torch.Tensor


class Quantizer:
    """Quantizes each row to 8 bits between its minimum and its maximum.

    Rows have ranges of their own, since some hold numbers thirty times as large as the others.
    """

    def __init__(self) -> None:
        # The last input, its version and its quantized rows: one tuple, replaced at once, since
        # several threads may use a pipeline at the same time.
        self._last: tuple[torch.Tensor | None, int, list[Quantized]] = None, 0, []

    def __call__(self, X: torch.Tensor) -> list[Quantized]:
        """X: (…, width); returns its quantized rows in parts of `ROWS_AT_ONCE`."""
        # The layers for queries, keys and values share one input, so its quantization is reused
        # while the input is unchanged. Tensors of PyTorch's inference mode have no version to tell.
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
    # The conversion truncates; adding 0.5 makes it round.
    return Quantized(X.mul(1 / steps).add_(0.5 - least / steps).to(torch.uint8), steps, least)


class Int8Linear(torch.nn.Module):
    """A linear layer that multiplies 8-bit integers.

    Weights have a scale per output; inputs have one per row, computed in each call.
    linear (torch.nn.Linear): The layer to convert, on the CPU.
    gelu (bool): Apply the exact GELU to the output.
    quantize (Quantizer): Shared by all layers of a model.
    """

    def __init__(self, linear: torch.nn.Linear, gelu: bool, quantize: Quantizer) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.scale = (weight.abs().amax(1) / _WEIGHT_LEVELS).clamp(min=_TINY)
        whole = (weight / self.scale[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(whole, None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach()
        # Times a row's minimum: what that adds to each output.
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
    """Whether PyTorch can pack weights for oneDNN on this device."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def can_quantize(device: torch.device) -> bool:
    """Whether PyTorch can multiply 8-bit integers on this device."""
    return can_pack(device) and hasattr(torch.ops.onednn, "qlinear_pointwise")
