"""Synthetic notes from a schema that a user writes, with any entity and relation types.

For tests at scale: real notes need a data use agreement, and the largest corpora are not available.
The schema is YAML: terms by entity type, relation types, and sections with annotated sentence
patterns, such as

    Started [Drug:d] [Strength -> d] for [Reason -> d].

`notation` describes terms and patterns, `schema` the parts of the file, `lexicon` how terms are
held out for test notes and how terms that go together are found. Terms in braces are not
annotated, as suits denied findings (`Denies {Symptom}.`).
"""

from .corpus import NoteCounts, write_generated_corpus
from .loading import SchemaError, load_schema
from .note import GeneratedNote, Generator
from .schema import SPLITS, Schema

__all__ = [
    "SPLITS",
    "GeneratedNote",
    "Generator",
    "NoteCounts",
    "Schema",
    "SchemaError",
    "load_schema",
    "write_generated_corpus",
]
