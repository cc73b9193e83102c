"""The corpus reader that training configs name."""

from collections.abc import Callable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.training import Example

from ..text.limit import lift_length_limit
from .docbin import read_docs


class NotesReader:
    """Notes from `.spacy` files, as examples whose predicted side is tokenized by the pipeline.

    path (Path): A `.spacy` file.
    more (Path | None): Another one, read after it: augmented notes.
    """

    def __init__(self, path: Path, more: Path | None = None) -> None:
        self.paths = [path] if more is None else [path, more]

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the notes anew.

        RAISES (FileNotFoundError): A file is missing.
        RAISES (ValueError): There is no note in the first one.
        """
        # The heads lift it as well; spaCy's own, which can be trained beside them, do not.
        lift_length_limit(nlp)
        for path in self.paths:
            if path != self.paths[0] and not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; `weasel run augment` makes it")
            references = read_docs(path, nlp.vocab)
            if not references and path == self.paths[0]:
                raise ValueError(f"{path} holds no notes")
            for reference in references:
                yield Example(nlp.make_doc(reference.text), reference)


def make_notes_reader(
    path: str | Path | None, more: str | Path | None = None
) -> Callable[[Language], Iterator[Example]]:
    """Make the reader `clinical_ie.Notes.v1`.

    RAISES (ValueError): No path was given in the config or on the command line.
    """
    if path is None:
        raise ValueError(
            "clinical_ie.Notes.v1: path is null; give --paths.train and --paths.dev, "
            "as the workflow does"
        )
    # A config gives plain strings.
    return NotesReader(Path(path), Path(more) if more is not None else None)
