"""Everything that a training run needs to resume as if it had not been stopped, in one file."""

import logging
import os
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy.language import Language
from thinc.api import Model, Optimizer, get_current_ops

from ..encoder.shim import EncoderShim
from ..terminal.signals import interrupts_later

logger = logging.getLogger(__name__)

_PARTS = {"progress", "weights", "optimizer", "chance"}
# Attributes of thinc's optimizer that hold an array for each weight.
_MOMENTS = ("mom1", "mom2", "averages")
_DROPOUT = "dropout_rate"
_Key = tuple[int, str]
# A key that is the same in the next process: layer or module, its position, name of the weight.
_Place = tuple[str, int, str]


class Checkpoint:
    """A file with the weights, the optimizer's state, and the state of random numbers.

    It is replaced atomically, so it is always complete. It holds the current weights, not their
    running mean, which the saved pipelines have. Schedules of batch size and dropout are not saved:
    they are advanced by the number of steps.

    path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """The saved state; None if there is no file, or, with a warning, if it is damaged.

        RAISES (OSError): It cannot be read.
        """
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            try:
                found = torch.load(file, map_location="cpu", weights_only=True)
            except Exception:
                # PyTorch raises errors of any kind for damaged bytes.
                found = None
        if isinstance(found, dict) and found.keys() == _PARTS:
            return found
        logger.warning("%s is damaged: training from the start", self.path)
        return None

    def save(self, nlp: Language, optimizer: Optimizer, progress: dict[str, Any]) -> None:
        """Write the file.

        progress (dict[str, Any]): How far the run is, in plain values.
        RAISES (OSError): It cannot be written, for instance because the disk is full.
        """
        part = self.path.with_name(f"{self.path.name}.part")
        state = {
            "progress": progress,
            "weights": _weights(nlp),
            "optimizer": _moments(nlp, optimizer),
            "chance": _chance(),
        }
        # PyTorch would take Ctrl-C for a file that it cannot write.
        with interrupts_later():
            # Readable by its owner only: weights can reveal the notes they were trained on.
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    torch.save(state, file)
            except (OSError, RuntimeError) as error:
                part.unlink()
                # On a full disk, PyTorch only complains about an unexpected position.
                raise OSError(
                    f"{self.path} could not be written; is the disk full? ({error})"
                ) from error
            part.replace(self.path)

    @staticmethod
    def restore(found: dict[str, Any], nlp: Language, optimizer: Optimizer) -> None:
        """Restore the saved state in a pipeline that was initialized as at the start of the run.

        RAISES (LookupError, TypeError, ValueError, RuntimeError): The state is of another pipeline.
        """
        _set_weights(nlp, found["weights"])
        _set_moments(nlp, optimizer, found["optimizer"])
        _set_gradients(nlp, optimizer)
        _set_chance(found["chance"])


def _layers(nlp: Language) -> Iterator[Model]:
    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        if isinstance(model, Model):
            yield from model.walk()


def _shims(nlp: Language) -> list[Any]:
    """All shims that hold a PyTorch module."""
    shims = (shim for layer in _layers(nlp) for shim in layer.shims)
    return [shim for shim in shims if isinstance(shim._model, torch.nn.Module)]


def _weights(nlp: Language) -> dict[str, list[Any]]:
    return {
        "layers": [
            {
                name: _saved(layer.get_param(name))
                for name in layer.param_names
                if layer.has_param(name)
            }
            for layer in _layers(nlp)
        ],
        # A pipeline is saved with the dropout rates that the last update has set.
        "dropouts": [layer.attrs.get(_DROPOUT) for layer in _layers(nlp)],
        "modules": [shim._model.state_dict() for shim in _shims(nlp)],
    }


def _set_weights(nlp: Language, weights: dict[str, list[Any]]) -> None:
    for layer, values in zip(_layers(nlp), weights["layers"], strict=True):
        for name, value in values.items():
            layer.set_param(name, _restored(value))
    for layer, dropout in zip(_layers(nlp), weights["dropouts"], strict=True):
        if dropout is not None:
            layer.attrs[_DROPOUT] = dropout
    for shim, values in zip(_shims(nlp), weights["modules"], strict=True):
        shim._model.load_state_dict(values)


def _places(nlp: Language) -> dict[_Key, _Place]:
    """The place of each weight, by the optimizer's key, which is valid in this process only."""
    found: dict[_Key, _Place] = {}
    for place, layer in enumerate(_layers(nlp)):
        found |= {(layer.id, name): ("layer", place, name) for name in layer.param_names}
    for place, shim in enumerate(_shims(nlp)):
        names = (name for name, _ in shim._model.named_parameters())
        found |= {(shim.id, name): ("module", place, name) for name in names}
    return found


def _moments(nlp: Language, optimizer: Optimizer) -> dict[str, Any]:
    places = _places(nlp)
    kept: dict[str, Any] = {
        name: {places[key]: _saved(array) for key, array in getattr(optimizer, name).items()}
        for name in _MOMENTS
        if getattr(optimizer, name) is not None
    }
    kept["nr_update"] = {places[key]: count for key, count in optimizer.nr_update.items()}
    return kept


def _set_moments(nlp: Language, optimizer: Optimizer, kept: dict[str, Any]) -> None:
    keys = {place: key for key, place in _places(nlp).items()}
    for name in _MOMENTS:
        if name in kept:
            arrays = {keys[place]: _restored(value) for place, value in kept[name].items()}
            getattr(optimizer, name).update(arrays)
    optimizer.nr_update.update({keys[place]: n for place, n in kept["nr_update"].items()})


def _set_gradients(nlp: Language, optimizer: Optimizer) -> None:
    """Give each weight that was ever updated a gradient of 0, as after an update.

    The optimizer updates whatever has a gradient: by its momentum, for instance, where a batch has
    no relation candidates.
    """
    for layer in _layers(nlp):
        for name in layer.param_names:
            if optimizer.nr_update.get((layer.id, name)):
                layer.set_grad(name, layer.ops.alloc(layer.get_param(name).shape))
    for shim in _shims(nlp):
        # The encoder has none after an update.
        if not isinstance(shim, EncoderShim):
            for name, parameter in shim._model.named_parameters():
                if optimizer.nr_update.get((shim.id, name)):
                    parameter.grad = torch.zeros_like(parameter)


def _chance() -> dict[str, Any]:
    """The states of all random number generators, except CuPy's, which cannot be read."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
        # Of the GPU that is trained on: another machine may have more of them, or fewer.
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
    }


def _set_chance(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(state["cuda"])


def _saved(array: Any) -> torch.Tensor:
    with warnings.catch_warnings():
        # PyTorch warns of read-only arrays, but nothing is written to them here.
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.ascontiguousarray(get_current_ops().to_numpy(array)))


def _restored(tensor: torch.Tensor) -> Any:
    return get_current_ops().asarray(tensor.numpy())
