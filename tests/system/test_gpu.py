"""Failures of a GPU."""

import pytest
import torch

from clinical_ie.system.gpu import gpu_errors_in_one_line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nIt is."), "CUDA out of memory. It is."),
        # What CuPy raises.
        (MemoryError("Out of memory allocating 512 bytes"), "Out of memory allocating 512 bytes"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_full_memory_is_one_line_with_a_remedy(error: Exception, told: str) -> None:
    with pytest.raises(ValueError, match="may help") as caught, gpu_errors_in_one_line("less"):
        raise error
    assert str(caught.value) == f"less may help: {told}"


def test_other_failures_of_a_gpu_are_one_line() -> None:
    failure = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED\nwhen calling `cublasCreate(handle)`"
    with pytest.raises(ValueError, match="may help") as caught, gpu_errors_in_one_line("less"):
        raise RuntimeError(failure)
    assert str(caught.value) == (
        "the GPU failed; less may help: "
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
    )


def test_a_mistake_in_the_code_keeps_its_error() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), gpu_errors_in_one_line("less"):
        raise RuntimeError("size mismatch")
