"""Returning freed memory that glibc keeps."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from clinical_ie.system import memory

MB = 2**20

pytestmark = pytest.mark.skipif(memory._heap() is None, reason="the C library is not glibc")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def holes(size: int) -> list[bytearray]:
    """Free `size` bytes below memory in use, so that glibc does not return them by itself."""
    blocks = [bytearray(b"x" * 65_536) for _ in range(2 * size // 65_536)]
    return blocks[::2]


def test_what_is_free_goes_back_to_the_system():
    memory.release_memory()
    kept = holes(200 * MB)
    before = resident()
    memory.release_memory()
    assert before - resident() > 150 * MB
    assert kept


def test_a_little_may_stay_for_the_next_step():
    if memory._heap()._info is None:
        pytest.skip("glibc tells what is free since version 2.33")
    memory.release_memory()
    kept = holes(200 * MB)
    before = resident()
    memory.release_memory(keep=400 * MB)
    assert abs(before - resident()) < 10 * MB
    memory.release_memory(keep=100 * MB)
    assert before - resident() > 150 * MB
    assert kept


def test_a_library_that_does_not_tell_gives_back_all(monkeypatch):
    """Like glibc before version 2.33, which does not report free memory."""
    memory.release_memory()
    monkeypatch.setattr(memory._heap(), "_info", None)
    kept = holes(200 * MB)
    before = resident()
    memory.release_memory(keep=400 * MB)
    assert before - resident() > 150 * MB
    assert kept


def test_a_large_encoder_keeps_more_between_its_steps() -> None:
    small, large = np.zeros(10), np.lib.stride_tricks.as_strided(np.zeros(1), (2**27,), (0,))
    assert memory.kept_in_training([small]) == 512 * MB
    assert memory.kept_in_training([small, large]) == 3 * (80 + 1024 * MB)
