"""How near terms are to each other in meaning, by an encoder of sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..encoder.loading import load_pretrained

Vectors = NDArray[np.float32]

_AT_ONCE = 256
# What encoders of sentences were trained on is not longer; the rest is left out.
_MAX_PIECES = 128


class Nearness:
    """Vectors of terms: the mean of an encoder's vectors over the wordpieces of each.

    That is how encoders such as MiniLM were trained to tell what sentences mean. Vectors of
    training terms are made once and kept.

    encoder (str | Path): A folder of weights, or a name on the hub; loaded when first needed.
    """

    def __init__(self, encoder: str | Path) -> None:
        self._encoder = encoder
        self._loaded: Any = None
        self._vectors: dict[str, Vectors] = {}

    def vectors(self, terms: Sequence[str]) -> Vectors:
        """A vector of length 1 for each term, shape (n_terms, width): products are cosines."""
        # Those of like length together, so that little goes into padding.
        new = sorted({term for term in terms if term not in self._vectors}, key=len)
        for first in range(0, len(new), _AT_ONCE):
            batch = new[first : first + _AT_ONCE]
            self._vectors |= zip(batch, self._encode(batch), strict=True)
        return np.stack([self._vectors[term] for term in terms])

    def cosines(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """How near the texts of each pair are; at least one pair. Nothing is kept: what models
        write has no end."""
        vectors = self._encode([text for pair in pairs for text in pair])
        products: list[float] = (vectors[::2] * vectors[1::2]).sum(axis=1).tolist()
        return products

    def _encode(self, terms: list[str]) -> Vectors:
        if self._loaded is None:
            self._loaded = load_pretrained(str(self._encoder), {}, {})
            self._loaded.transformer.eval()
        tokenizer = self._loaded.tokenizer
        longest = min(_MAX_PIECES, tokenizer.model_max_length)
        # Where the weights are: on a GPU, if the application has asked thinc for one.
        inputs = tokenizer(
            terms, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self._loaded.transformer.device)
        mask = inputs["attention_mask"].unsqueeze(-1)
        with torch.no_grad():
            hidden = self._loaded.transformer(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            ).last_hidden_state
        means = (hidden * mask).sum(1) / mask.sum(1)
        normed: Vectors = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
        return normed
