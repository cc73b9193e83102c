"""Terms that a language model may choose among."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from spacy_llm.registry import registry

from ..system.hashing import hash_of
from .counterparts import Counterparts
from .models.wording import EXPRESSIONS
from .nearness import Nearness
from .terms import load_terms


class NearTerms:
    """What else could stand in a passage: other values, other names, near terms of other notes.

    path (Path): Training notes (`.spacy`).
    encoder, least, most, size: As `make_near_terms` has them.
    """

    def __init__(self, path: Path, encoder: str, least: float, most: float, size: int) -> None:
        self._path = path
        self._settings = encoder, least, most, size

    @cached_property
    def fingerprint(self) -> str:
        """All that bears on a choice: training notes, the encoder's weights, expressions."""
        files = hash_of([self._path, Path(self._settings[0])], EXPRESSIONS)
        return json.dumps(["clinical_ie.near_terms.v1", 8, files, *self._settings])

    @cached_property
    def _counterparts(self) -> Counterparts:
        encoder, least, most, _ = self._settings
        return Counterparts(load_terms(self._path), Nearness(encoder), least, most)

    def __call__(
        self, terms: Sequence[tuple[str, str]], staying: Iterable[str] = ()
    ) -> list[list[str]]:
        """What may stand in the place of each term of a passage, the nearest first.

        terms (Sequence[tuple[str, str]]): Labels and terms.
        staying (Iterable[str]): Terms of the passage that nothing may take the place of.
        RETURNS (list[list[str]]): Other values and other names, where any term has some; else what
            is near in meaning. None that the passage has already.
        """
        size = self._settings[-1]
        present = {term for _, term in terms}.union(staying)
        for options_of in (self._counterparts.same_as, self._near):
            options = [
                [new for new in options_of(label, term, size) if new not in present]
                for label, term in terms
            ]
            if any(options):
                break
        return options

    def _near(self, label: str, term: str, most: int) -> list[str]:
        return [near for _, near in self._counterparts.near(label, term, most)]


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
