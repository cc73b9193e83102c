"""Terms that a language model may choose among."""

import hashlib
import json
from functools import cached_property
from pathlib import Path

from spacy_llm.registry import registry

from .counterparts import Counterparts
from .nearness import Nearness
from .terms import load_terms


class NearTerms:
    """From a label and a term to terms of the training notes that are near it in meaning.

    path (Path): Training notes (`.spacy`).
    encoder, least, most, size: As `make_near_terms` has them.
    """

    def __init__(self, path: Path, encoder: str, least: float, most: float, size: int) -> None:
        self._path = path
        self._settings = encoder, least, most, size

    @cached_property
    def fingerprint(self) -> str:
        """All that bears on a choice."""
        train = hashlib.sha256(self._path.read_bytes()).hexdigest()
        return json.dumps(["clinical_ie.near_terms.v1", train, *self._settings])

    @cached_property
    def _counterparts(self) -> Counterparts:
        encoder, least, most, _ = self._settings
        return Counterparts(load_terms(self._path), Nearness(encoder), least, most)

    def __call__(self, label: str, term: str) -> list[str]:
        """The nearest first; none where no term is near."""
        return [near for _, near in self._counterparts.near(label, term, self._settings[-1])]


@registry.llm_misc("clinical_ie.near_terms.v1")
def make_near_terms(
    terms: str | Path, encoder: str, least: float = 0.5, most: float = 0.93, size: int = 8
) -> NearTerms:
    """Registered as `clinical_ie.near_terms.v1`.

    terms (str | Path): Training notes (`.spacy`).
    encoder (str): An encoder of sentences, a folder or a name on the hub.
    least, most (float): Cosines between which a term counts as near; where a number changes, there
        is no most.
    size (int): So many terms at most.
    """
    return NearTerms(Path(terms), encoder, least, most, size)
