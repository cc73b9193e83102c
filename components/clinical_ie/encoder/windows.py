"""How wordpieces are cut into windows, and which window gives each wordpiece its vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """A window over a batch's wordpieces.

    start, end (int): Its place [start, end) among the concatenated wordpieces of all Docs.
    first, last (int): The wordpieces [first, last) that take their vectors from this window.
    """

    start: int
    end: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.end - self.start


def cut_windows(n_pieces: int, capacity: int, context: int, offset: int = 0) -> list[Window]:
    """Cut a note into as few windows as possible, of equal length and no longer than necessary.

    Every wordpiece takes its vector from exactly one window, the one in which it is most central,
    and has at least `context` wordpieces on each side there, except at the ends of the note.
    n_pieces (int): Wordpieces of the note.
    capacity (int): Maximum wordpieces in a window, special tokens not counted.
    context (int): Minimum wordpieces on each side.
    offset (int): Added to all positions.
    RAISES (ValueError): The context leaves no room for anything else.
    """
    if context < 0 or 2 * context >= capacity:
        raise ValueError(
            f"context = {context}: must be 0 or more, and twice its value less than the {capacity} "
            "wordpieces that a window holds besides its special tokens"
        )
    if n_pieces <= capacity:
        return [Window(offset, offset + n_pieces, offset, offset + n_pieces)] if n_pieces else []
    count = 1 + -(-(n_pieces - capacity) // (capacity - 2 * context))
    # Windows overlap by twice the context, or by little more.
    length = -(-(n_pieces + 2 * context * (count - 1)) // count)
    starts = np.linspace(0, n_pieces - length, count).astype(int)
    # In the middle of an overlap, a wordpiece is equally central in both windows.
    borders = [0, *((starts[1:] + starts[:-1] + length) // 2), n_pieces]
    return [
        Window(
            offset + int(start),
            offset + int(start) + length,
            offset + int(borders[i]),
            offset + int(borders[i + 1]),
        )
        for i, start in enumerate(starts)
    ]


def batch_windows(windows: list[Window], budget: int, extra: int) -> list[list[Window]]:
    """Group windows of similar length.

    budget (int): Maximum wordpieces in a group, padding and special tokens included; a longer
        window is a group by itself.
    extra (int): Number of special tokens in each window.
    RETURNS (list[list[Window]]): Groups, longest windows first.
    """
    lengths = np.fromiter((len(window) + extra for window in windows), np.int64, len(windows))
    return [[windows[at] for at in group] for group in group_by_length(lengths, budget)]


def group_by_length(lengths: Ints, budget: int) -> list[Ints]:
    """Group windows of similar length, so that batches contain little padding.

    lengths (Ints): Of each window, shape (n_windows,).
    budget (int): Maximum wordpieces in a group, padding included; a longer window is a group by
        itself.
    RETURNS (list[Ints]): The positions of the windows of each group, longest windows first; those
        of equal length keep their order.
    """
    order = np.argsort(-lengths, kind="stable")
    groups: list[Ints] = []
    at = 0
    while at < len(order):
        # The first window of a group is its longest, which sets the padded length.
        groups.append(order[at : at + max(budget // int(lengths[order[at]]), 1)])
        at += len(groups[-1])
    return groups
