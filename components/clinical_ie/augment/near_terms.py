"""The terms that a language model may choose from."""

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
    """Finds replacements for terms of a passage: other values, synonyms, near terms of other notes.

    path (Path): Training notes (`.spacy`).
    encoder, least, most, size: See `make_near_terms`.
    """

    def __init__(self, path: Path, encoder: str, least: float, most: float, size: int) -> None:
        self._path = path
        self._settings = encoder, least, most, size

    @cached_property
    def fingerprint(self) -> str:
        """Everything that affects a choice: training notes, the encoder's weights, expressions."""
        files = hash_of([self._path, Path(self._settings[0])], EXPRESSIONS)
        return json.dumps(["clinical_ie.near_terms.v1", 9, files, *self._settings])

    @cached_property
    def _counterparts(self) -> Counterparts:
        encoder, least, most, _ = self._settings
        return Counterparts(load_terms(self._path), Nearness(encoder), least, most)

    def __call__(
        self, terms: Sequence[tuple[str, str]], staying: Iterable[str] = ()
    ) -> list[list[str]]:
        """The possible replacements of each term of a passage, the nearest first.

        terms (Sequence[tuple[str, str]]): Labels and terms.
        staying (Iterable[str]): Terms of the passage that must stay.
        RETURNS (list[list[str]]): Synonyms and other values if any term has some, otherwise terms
            near in meaning; without those that the passage already contains.
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
    encoder (str): A sentence encoder: a folder or a name on the hub.
    least, most (float): Range of the cosine of a near term; terms with numbers have no upper limit.
    size (int): Maximum number of replacements for a term.
    """
    return NearTerms(Path(terms), encoder, least, most, size)
