"""A copy of the transformer that only reads, and does so faster.

On a CPU more than four fifths of a transformer's time go into linear layers and the activation
between them. oneDNN, which PyTorch ships with, multiplies by weights that were laid out for it once
up to twice as fast, and applies the activation while the numbers are at hand; in whole numbers of
8 bits, or in bfloat16 on some processors, it is faster again.
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

# Of the time in float32. What is measured is about half of it or twice as much, so that two runs on
# one machine do not differ in what they choose.
_WORTH_IT = 0.8

MakeLinear = Callable[[torch.nn.Linear, bool], torch.nn.Module]


def reading_copy(model: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """Make the copy. Weights that need no other form are shared with the original.

    precision (Precision): `bfloat16` has three digits, and half the time and memory; `int8` is for
        CPUs that are slow at it. Where one is no faster than float32, that is logged, and the copy
        reads in float32.
    """
    device = next(model.parameters()).device
    if not pays(precision, device):
        logger.warning(
            "precision = %r is no faster than float32 on this %s: reading in float32",
            precision,
            "GPU" if device.type == "cuda" else "CPU",
        )
        precision = "float32"
    # Buffers stay as they are: rotary frequencies in three digits lead astray far from the start.
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


def pays(precision: Precision, device: torch.device) -> bool:
    """Whether reading in this precision is any faster than in float32 here, or is float32."""
    if precision == "int8":
        return can_quantize(device)
    return precision == "float32" or bfloat16_pays(device)


def bfloat16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is done in hardware, and faster than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without these PyTorch has no packed layers for it either.
    has_it = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return has_it and _bfloat16_over_float32() < _WORTH_IT


@cache
def _bfloat16_over_float32() -> float:
    """The processor time of a linear layer in bfloat16 over its time in float32, measured here.

    A processor's flags do not tell: some Intel ones that have AVX512's instructions for bfloat16,
    and hide those for matrices from a virtual machine, take twice as long by them.
    """
    n_threads = torch.get_num_threads()
    # Threads that wait for one that has no core are busy, too, and chance would choose.
    torch.set_num_threads(1)
    try:
        return _measured()
    finally:
        torch.set_num_threads(n_threads)


def _measured() -> float:
    n_rows, n_in, n_out = 512, 384, 1536
    # On Windows the time of a thread goes on in steps of 16 ms, which is longer than all of this.
    clock = time.perf_counter if os.name == "nt" else time.thread_time
    times: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    with torch.no_grad():
        # The first time, oneDNN chooses how to do it.
        for _ in range(6):
            for dtype, taken in times.items():
                # No random numbers: those that follow would be others.
                X, W = (torch.full((n, n_in), 0.5, dtype=dtype) for n in (n_rows, n_out))
                began = clock()
                torch.nn.functional.linear(X, W)
                taken.append(clock() - began)
    return min(times[torch.bfloat16]) / max(min(times[torch.float32]), 1e-9)


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
