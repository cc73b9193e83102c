"""The corpus reader for training configs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from pathlib import Path

from spacy.language import Language
from spacy.training import Example

from ..text.limit import lift_length_limit
from .docbin import read_docs

# Examples read within `read_once`, by pipeline and files.
_SHARED: ContextVar[dict[tuple[Path | Language, ...], "_Shared"] | None] = ContextVar(
    "shared", default=None
)


class NotesReader:
    """Notes from `.spacy` files, as examples whose predicted side is tokenized by the pipeline.

    path (Path): A `.spacy` file.
    more (Path | None): Another file, read after it, such as augmented notes.
    times (int): How often the first file is read for each time that the other is, so that the
        notes of people are not lost among many of machines. Without another file, once.
    """

    def __init__(self, path: Path, more: Path | None = None, times: int = 1) -> None:
        self.paths = [path] if more is None else [*[path] * times, more]

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the notes; within `read_once`, reuse those that another reader has read.

        RAISES (FileNotFoundError): A file is missing.
        RAISES (ValueError): The first file holds no notes.
        """
        shared = _SHARED.get()
        if shared is None:
            return self._read(nlp)
        key: tuple[Path | Language, ...] = (nlp, *self.paths)
        if key not in shared:
            shared[key] = _Shared(self._read(nlp))
        return iter(shared[key])

    def _read(self, nlp: Language) -> Iterator[Example]:
        # This project's heads lift it too, but spaCy's own components, which can be trained beside
        # them, do not.
        lift_length_limit(nlp)
        for path in self.paths:
            if path != self.paths[0] and not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; `weasel run augment` makes it")
            references = read_docs(path, nlp.vocab)
            if not references and path == self.paths[0]:
                raise ValueError(f"{path} holds no notes")
            for reference in references:
                yield Example(nlp.make_doc(reference.text), reference)


class _Shared:
    """Examples that are read once, when they are first needed."""

    def __init__(self, examples: Iterator[Example]) -> None:
        self._unread = examples
        self._read: list[Example] = []

    def __iter__(self) -> Iterator[Example]:
        for place in count():
            if place == len(self._read):
                try:
                    self._read.append(next(self._unread))
                except StopIteration:
                    return
            yield self._read[place]


@contextmanager
def read_once() -> Iterator[None]:
    """A block in which all readers of the same notes for one pipeline share the examples.

    spaCy has each component read the training notes for its initialization (one reads them twice),
    and training reads them again: on large corpora, this took minutes before the first step.
    """
    before = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(before)


def make_notes_reader(
    path: str | Path | None, more: str | Path | None = None, times: int = 1
) -> Callable[[Language], Iterator[Example]]:
    """Make the reader `clinical_ie.Notes.v1`; see `NotesReader`.

    RAISES (ValueError): No path was given in the config or on the command line, or `times` is less
        than 1.
    """
    if times < 1:
        raise ValueError(f"clinical_ie.Notes.v1: times is {times}; expected 1 or more")
    if path is None:
        raise ValueError(
            "clinical_ie.Notes.v1: path is null; give --paths.train and --paths.dev, "
            "as the workflow does"
        )
    # A config gives plain strings.
    return NotesReader(Path(path), Path(more) if more is not None else None, times)
