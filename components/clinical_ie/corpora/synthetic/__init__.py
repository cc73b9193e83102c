"""A synthetic corpus of discharge summaries in the schema of n2c2-2018 Track 2.

For demos and tests: real notes need a data use agreement. Every sentence and list was written for
this project. The problems, medicines and sentences of test notes never occur in train notes.

Conventions of the annotation, which follow n2c2-2018:

- A medicine is a Drug wherever it is named, including as a class ("NSAIDs") or as an allergy.
- An attribute is annotated when it belongs to a named drug, including stopped drugs.
- A problem is a Reason when the note says that a drug was given for it, an ADE when it says that a
  drug caused it; problems that are merely listed or denied are not annotated.
- The amount in a tablet, puff or patch is a Strength, the number of these a Dosage. A medicine that
  is given by amount (infusion, injection, liquid) has only a Dosage.
"""

from .corpus import write_corpus
from .folder import MANIFEST, ChangedNotesError
from .lexicon import POOLS, load_pool
from .note import SyntheticNote, generate_note

__all__ = [
    "MANIFEST",
    "POOLS",
    "ChangedNotesError",
    "SyntheticNote",
    "generate_note",
    "load_pool",
    "write_corpus",
]
