"""A BiLSTM over the whole note."""

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
import torch
from thinc.api import Model
from thinc.types import Floats2d
from torch.nn.utils.rnn import PackedSequence

from ..torch_shim import LazyTorchShim, run_module

# Tokens of a long note that go through the LSTM at once in inference.
STRETCH = 8192
_LSTM_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class BiLSTMNet(torch.nn.Module):
    """A BiLSTM over sequences of any length, packed so that no time goes into padding.

    A skip connection adds the input to the output, so that the heads see the transformer's vectors
    from the first step on, not just the output of an untrained BiLSTM.
    """

    def __init__(self, n_in: int, width: int, depth: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(n_in, width // 2, depth, bidirectional=True, batch_first=True)
        same = n_in == width
        self.skip = torch.nn.Identity() if same else torch.nn.Linear(n_in, width, bias=False)

    def forward(self, X: torch.Tensor, lengths: list[int], dropout: float) -> torch.Tensor:
        """X: (sum of lengths, n_in), concatenated sequences; returns (sum of lengths, width)."""
        X = torch.nn.functional.dropout(X, dropout, self.training)
        if torch.is_grad_enabled() or max(lengths) <= STRETCH:
            return self.skip(X) + self.read(X, lengths)
        # Without gradients, long sequences are read in stretches, in bounded working memory.
        parts = X.split(lengths)
        short = [part for part in parts if len(part) <= STRETCH]
        together = [len(part) for part in short]
        read_short = iter(self.read(torch.cat(short), together).split(together) if short else ())
        read = [
            next(read_short) if len(part) <= STRETCH else read_long(self.lstm, part)
            for part in parts
        ]
        whole = torch.cat(read) if len(read) > 1 else read[0]
        return whole.add_(self.skip(X))

    def read(self, X: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        """Run the LSTM over all sequences at once."""
        if len(lengths) == 1:
            return self.lstm(X.unsqueeze(0))[0].squeeze(0)
        order, batch_sizes = in_steps(lengths)
        order = order.to(X.device)
        packed = PackedSequence(X.index_select(0, order), batch_sizes)
        return self.lstm(packed)[0].data.index_select(0, order.argsort())


def in_steps(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The order in which a packed LSTM reads the rows of concatenated sequences.

    RETURNS (tuple[torch.Tensor, torch.Tensor]): Row indices, shape (sum of lengths,): the first row
        of every sequence, longest sequence first, then the second row of those that have one, and
        so on; and the number of sequences in each step, shape (longest,).
    """
    by_length = np.argsort(-np.array(lengths), kind="stable")
    long = np.array(lengths)[by_length]
    batch_sizes = np.searchsorted(-long, -np.arange(long[0]), side="left")
    steps = np.repeat(np.arange(long[0]), batch_sizes)
    rank = np.arange(len(steps)) - np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
    starts = (np.cumsum(lengths) - lengths)[by_length]
    return torch.from_numpy(starts[rank] + steps), torch.from_numpy(batch_sizes)


def read_long(lstm: torch.nn.LSTM, X: torch.Tensor) -> torch.Tensor:
    """Run a bidirectional LSTM over one sequence; beyond input and output, memory is bounded.

    Each layer and direction reads one stretch after another and carries its state along.
    X (torch.Tensor): Shape (length, n_in); returns (length, 2 * hidden size).
    """
    width = lstm.hidden_size
    for layer in range(lstm.num_layers):
        read = X.new_empty(len(X), 2 * width)
        for direction, suffix in enumerate(("", "_reverse")):
            weights = [getattr(lstm, f"{kind}_l{layer}{suffix}") for kind in _LSTM_WEIGHTS]
            state = [X.new_zeros(1, 1, width), X.new_zeros(1, 1, width)]
            half = read[:, direction * width : (direction + 1) * width]
            stretches = list(zip(X.split(STRETCH), half.split(STRETCH), strict=True))
            for part, into in reversed(stretches) if direction else stretches:
                found, *state = torch.lstm(
                    _turned(part, direction).unsqueeze(1),
                    state, weights, True, 1, 0.0, False, False, False,
                )  # fmt: skip
                into.copy_(_turned(found.squeeze(1), direction))
        X = read
    return X


def _turned(X: torch.Tensor, backward: int) -> torch.Tensor:
    return X.flip(0) if backward else X


def BiLSTM(width: int, depth: int) -> Model[list[Floats2d], list[Floats2d]]:  # noqa: N802
    """A bidirectional LSTM over each note.

    width (int): Width of the output, both directions together; even.
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
    cast(LazyTorchShim, model.shims[0]).build(n_in=model.get_dim("nI"))


def forward(
    model: Model, Xs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    # PyTorch's LSTM does not accept empty sequences.
    filled = [X for X in Xs if len(X)]
    lengths = [len(X) for X in Xs]
    if not filled:
        return [model.ops.alloc2f(0, model.get_dim("nO")) for _ in Xs], lambda dYs: Xs
    Y, backprop_net = run_module(
        cast(LazyTorchShim, model.shims[0]),
        model.ops.flatten(filled) if len(filled) > 1 else filled[0],
        is_train,
        lengths=[len(X) for X in filled],
        dropout=model.attrs["dropout_rate"],
    )

    def backprop(dYs: list[Floats2d]) -> list[Floats2d]:
        return model.ops.unflatten(backprop_net(model.ops.flatten(dYs)), lengths)

    return model.ops.unflatten(Y, lengths), backprop
