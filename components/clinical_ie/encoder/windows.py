"""How a note's wordpieces are cut into windows, and which window speaks for which wordpiece."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of a batch's wordpieces.

    start, end (int): Where it lies in the wordpieces of all the Docs laid end to end.
    first, last (int): The part [first, last) of it that takes its vectors from this window.
    """

    start: int
    end: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.end - self.start


def cut_windows(n_pieces: int, capacity: int, context: int, offset: int = 0) -> list[Window]:
    """Cut a note into as few windows as can be, of equal length and no longer than they have to be.

    Every wordpiece is spoken for by exactly one window, the one in which it stands most centrally,
    and has at least `context` wordpieces on each side there, save at the ends of the note.
    n_pieces (int): Wordpieces of the note.
    capacity (int): Most wordpieces a window can hold, special tokens not counted.
    context (int): Wordpieces on each side of a window that only serve the others.
    offset (int): Added to all positions.
    RAISES (ValueError): The context leaves no room for anything else.
    """
    if context < 0 or 2 * context >= capacity:
        raise ValueError(
            f"context = {context}: two of them must be less than the {capacity} wordpieces "
            "that a window holds beside its special tokens"
        )
    if n_pieces <= capacity:
        return [Window(offset, offset + n_pieces, offset, offset + n_pieces)] if n_pieces else []
    count = 1 + -(-(n_pieces - capacity) // (capacity - 2 * context))
    # What is read twice is read for the context alone.
    length = -(-(n_pieces + 2 * context * (count - 1)) // count)
    starts = np.linspace(0, n_pieces - length, count).astype(int)
    # Halfway through the overlap of two neighbours, both windows see a wordpiece equally well.
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
    """Group windows of like length.

    budget (int): Most wordpieces of a group, padding and special tokens counted; a window that is
        longer by itself makes a group of its own.
    extra (int): Special tokens of each window.
    RETURNS (list[list[Window]]): Longest windows first.
    """
    batches: list[list[Window]] = []
    for window in sorted(windows, key=len, reverse=True):
        # Sorted, so the first window of a group is its longest and sets the padded length.
        if batches and (len(batches[-1]) + 1) * (len(batches[-1][0]) + extra) <= budget:
            batches[-1].append(window)
        else:
            batches.append([window])
    return batches
