"""PyTorch in processes that were made by fork."""

import subprocess
import sys

import pytest

FORK = """
import multiprocessing
import torch
import clinical_ie.torch_shim

def multiply(queue):
    queue.put(float((torch.ones(800, 800) @ torch.ones(800, 800)).exp().repeat(8, 1).tanh().sum()))

torch.set_num_threads(2)
context = multiprocessing.get_context("fork")
here, there = context.SimpleQueue(), context.SimpleQueue()
multiply(here)
worker = context.Process(target=multiply, args=(there,), daemon=True)
worker.start()
worker.join(60)
assert not worker.is_alive(), "the worker waits for threads that it does not have"
assert here.get() == there.get()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="worker processes are forked on Linux only")
def test_a_forked_worker_does_not_wait_for_its_parents_threads():
    result = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
