"""A BiLSTM over the whole note."""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from thinc.api import Model
from thinc.types import Floats2d
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from ..torch_shim import LazyTorchShim, run_module


class BiLSTMNet(torch.nn.Module):
    """Sequences of any lengths, packed, so that no step is spent on padding.

    What comes in is added to what the BiLSTM makes of it: the heads see the transformer from the
    first step on, where a BiLSTM that has learned nothing yet would stand between.
    """

    def __init__(self, n_in: int, width: int, depth: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(n_in, width // 2, depth, bidirectional=True, batch_first=True)
        same = n_in == width
        self.skip = torch.nn.Identity() if same else torch.nn.Linear(n_in, width, bias=False)

    def forward(self, X: torch.Tensor, lengths: list[int], dropout: float) -> torch.Tensor:
        """X: (sum of lengths, n_in), sequences end to end; returns (sum of lengths, width)."""
        X = torch.nn.functional.dropout(X, dropout, self.training)
        if len(lengths) == 1:
            # One long note: packing would hold three copies more of it.
            return self.skip(X) + self.lstm(X.unsqueeze(0))[0].squeeze(0)
        packed = pack_sequence(X.split(lengths), enforce_sorted=False)
        padded, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        read = torch.cat([sequence[:n] for sequence, n in zip(padded, lengths, strict=True)])
        return self.skip(X) + read


def BiLSTM(width: int, depth: int) -> Model[list[Floats2d], list[Floats2d]]:  # noqa: N802
    """Read every note from both ends.

    width (int): Of the output, both directions together; even.
    depth (int): Number of layers, at least 1.
    """
    return Model(
        "bilstm",
        forward,
        init=init,
        dims={"nI": None, "nO": width},
        attrs={"dropout_rate": 0.0},
        shims=[LazyTorchShim(partial(BiLSTMNet, width=width, depth=depth))],
    )


def init(model: Model, X: list[Floats2d] | None = None, Y: object = None) -> None:
    if X is not None and model.has_dim("nI") is None:
        model.set_dim("nI", X[0].shape[1])
    shim = cast(LazyTorchShim, model.shims[0])
    if not shim.is_built:
        shim.build(n_in=model.get_dim("nI"))


def forward(
    model: Model, Xs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    # An empty Doc is no sequence to a recurrent network.
    filled = [X for X in Xs if len(X)]
    lengths = [len(X) for X in Xs]
    if not filled:
        return [model.ops.alloc2f(0, model.get_dim("nO")) for _ in Xs], lambda dYs: Xs
    Y, backprop_net = run_module(
        cast(LazyTorchShim, model.shims[0]),
        model.ops.flatten(filled),
        is_train,
        lengths=[len(X) for X in filled],
        dropout=model.attrs["dropout_rate"],
    )

    def backprop(dYs: list[Floats2d]) -> list[Floats2d]:
        return model.ops.unflatten(backprop_net(model.ops.flatten(dYs)), lengths)

    return model.ops.unflatten(Y, lengths), backprop
