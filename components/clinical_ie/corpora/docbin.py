"""Docs in `.spacy` files, with everything the annotation layer keeps on them."""

from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .. import doc as _annotation_layer  # noqa: F401  (declares doc._.relations and the others)

# SENT_START goes only where no HEAD goes: spaCy would read the heads of an unparsed Doc as
# "every token is its own sentence".
ATTRIBUTES = ("ORTH", "SPACY", "SENT_START", "ENT_IOB", "ENT_TYPE", "ENT_ID", "ENT_KB_ID")


def read_docs(path: Path, vocab: Vocab | None = None) -> list[Doc]:
    """The Docs of a `.spacy` file, in order.

    RAISES (FileNotFoundError): No such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `weasel run convert` makes it")
    return list(DocBin().from_disk(path).get_docs(vocab or Vocab()))


def write_docs(docs: Iterable[Doc], path: Path) -> None:
    """Write Docs to a `.spacy` file; the file appears whole or not at all."""
    docbin = DocBin(attrs=ATTRIBUTES, store_user_data=True, docs=docs)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(docbin.to_bytes())
    part.replace(path)
