"""PyTorch modules inside thinc models, built when their sizes become known."""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BytesIO
from typing import Any, Self

import srsly
import torch
from thinc.api import (
    ArgsKwargs,
    Optimizer,
    PyTorchShim,
    get_torch_default_device,
    torch2xp,
    xp2torch,
)
from thinc.shims import Shim
from thinc.types import Floats2d

# `nlp.pipe(n_process=2)` forks, and a forked child that waits for its parent's OpenMP threads waits
# forever. With one thread it need not wait, and workers should not compete for cores anyway.
# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


@contextmanager
def as_loaded(device: torch.device) -> Iterator[None]:
    """A context in which inference does not depend on the application's own settings of PyTorch.

    device (torch.device): Where the weights are.
    """
    with ExitStack() as stack:
        if torch.get_default_device().type not in {"cpu", device.type}:
            stack.enter_context(device)
        available = torch.amp.is_autocast_available(device.type)
        if available and torch.is_autocast_enabled(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        yield


class AveragedParams:
    """A mixin for shims: evaluate and save with averaged weights, if the optimizer keeps them.

    thinc's own `use_params` looks for keys of another form than its optimizers write, and so
    silently leaves the last weights in place.
    """

    id: int
    _model: Any

    def copy(self) -> Self:
        """A copy with an id of its own. If the ids were the same, the optimizer would mix the two
        up, and a frozen or separate copy of the encoder would get the weights of the other."""
        copied = copy.deepcopy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        return copied

    @contextmanager
    def use_params(self, params: dict[tuple[int, str], Any]) -> Iterator[None]:
        own = {
            name: parameter
            for name, parameter in (self._model.named_parameters() if self._model else ())
            if (self.id, name) in params
        }
        last = {name: parameter.data for name, parameter in own.items()}
        for name, parameter in own.items():
            parameter.data = xp2torch(params[self.id, name], device=parameter.device)
        for module in self._model.modules() if own else ():
            if isinstance(module, torch.nn.RNNBase):
                # For cuDNN, which otherwise copies all weights at every call.
                module.flatten_parameters()
        try:
            yield
        finally:
            for name, parameter in own.items():
                parameter.data = last[name]


class LazyTorchShim(AveragedParams, PyTorchShim):
    """A shim whose module is made at initialization, or when a saved model is loaded.

    thinc's own shim needs the module at construction, when neither the number of labels nor the
    width of the layer below is known.

    make (Callable[..., torch.nn.Module]): Makes the module from its sizes; importable by name, so
        that the shim can be copied and pickled.
    """

    def __init__(self, make: Callable[..., torch.nn.Module]) -> None:
        super().__init__(None)
        self.make = make
        self.sizes: dict[str, int] = {}

    @property
    def is_built(self) -> bool:
        return self._model is not None

    def build(self, **sizes: int) -> None:
        """Make the module for these sizes, with new weights.

        Device and type are set explicitly: the application may have changed PyTorch's defaults.
        """
        self.sizes = sizes
        with torch.device("cpu"):
            module = self.make(**sizes)
        self._model = module.to(get_torch_default_device(), torch.float32)

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run without gradient and dropout.

        thinc's own method puts the module back into training mode afterwards, which would switch on
        dropout in another thread that is still predicting.
        """
        if self._model.training:
            self._model.eval()
        with torch.no_grad(), as_loaded(self.device):
            return self._model(*inputs.args, **inputs.kwargs)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Apply the gradients, as thinc's own method does, but leave the weights where they are:
        cuDNN wants those of an LSTM in one piece, and would copy all of them at every call."""
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            weights, _ = optimizer(
                (self.id, name), torch2xp(parameter.data), torch2xp(parameter.grad)
            )
            parameter.data.copy_(xp2torch(weights, device=parameter.device))
            # Not None: the next batch may have no gradient for it, and its momentum goes on.
            parameter.grad.zero_()

    def to_bytes(self) -> bytes:
        if not self.is_built:
            return srsly.msgpack_dumps({"sizes": {}, "state": b""})
        file = BytesIO()
        torch.save(self._model.state_dict(), file)
        return srsly.msgpack_dumps({"sizes": self.sizes, "state": file.getvalue()})

    def from_bytes(self, bytes_data: bytes) -> "LazyTorchShim":
        message = srsly.msgpack_loads(bytes_data)
        if message["sizes"]:
            self.build(**message["sizes"])
            file = BytesIO(message["state"])
            saved = torch.load(file, map_location=self.device, weights_only=True)
            try:
                self._model.load_state_dict(saved)
            except RuntimeError as error:
                raise ValueError(
                    "the saved weights do not fit the config: settings such as lstm_depth, width "
                    "and hidden belong to the weights, and can be chosen in training only"
                ) from error
        return self


def run_module(
    shim: PyTorchShim, X: Floats2d, is_train: bool, **kwargs: Any
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Run a module on thinc arrays.

    X (Floats2d): The module's first argument; `kwargs` are passed on unchanged.
    RETURNS (tuple): The output, and a callback from its gradient to that of X.
    """
    # Not thinc's default device, which depends on the calling thread.
    X_torch = xp2torch(X, requires_grad=is_train, device=shim.device)
    Y_torch, backprop_torch = shim(ArgsKwargs(args=(X_torch,), kwargs=kwargs), is_train)

    def backprop(dY: Floats2d) -> Floats2d:
        d_torch = xp2torch(dY, device=Y_torch.device)
        gradients = ArgsKwargs(args=((Y_torch,),), kwargs={"grad_tensors": d_torch})
        return torch2xp(backprop_torch(gradients).args[0])

    return torch2xp(Y_torch), backprop
