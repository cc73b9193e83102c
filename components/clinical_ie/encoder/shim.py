"""The transformer inside the thinc model."""

from typing import Any

import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import ArgsKwargs, Optimizer, torch2xp, xp2torch


class EncoderShim(HFShim):
    """Holds and saves a Hugging Face model, and trains it at its own rate.

    learn_rate_scale (float): Times the optimizer's rate. A pre-trained encoder wants about a tenth
        of the rate of heads that start from nothing.
    mixed_precision (bool): Train in bfloat16 where the hardware has it. Its range is that of
        float32, so no gradient scaling is needed.
    freeze_embeddings (bool): Leave the word embeddings as they are.
    """

    def __init__(
        self,
        hf_model: HFObjects,
        learn_rate_scale: float,
        mixed_precision: bool,
        freeze_embeddings: bool,
    ) -> None:
        # A dict of our own: HFShim writes into the one it is given, and its default is shared.
        super().__init__(hf_model, mixed_precision=False, grad_scaler_config={"enabled": False})
        self.learn_rate_scale = learn_rate_scale
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

    def load(self, hf_model: HFObjects) -> None:
        """Take in a freshly loaded model."""
        self._hfmodel = hf_model
        self._model = hf_model.transformer
        self._freeze()

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        super().from_bytes(bytes_data)
        if self.is_loaded:
            self._freeze()
        return self

    def begin_update(self, inputs: ArgsKwargs) -> Any:
        with torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=self.bfloat16 and has_bfloat16(self.device),
        ):
            return super().begin_update(inputs)

    def finish_update(self, optimizer: Optimizer) -> None:
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            weights, _ = optimizer(
                (self.id, name),
                torch2xp(parameter.data),
                torch2xp(parameter.grad),
                lr_scale=self.learn_rate_scale,
            )
            parameter.data = xp2torch(weights, device=parameter.device)
            parameter.grad = None

    def _freeze(self) -> None:
        if self.freeze_embeddings:
            self._model.get_input_embeddings().weight.requires_grad = False


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is done in hardware; elsewhere it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
