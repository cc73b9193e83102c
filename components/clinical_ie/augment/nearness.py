"""Measures how near terms are in meaning, with a sentence encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..encoder.loading import load_pretrained

Vectors = NDArray[np.float32]

_AT_ONCE = 256
# Sentence encoders are trained on texts no longer than this; the rest is cut off.
_MAX_PIECES = 128


class Nearness:
    """Vectors of terms: the mean of an encoder's vectors over the wordpieces of each.

    Sentence encoders such as MiniLM were trained with this pooling. Vectors of training terms are
    computed once and cached.

    encoder (str | Path): A folder of weights, or a name on the hub; loaded when first needed.
    """

    def __init__(self, encoder: str | Path) -> None:
        self._encoder = encoder
        self._loaded: Any = None
        self._vectors: dict[str, Vectors] = {}

    def vectors(self, terms: Sequence[str]) -> Vectors:
        """Unit vectors of terms, shape (n_terms, width): their dot products are cosines."""
        # Terms of similar length share a batch, to save padding.
        new = sorted({term for term in terms if term not in self._vectors}, key=len)
        for first in range(0, len(new), _AT_ONCE):
            batch = new[first : first + _AT_ONCE]
            self._vectors |= zip(batch, self._encode(batch), strict=True)
        return np.stack([self._vectors[term] for term in terms])

    def cosines(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of each pair of texts; at least one pair. Nothing is cached, since what models
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
        # The weights are on a GPU if the application has told thinc to use one.
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
