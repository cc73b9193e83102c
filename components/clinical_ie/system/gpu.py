"""Failures of a GPU, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def gpu_errors_in_one_line(remedy: str) -> Iterator[None]:
    """A block, or a decorated function, in which a GPU that fails is not a programming error.

    remedy (str): What needs less memory, as the subject of "may help".
    RAISES (ValueError): Memory is full, or CUDA failed; the message is one line.
    """
    try:
        yield
    # The second is CuPy's.
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ValueError(f"{remedy} may help: {_one_line(error)}") from error
    except RuntimeError as error:
        # CUDA's libraries have no error class of their own, and say this as well if memory is full.
        if not str(error).startswith("CUDA error"):
            raise
        raise ValueError(f"the GPU failed; {remedy} may help: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
