"""Notes made up from a schema that a user writes: any entity and relation types, any number.

For tests at scale: real notes need a data use agreement, and the largest corpora are nobody's to
give. The schema is YAML: terms by entity type, relation types, and sections with sentence patterns
that carry their marks, such as

    Started [Drug:d] [Strength -> d] for [Reason -> d].

`notation` describes terms and patterns, `schema` the parts of the file, `lexicon` how terms that
only test notes have are held out and how those that go together are found. A finding that is
denied in braces (`Denies {Symptom}.`) is not annotated.
"""

from .corpus import MANIFEST, NoteCounts, write_generated_corpus
from .loading import SchemaError, load_schema
from .note import GeneratedNote, Generator
from .schema import SPLITS, Schema

__all__ = [
    "MANIFEST",
    "SPLITS",
    "GeneratedNote",
    "Generator",
    "NoteCounts",
    "Schema",
    "SchemaError",
    "load_schema",
    "write_generated_corpus",
]
