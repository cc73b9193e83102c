"""spaCy's limit on the length of a text."""

from spacy.language import Language

LONGEST_TEXT = 10**9


def lift_length_limit(nlp: Language) -> None:
    """Let the pipeline read notes of any length.

    spaCy refuses texts of more than a million characters because its own parser and entity
    recognizer need a gigabyte for a tenth of that. No component of this project does.
    """
    nlp.max_length = max(nlp.max_length, LONGEST_TEXT)
