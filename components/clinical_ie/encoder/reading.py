"""A copy of the transformer for inference only, which is faster.

On a CPU, more than four fifths of a transformer's time go into linear layers and the activation
between them. oneDNN, which PyTorch ships with, is up to twice as fast with weights packed into its
own layout, and applies the activation while the numbers are in the cache; with 8-bit integers, or
bfloat16 on some processors, it is faster still.
"""

import copy
import logging
import os
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Literal, get_args

import torch

from .linear import Int8Linear, PackedLinear, Quantizer, can_pack, can_quantize

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# The time that bfloat16 may take, relative to float32. In practice it takes about half or twice as
# long, so that two runs on one machine make the same choice.
_WORTH_IT = 0.8

# Wordpieces for each thread. With more, more of the time goes into padding, and what one layer
# makes has left the cache when the next one reads it.
_PIECES_ON_CPU = 1024

MakeLinear = Callable[[torch.nn.Linear, bool], torch.nn.Module]


def reading_copy(model: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """Make the copy. It shares all weights with the original that are not converted.

    precision (Precision): `bfloat16` has three digits, and takes half the time and memory; `int8`
        is for CPUs that are slow at bfloat16. A precision that is no faster than float32 here is
        replaced by float32, with a warning.
    """
    device = next(model.parameters()).device
    if not pays(precision, device):
        logger.warning(
            "precision = %r is no faster than float32 on this %s: reading in float32",
            precision,
            "GPU" if device.type == "cuda" else "CPU",
        )
        precision = "float32"
    # Buffers are not converted: with rotary frequencies of three digits, positions far from the
    # start would be wrong.
    shared = [*model.buffers(), *(model.parameters() if precision != "bfloat16" else ())]
    reader = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    if precision == "bfloat16":
        for parameter in reader.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    if precision == "int8":
        _pack(reader, partial(Int8Linear, quantize=Quantizer()))
    elif can_pack(device):
        _pack(reader, PackedLinear)
    return reader.eval()


def pieces_at_once(most: int, device: torch.device) -> int:
    """How many wordpieces to read at once in inference, where this is fastest.

    most (int): As many as memory allows.
    """
    return min(most, _PIECES_ON_CPU * torch.get_num_threads()) if device.type == "cpu" else most


def pays(precision: Precision, device: torch.device) -> bool:
    """Whether this precision is float32, or faster than float32 on this device."""
    if precision == "int8":
        return can_quantize(device)
    return precision == "float32" or bfloat16_pays(device)


def bfloat16_pays(device: torch.device) -> bool:
    """Whether this device has bfloat16 in hardware, and it is faster than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without these instructions, PyTorch has no packed layers in bfloat16 either.
    has_it = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return has_it and _bfloat16_over_float32() < _WORTH_IT


@cache
def _bfloat16_over_float32() -> float:
    """Measure the processor time of a linear layer in bfloat16 relative to float32.

    Processor flags are not enough: in a virtual machine, some Intel processors show AVX512's
    bfloat16 instructions and hide the matrix ones, and then bfloat16 takes twice as long.
    """
    n_threads = torch.get_num_threads()
    # Threads wait for each other in busy loops, so on shared cores the result would be random.
    torch.set_num_threads(1)
    try:
        return _measured()
    finally:
        torch.set_num_threads(n_threads)


def _measured() -> float:
    n_rows, n_in, n_out = 512, 384, 1536
    # On Windows, thread time has a resolution of 16 ms, which is longer than the measurement.
    clock = time.perf_counter if os.name == "nt" else time.thread_time
    times: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    with torch.no_grad():
        # Repeated, since oneDNN selects its kernel in the first call.
        for _ in range(6):
            for dtype, taken in times.items():
                # Constants, since drawing random numbers would change those drawn later.
                X, W = (torch.full((n, n_in), 0.5, dtype=dtype) for n in (n_rows, n_out))
                began = clock()
                torch.nn.functional.linear(X, W)
                taken.append(clock() - began)
    return min(times[torch.bfloat16]) / max(min(times[torch.float32]), 1e-9)


def _pack(module: torch.nn.Module, make: MakeLinear) -> None:
    dense = getattr(module, "dense", None)
    activation = getattr(module, "intermediate_act_fn", None)
    # BERT-like models: a linear layer, then its activation.
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
