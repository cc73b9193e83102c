"""PyTorch in forked processes."""

import subprocess
import sys
from threading import Thread

import numpy as np
import pytest
import torch
from thinc.api import Adam, ArgsKwargs

from clinical_ie import torch_shim
from clinical_ie.torch_shim import LazyTorchShim, run_module

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


class WhileAnotherReads(torch.nn.Module):
    """Lets another thread predict with the same shim first."""

    shim: LazyTorchShim

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.outermost = True

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if self.outermost:
            self.outermost = False
            other = Thread(target=self.shim.predict, args=(ArgsKwargs((X,), {}),))
            other.start()
            other.join()
        return torch.nn.functional.dropout(X, 0.9, self.training)


def test_threads_that_read_at_once_have_no_dropout():
    shim = LazyTorchShim(WhileAnotherReads)
    shim.build(size=4)
    shim._model.shim = shim
    X = torch.ones(100, 4)
    assert torch.equal(shim(ArgsKwargs((X,), {}), is_train=False)[0], X)
    trained = shim(ArgsKwargs((X.requires_grad_(),), {}), is_train=True)[0]
    assert not torch.equal(trained, X)


def test_arrays_go_where_the_weights_are():
    """Other threads default to the CPU, even if one chose the GPU. `meta` stands in for a GPU."""
    shim = LazyTorchShim(torch.nn.Linear)
    shim.build(in_features=3, out_features=2)
    shim._model.to("meta")
    seen = []
    shim._model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].device.type))
    with pytest.raises(NotImplementedError, match="meta"):
        run_module(shim, np.ones((4, 3), dtype="f"), is_train=False)
    assert seen == ["meta"]


def test_gradients_go_where_the_output_is(monkeypatch):
    shim = LazyTorchShim(torch.nn.Linear)
    shim.build(in_features=3, out_features=2)
    shim._model.to("meta")
    # Tensors on this device have no values, so they cannot become arrays.
    monkeypatch.setattr(torch_shim, "torch2xp", lambda tensor: tensor)
    _, backprop = run_module(shim, np.ones((4, 3), dtype="f"), is_train=True)
    gradient = backprop(np.ones((4, 2), dtype="f"))
    assert (gradient.device.type, gradient.shape) == ("meta", (4, 3))


def test_weights_of_another_shape_are_told_by_what_decides_it():
    saved = LazyTorchShim(torch.nn.Linear)
    saved.build(in_features=2, out_features=3)
    other = LazyTorchShim(_Deeper)
    with pytest.raises(ValueError, match="settings such as lstm_depth, width and hidden belong"):
        other.from_bytes(saved.to_bytes())


class _Deeper(torch.nn.Linear):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.more = torch.nn.Linear(1, 1)


def in_one_piece(module: torch.nn.Module) -> torch.Tensor:
    """Lay the weights of a module out as cuDNN wants those of an LSTM."""
    weights = list(module.parameters())
    piece = torch.cat([each.data.flatten() for each in weights])
    for each, part in zip(weights, piece.split([each.numel() for each in weights]), strict=True):
        each.data = part.view(each.shape)
    return piece


def test_weights_stay_in_one_piece_through_training_and_averaging():
    shim = LazyTorchShim(torch.nn.Linear)
    shim.build(in_features=3, out_features=2)
    piece = in_one_piece(shim._model)
    optimizer = Adam(0.1, use_averages=True)
    before = piece.clone()
    for _ in range(2):
        _, backprop = run_module(shim, np.ones((4, 3), dtype="f"), is_train=True)
        backprop(np.ones((4, 2), dtype="f"))
        shim.finish_update(optimizer)
    assert not torch.equal(piece, before)
    last = piece.clone()
    places = [each.data_ptr() for each in shim._model.parameters()]
    pieces = {each.untyped_storage().data_ptr() for each in shim._model.parameters()}
    assert pieces == {piece.untyped_storage().data_ptr()}
    with shim.use_params(optimizer.averages):
        assert not torch.equal(shim._model.weight.flatten(), last[:6])
    assert [each.data_ptr() for each in shim._model.parameters()] == places
    assert torch.equal(piece, last)


def test_averaged_weights_of_an_lstm_are_put_into_one_piece(monkeypatch):
    calls = []
    shim = LazyTorchShim(torch.nn.LSTM)
    shim.build(input_size=3, hidden_size=2)
    monkeypatch.setattr(torch.nn.LSTM, "flatten_parameters", lambda self: calls.append(self))
    averages = {(shim.id, name): p.detach().numpy() for name, p in shim._model.named_parameters()}
    with shim.use_params(averages):
        assert calls == [shim._model]
