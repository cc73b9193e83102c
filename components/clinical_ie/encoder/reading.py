"""A copy of the transformer that only reads, and does so faster.

On a CPU more than nine tenths of a transformer's time goes into linear layers and the activation
between them. oneDNN, which PyTorch ships with, multiplies by weights that were laid out for it once
about twice as fast, and applies the activation while the numbers are at hand.
"""

import copy
from typing import Literal, get_args

import torch

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class PackedLinear(torch.nn.Module):
    """A linear layer with its weights laid out for oneDNN, and perhaps a GELU behind it.

    linear (torch.nn.Linear): On the CPU.
    gelu (bool): Apply the exact GELU to what comes out.
    """

    def __init__(self, linear: torch.nn.Linear, gelu: bool) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.activation: tuple[str, list[float], str] = (
            ("gelu", [], "none") if gelu else ("none", [], "")
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(X, self.weight, self.bias, *self.activation)


def reading_copy(model: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """Make the copy. Weights that need no other form are shared with the original.

    precision (Precision): `bfloat16` halves the time and the memory, at three digits of precision.
    """
    shared = [*model.parameters(), *model.buffers()] if precision == "float32" else []
    reader = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    reader.to(getattr(torch, precision))
    if can_pack(next(model.parameters()).device):
        _pack(reader)
    return reader.eval()


def can_pack(device: torch.device) -> bool:
    """Whether PyTorch has the fast layers here. They are its compiler's, and not public."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def _pack(module: torch.nn.Module) -> None:
    dense = getattr(module, "dense", None)
    activation = getattr(module, "intermediate_act_fn", None)
    # BERT and its kin: a layer, then its activation.
    if isinstance(dense, torch.nn.Linear) and _is_exact_gelu(activation):
        module.dense = PackedLinear(dense, gelu=True)
        module.intermediate_act_fn = torch.nn.Identity()
    for name, child in module.named_children():
        if type(child) is torch.nn.Linear:
            setattr(module, name, PackedLinear(child, gelu=False))
        else:
            _pack(child)


def _is_exact_gelu(activation: object) -> bool:
    inner = getattr(activation, "act", activation)
    return isinstance(activation, torch.nn.Module) and (
        inner is torch.nn.functional.gelu
        or (isinstance(activation, torch.nn.GELU) and activation.approximate == "none")
    )
