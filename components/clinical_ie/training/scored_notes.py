"""The notes that a pipeline is scored on."""

import logging
from pathlib import Path

from spacy.tokens import Doc

from ..corpora.docbin import read_docs
from ..doc import annotations_of

logger = logging.getLogger(__name__)


def notes_to_score(gold: Path, fallback: Path | None) -> tuple[Path, list[Doc]]:
    """The notes of a test split, or else those of dev; that none has an annotation is told.

    gold, fallback (Path): `.spacy` files. The second is used if the first is missing or empty.
    RETURNS (tuple[Path, list[Doc]]): The file that was used, and its notes.
    RAISES (OSError): There are no notes in either.
    """
    docs = read_docs(gold) if gold.is_file() else []
    if not docs and fallback is not None:
        gold, docs = fallback, read_docs(fallback)
    if not docs:
        raise FileNotFoundError(f"{gold}: no notes to score on")
    if not any(annotations_of(doc).mentions for doc in docs):
        logger.warning("%s: no note has an annotation: there is nothing to score against", gold)
    return gold, docs
