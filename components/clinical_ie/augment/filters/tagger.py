"""A second opinion from a pipeline that was trained on the original notes."""

from functools import cached_property
from pathlib import Path

import spacy
from spacy.language import Language
from spacy_llm.registry import registry

from ...doc import Mention, annotations_of
from .case import Case, Filter, Passage


class TaggerAgrees:
    """The tagger must find the mentions of a rewrite, and no others, as well as in the source.

    Its errors in the source are its own weakness, so as many are tolerated in the rewrite.

    path (Path): A pipeline with `clinical_ner`, trained without augmentation; loaded for the first
        rewrite.
    max_missed, max_others (int): How many more mentions it may miss, and how many more spurious
        ones it may find, than in the source.
    """

    def __init__(self, path: Path, max_missed: int, max_others: int) -> None:
        self._path = path
        self._max_missed = max_missed
        self._max_others = max_others

    def __call__(self, case: Case) -> str | None:
        """The tagger's objection to a rewrite, or None.

        RAISES (FileNotFoundError): There is no pipeline at the path.
        """
        before, after = (self._compare(passage) for passage in (case.source, case.rewrite))
        if len(after[0]) > len(before[0]) + self._max_missed:
            return f"the tagger misses {after[0][0]}"
        if len(after[1]) > len(before[1]) + self._max_others:
            return f"the tagger finds {after[1][0]}"
        return None

    @cached_property
    def _nlp(self) -> Language:
        if not self._path.is_dir():
            raise FileNotFoundError(f"{self._path}: no such pipeline; `weasel run train` makes it")
        return spacy.load(self._path)

    def _compare(self, passage: Passage) -> tuple[list[str], list[str]]:
        """The mentions that the tagger misses, and those that it finds where there are none."""
        doc = self._nlp(passage.text)
        found = annotations_of(doc).mentions
        missed = [
            f"{passage.covered(mention)!r} ({mention.label})"
            for mention in passage.mentions
            if not any(m.label == mention.label and _touch(m, mention) for m in found)
        ]
        others = [
            f"{passage.covered(m)!r} ({m.label})"
            for m in found
            if not any(_touch(m, mention) for mention in passage.mentions)
        ]
        return missed, others


def _touch(one: Mention, other: Mention) -> bool:
    return one.start < other.end and other.start < one.end


@registry.llm_misc("clinical_ie.tagger_agrees.v1")
def make_tagger_agrees(path: str | Path, max_missed: int = 0, max_others: int = 0) -> Filter:
    """Ask a trained pipeline; see `TaggerAgrees`.

    RAISES (ValueError): A bound is below 0.
    """
    if min(max_missed, max_others) < 0:
        raise ValueError("tagger_agrees: max_missed and max_others must be 0 or more")
    return TaggerAgrees(Path(path), max_missed, max_others)
