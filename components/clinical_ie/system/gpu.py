"""The choice of a GPU, and its failures, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from thinc.api import get_torch_default_device, require_gpu


def use_gpu(gpu_id: int) -> None:
    """Have thinc and PyTorch work on a GPU.

    RAISES (ValueError): One of them cannot; only the first use of a GPU tells all of the reasons.
    """
    try:
        require_gpu(gpu_id)
        torch.zeros(1, device=get_torch_default_device())
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, RuntimeError, ValueError) as error:
        told = f"--gpu-id {gpu_id} cannot be used: {error}"
        if "CuPy" in str(error):
            told += '; for CUDA 13, `pip install "clinical-ie[cuda13]"` adds it, for 12, [cuda12]'
        raise ValueError(told) from error


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
