"""The notes that a pipeline is scored on."""

from pathlib import Path

from spacy.tokens import Doc

from ..corpora.docbin import read_docs


def notes_to_score(gold: Path, fallback: Path | None) -> tuple[Path, list[Doc]]:
    """The notes of a test split, or else those of dev.

    gold, fallback (Path): `.spacy` files. The second is used if the first is missing or empty.
    RETURNS (tuple[Path, list[Doc]]): The file that was used, and its notes.
    RAISES (OSError): There are no notes in either.
    """
    docs = read_docs(gold) if gold.is_file() else []
    if not docs and fallback is not None:
        gold, docs = fallback, read_docs(fallback)
    if not docs:
        raise FileNotFoundError(f"{gold}: no notes to score on")
    return gold, docs
