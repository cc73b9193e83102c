"""A pipeline over the texts of one batch; a text on which it fails does not affect the others."""

from collections.abc import Callable
from typing import TypeVar

from spacy.language import Language
from spacy.tokens import Doc

from ..doc import Annotations
from ..found import found_in
from .notes import reason_of

T = TypeVar("T")
# What was found in a text, or why the pipeline failed on it.
Found = Annotations | str


def run_texts(nlp: Language, texts: list[str]) -> list[Found]:
    """What the pipeline finds in each text, or why it failed on it."""
    return run_each(nlp, texts, lambda doc, _: found_in(doc))


def run_each(nlp: Language, texts: list[str], result: Callable[[Doc, int], T]) -> list[T | str]:
    """What a function makes of each text's Doc, or why it or the pipeline failed on it.

    result (Callable[[Doc, int], T]): Called with the Doc and the position of its text. What it
        returns must not depend on the Doc's vocabulary.
    """
    # Without it, the vocab keeps every name and number of all notes, until memory is full.
    with nlp.memory_zone():
        return _run_batch(nlp, texts, result)


def _run_batch(nlp: Language, texts: list[str], result: Callable[[Doc, int], T]) -> list[T | str]:
    try:
        docs = nlp.pipe(texts, batch_size=len(texts) or 1)
        found = [result(doc, at) for at, doc in enumerate(docs)]
        if len(found) == len(texts):
            return list(found)
    except Exception:
        # One bad text fails its whole batch.
        pass
    return [_run_alone(nlp, text, at, result) for at, text in enumerate(texts)]


def _run_alone(nlp: Language, text: str, at: int, result: Callable[[Doc, int], T]) -> T | str:
    try:
        return result(nlp(text), at)
    except Exception as error:
        return reason_of(error)
