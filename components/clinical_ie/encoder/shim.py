"""The transformer inside the thinc model."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, cast

import srsly
import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import ArgsKwargs, Optimizer, torch2xp, xp2torch
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig

from ..torch_shim import AveragedParams, as_loaded
from .attention import PlainAttention
from .loading import run_anywhere
from .reading import Precision, bfloat16_pays, reading_copy
from .saved import without_code

logger = logging.getLogger(__name__)

Backprop = Callable[[torch.Tensor], None]

# Only one thread at a time makes a copy for inference: the first requests of a service come at
# once, and each would pack all weights for itself.
_MAKING = Lock()
# A child forked in the meantime would wait for a thread that it does not have.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_MAKING.release
    )


class EncoderShim(AveragedParams, HFShim):
    """Holds and saves a Hugging Face model, and trains it at its own learning rate.

    learn_rate_scale (float): Factor of the optimizer's learning rate. A pretrained encoder needs
        about a tenth of the rate of new heads.
    layer_decay (float): Each layer's learning rate relative to that of the layer above, since
        lower layers are more general.
    precision (Precision): Of inference; it does not affect training and saving.
    mixed_precision (bool): Train in bfloat16 where that is faster. Its range is that of
        float32, so no gradient scaling is needed.
    freeze_embeddings (bool): Do not train the word embeddings.
    """

    def __init__(
        self,
        hf_model: HFObjects,
        learn_rate_scale: float,
        layer_decay: float,
        precision: Precision,
        mixed_precision: bool,
        freeze_embeddings: bool,
    ) -> None:
        # A new dict: HFShim modifies the one it gets, and its default is shared.
        super().__init__(hf_model, mixed_precision=False, grad_scaler_config={"enabled": False})
        self.learn_rate_scale = learn_rate_scale
        self.layer_decay = layer_decay
        # The copy for inference: made when first needed, dropped when weights or precision change.
        self._reader: torch.nn.Module | None = None
        self.read_with(precision)
        self._awaits_gradient = False
        self._told = False
        self.bfloat16 = mixed_precision
        self.freeze_embeddings = freeze_embeddings

    @property
    def is_loaded(self) -> bool:
        return self._model is not None

    @property
    def tokenizer(self) -> Any:
        return self._hfmodel.tokenizer

    @property
    def config(self) -> Any:
        return self._model.config

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The encoder's weights."""
        return cast(Iterator[torch.nn.Parameter], self._model.parameters())

    def load(self, hf_model: HFObjects) -> None:
        """Take over a model that was just loaded."""
        self._hfmodel = hf_model
        self._model = hf_model.transformer
        self._reader = None
        # Otherwise the folder it came from would be saved with the pipeline.
        self.config._name_or_path = ""
        self._freeze()

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        message = srsly.msgpack_loads(bytes_data)
        if without_code(message):
            bytes_data = srsly.msgpack_dumps(message)
        self.config_cls = _ExactConfig(message["config"])
        # Only the bytes are needed from here on.
        del message
        super().from_bytes(bytes_data)
        self._reader = None
        if self.is_loaded:
            # A temporary folder, whose name would make identical runs differ.
            self.config._name_or_path = ""
            self._freeze()
        return self

    def read(self, inputs: ArgsKwargs, is_train: bool, recompute: bool) -> tuple[Any, Backprop]:
        """The hidden states of a batch, and a callback that takes their gradient.

        inputs (ArgsKwargs): Arguments of the Hugging Face model.
        recompute (bool): Gradient checkpointing: keep only the inputs for the backward pass, and
            run the batch again there, with the same dropout. The gradient is the same, and
            memory does not grow with the number of batches.
        """
        if not is_train:
            with torch.no_grad(), as_loaded(self.device):
                reader = self._reader
                if reader is None:
                    reader = self._make_reader()
                hidden = _hidden(reader, inputs.kwargs)
            return hidden.float(), _no_gradient
        self._model.train()
        with torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=self.bfloat16 and bfloat16_pays(self.device),
        ):
            try:
                if recompute:
                    hidden = checkpoint(_hidden, self._model, inputs.kwargs, use_reentrant=False)
                else:
                    hidden = _hidden(self._model, inputs.kwargs)
            except RuntimeError as error:
                if self.bfloat16 and "BFloat16" in str(error):
                    raise ValueError(
                        f"a model of type {self.config.model_type} cannot be trained in bfloat16 "
                        f"({' '.join(str(error).split())}); set mixed_precision = false"
                    ) from error
                raise
        # Models that normalize their last layer in bfloat16 give it back in bfloat16.
        hidden = hidden.float()

        def backprop(gradient: torch.Tensor) -> None:
            torch.autograd.backward((hidden,), (gradient,))

        return hidden, backprop

    def _make_reader(self) -> torch.nn.Module:
        with _MAKING:
            # Another thread may have made it while this one waited.
            if self._reader is None:
                self._reader = reading_copy(self._model, self.precision)
            return self._reader

    def read_with(self, precision: Precision) -> None:
        """Choose the precision of inference."""
        self.precision = "bfloat16" if precision == "bf16" else precision
        self._reader = None

    def await_gradient(self) -> None:
        """Record that a batch was read for training and a gradient is due.

        If none came for the batch before, warn once: spaCy skips the encoder's backward pass if
        the component that would start it is excluded or frozen.
        """
        if self._awaits_gradient and not self._told:
            self._told = True
            logger.warning(
                "the encoder learned nothing from the last batch: its backward pass is started by "
                "the last component in the pipeline that shares it, which is excluded, frozen or "
                "not updated; first give that component an encoder of its own, with "
                'nlp.replace_listeners("tok2vec", NAME, ["model.tok2vec"])'
            )
        self._awaits_gradient = True

    def gradient_came(self) -> None:
        self._awaits_gradient = False

    @contextmanager
    def use_params(self, params: dict[tuple[int, str], Any]) -> Iterator[None]:
        with super().use_params(params):
            self._reader = None
            try:
                yield
            finally:
                self._reader = None

    def __getstate__(self) -> dict[str, Any]:
        # Packed weights cannot be pickled; the copy is made again when it is needed.
        return {**self.__dict__, "_reader": None}

    def finish_update(self, optimizer: Optimizer) -> None:
        self._reader = None
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            weights, _ = optimizer(
                (self.id, name),
                torch2xp(parameter.data),
                torch2xp(parameter.grad),
                lr_scale=self.learn_rate_scale * self.layer_decay ** self._depth(name),
            )
            parameter.data = xp2torch(weights, device=parameter.device)
            parameter.grad = None

    def _depth(self, name: str) -> int:
        """The number of layers above a weight; all layers are above the embeddings."""
        n_layers = getattr(self.config, "num_hidden_layers", 0)
        layer = re.search(r"\blayers?\.(\d+)\.", name)
        if layer is not None:
            return n_layers - 1 - int(layer[1])
        return n_layers if "embeddings" in name else 0

    def _freeze(self) -> None:
        if self.freeze_embeddings:
            self._model.get_input_embeddings().weight.requires_grad = False


class _ExactConfig:
    """Reads a saved config with all digits, for a model that runs on any machine.

    HFShim writes the config to a temporary file, where 1e-12, the epsilon of BERT's layer
    normalization, becomes zero.
    values (dict[str, Any]): The config as it was saved.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def from_pretrained(self, path: Path) -> Any:
        config = AutoConfig.from_pretrained(path)
        run_anywhere(config)
        for name, value in self.values.items():
            if isinstance(value, float):
                setattr(config, name, value)
        return config


def _hidden(model: torch.nn.Module, arguments: dict[str, Any]) -> Any:
    # Only where it changes anything: it looks at every call, which for a short text takes a
    # twentieth of the time.
    in_bfloat16 = torch.is_autocast_enabled("cpu") or (
        next(model.parameters()).dtype is torch.bfloat16
    )
    with PlainAttention() if in_bfloat16 else nullcontext():
        return model(**arguments).last_hidden_state


def _no_gradient(gradient: torch.Tensor) -> None:
    raise RuntimeError("predictions have no gradient")
