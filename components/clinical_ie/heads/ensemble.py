"""Heads for the vectors of several encoders: one for each part, and the mean of their scores."""

from collections.abc import Callable, Sequence
from typing import Any

import torch


class MeanOfHeads(torch.nn.Module):
    """The mean of the scores of several modules, each of which reads its own part of the vectors.

    make (Callable[..., torch.nn.Module]): Makes a module from `n_in` and other sizes.
    n_in (int): Width of the vectors.
    parts (Sequence[int]): Widths of the parts.
    sizes (Any): What `make` takes besides `n_in`.
    RAISES (ValueError): The widths do not add up to that of the vectors.
    """

    def __init__(
        self, make: Callable[..., torch.nn.Module], n_in: int, parts: Sequence[int], **sizes: Any
    ) -> None:
        super().__init__()
        if sum(parts) != n_in or min(parts) < 1:
            raise ValueError(
                f"parts = {list(parts)}: must be positive, and add up to the width of the vectors, "
                f"{n_in}"
            )
        self.parts = list(parts)
        self.heads = torch.nn.ModuleList(make(n_in=width, **sizes) for width in parts)

    def forward(self, X: torch.Tensor, **arguments: Any) -> torch.Tensor:
        """X: (n_tokens, n_in); returns what one module would, averaged."""
        pairs = zip(self.heads, X.split(self.parts, dim=1), strict=True)
        scores = [head(part, **arguments) for head, part in pairs]
        total = scores[0]
        for more in scores[1:]:
            total = total + more
        return total / len(scores)


def make_head(
    make: Callable[..., torch.nn.Module],
    n_in: int,
    parts: Sequence[int] | None = None,
    **sizes: Any,
) -> torch.nn.Module:
    """One module for all of the vectors, or, if there are parts, one for each."""
    return MeanOfHeads(make, n_in, parts, **sizes) if parts else make(n_in=n_in, **sizes)
