"""A pipeline over the texts of one batch; a text on which it fails does not affect the others."""

from spacy.language import Language

from ..doc import Annotations, annotations_of
from .notes import reason_of

# What was found in a text, or why the pipeline failed on it.
Found = Annotations | str


def run_texts(nlp: Language, texts: list[str]) -> list[Found]:
    """What the pipeline finds in each text, or why it failed on it."""
    # Without it, the vocab keeps every name and number of all notes, until memory is full.
    with nlp.memory_zone():
        return _run_batch(nlp, texts)


def _run_batch(nlp: Language, texts: list[str]) -> list[Found]:
    try:
        found = [annotations_of(doc) for doc in nlp.pipe(texts, batch_size=len(texts) or 1)]
        if len(found) == len(texts):
            return list(found)
    except Exception:
        # One bad text fails its whole batch.
        pass
    return [_run_alone(nlp, text) for text in texts]


def _run_alone(nlp: Language, text: str) -> Found:
    try:
        return annotations_of(nlp(text))
    except Exception as error:
        return reason_of(error)
