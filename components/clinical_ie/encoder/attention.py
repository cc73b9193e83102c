"""Attention in bfloat16 on a CPU, where PyTorch's own is slow.

PyTorch fuses the two matrix products with the softmax between them, which saves memory and, in
float32, time. In bfloat16, separate calls make better use of the processor's matrix instructions:
they take three fifths of the fused kernel's time in inference, and two fifths in training.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FUSED = torch.nn.functional.scaled_dot_product_attention


class PlainAttention(TorchFunctionMode):
    """A context in which `scaled_dot_product_attention` is not fused, in bfloat16 on a CPU.

    Works for every Hugging Face model that calls that function. Calls that `attend` does not
    support (causal masks, grouped queries) are left to PyTorch.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is _FUSED and args and _is_for_plain(args, kwargs):
            return attend(*args, **kwargs)
        return func(*args, **kwargs)


def _is_for_plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # PyTorch's own attention layer passes `is_causal`, the sixth argument, by position.
    asks_more = any(args[5:6]) or kwargs.get("is_causal") or kwargs.get("enable_gqa")
    query = args[0]
    return query.dtype is torch.bfloat16 and query.device.type == "cpu" and not asks_more


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Compute `scaled_dot_product_attention` as it is defined, without fusing anything.

    query, key, value (torch.Tensor): Shape (…, length, width).
    attn_mask (torch.Tensor | None): Added to the scores; if boolean, True marks visible positions.
    is_causal, enable_gqa (bool): Always false here.
    """
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.transpose(-1, -2)
    # Not minus infinity, which the least float32 becomes in bfloat16, too: where a position sees
    # none at all, as padding may in local attention, the softmax would give NaN.
    least = torch.finfo(scores.dtype).min
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        scores = scores.masked_fill(~attn_mask, least)
    elif attn_mask is not None:
        scores = scores + attn_mask.to(scores.dtype).clamp(min=least)
    return torch.nn.functional.dropout(scores.softmax(-1), dropout_p) @ value
