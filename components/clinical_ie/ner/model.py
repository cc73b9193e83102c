"""The registered architecture of the entity head."""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..heads.ensemble import make_head
from ..torch_shim import LazyTorchShim, run_module

TOKENS_AT_ONCE = 8192


class TaggerNet(torch.nn.Module):
    """A multi-layer perceptron over each token's vector."""

    def __init__(self, n_in: int, n_out: int, hidden: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(n_in, hidden)
        self.output = torch.nn.Linear(hidden, n_out)
        # Most tokens are in no mention, so the initial scores favour O.
        torch.nn.init.constant_(self.output.bias, -4.0)

    def forward(self, X: torch.Tensor, dropout: float) -> torch.Tensor:
        """X: (n_tokens, n_in); returns (n_tokens, n_out), not normalised."""
        if torch.is_grad_enabled():
            return self.score(X, dropout)
        # In parts, since the hidden layer of a whole long note would take more than its scores.
        return torch.cat([self.score(part, 0.0) for part in X.split(TOKENS_AT_ONCE)])

    def score(self, X: torch.Tensor, dropout: float) -> torch.Tensor:
        """Apply both layers."""
        X = torch.nn.functional.dropout(X, dropout, self.training)
        hidden = torch.nn.functional.gelu(self.hidden(X))
        return self.output(torch.nn.functional.dropout(hidden, dropout, self.training))


def TokenLabeler(  # noqa: N802
    tok2vec: Model[list[Doc], list[Floats2d]], hidden: int = 256, parts: list[int] | None = None
) -> Model[list[Doc], list[Floats2d]]:
    """Score each tag at each token.

    tok2vec (Model[list[Doc], list[Floats2d]]): Gives token vectors, usually a listener.
    hidden (int): Width of the hidden layer.
    parts (list[int] | None): Widths of the vectors of several encoders, if those are concatenated:
        each part has a head of its own, and their scores are averaged.
    RETURNS (Model[list[Doc], list[Floats2d]]): One array per Doc, shape (n_tokens, n_scores), not
        normalised.
    RAISES (ValueError): `hidden` is below 1.
    """
    if hidden < 1:
        raise ValueError(f"hidden = {hidden}: must be 1 or more")
    return Model(
        "token_labeler",
        forward,
        init=init,
        layers=[tok2vec],
        refs={"tok2vec": tok2vec},
        dims={"nO": None},
        attrs={"dropout_rate": 0.0},
        shims=[LazyTorchShim(partial(make_head, TaggerNet, parts=parts, hidden=hidden))],
    )


def init(model: Model, X: list[Doc] | None = None, Y: object = None) -> None:
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=X)
    cast(LazyTorchShim, model.shims[0]).build(n_in=tok2vec.get_dim("nO"), n_out=model.get_dim("nO"))


def forward(
    model: Model, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    Xs, backprop_tok2vec = model.get_ref("tok2vec")(docs, is_train)
    lengths = [len(X) for X in Xs]
    Y, backprop_net = run_module(
        cast(LazyTorchShim, model.shims[0]),
        model.ops.flatten(Xs),
        is_train,
        dropout=model.attrs["dropout_rate"],
    )

    def backprop(dYs: list[Floats2d]) -> list[Doc]:
        dX = backprop_net(model.ops.flatten(dYs))
        return backprop_tok2vec(model.ops.unflatten(dX, lengths))

    return model.ops.unflatten(Y, lengths), backprop
