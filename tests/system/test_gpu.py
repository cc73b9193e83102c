"""Failures of a GPU."""

import pytest
import torch

from clinical_ie.system import gpu
from clinical_ie.system.gpu import gpu_errors_in_one_line, use_gpu


@pytest.mark.parametrize(
    ("where", "error", "more"),
    [
        ("require_gpu", RuntimeError("cudaErrorInvalidDevice: invalid device ordinal"), ""),
        ("get_torch_default_device", AssertionError("Torch not compiled with CUDA enabled"), ""),
        (
            "require_gpu",
            ValueError("Cannot use GPU, CuPy is not installed"),
            '; for CUDA 13, `pip install "clinical-ie[cuda13]"` adds it, for 12, [cuda12]',
        ),
    ],
)
def test_a_gpu_that_cannot_be_used_is_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, more: str
) -> None:
    def failing(*args: object) -> None:
        raise error

    monkeypatch.setattr(gpu, "require_gpu", lambda gpu_id: True)
    monkeypatch.setattr(gpu, where, failing)
    with pytest.raises(ValueError, match="--gpu-id 5 cannot be used") as caught:
        use_gpu(5)
    assert str(caught.value) == f"--gpu-id 5 cannot be used: {error}{more}"


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
