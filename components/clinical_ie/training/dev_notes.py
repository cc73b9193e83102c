"""Dev notes, evaluated behind a progress bar: hundreds of long ones take minutes."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.progress import Progress, TaskID
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..doc import Annotations, annotate, annotations_of
from ..heads.components import finders
from ..terminal.printable import some_of
from ..terminal.progress import progress_bar
from ..text.columns import text_of
from ..text.sameness import digest_of_words

logger = logging.getLogger(__name__)


class DevNotes:
    """A corpus reader for spaCy's evaluation, which reads all notes before it processes any.

    corpus (Callable[[Language], Iterable[Example]]): Reads the notes.
    learned (Iterable[Example]): What is learned from, where dev notes should not be.
    """

    def __init__(
        self,
        corpus: Callable[[Language], Iterable[Example]],
        learned: Iterable[Example] = (),
    ) -> None:
        self._corpus = corpus
        self._learned = learned
        self._shown: tuple[Progress, TaskID] | None = None
        self._is_checked = False

    def __call__(self, nlp: Language) -> list[Example]:
        """Read the notes anew."""
        examples = with_mentions(nlp, list(self._corpus(nlp)))
        if not self._is_checked:
            self._is_checked = True
            self._check([example.reference for example in examples])
        if self._shown is not None:
            bar, task = self._shown
            bar.update(task, total=len(examples))
        return examples

    def _check(self, docs: Sequence[Doc]) -> None:
        """Tell of dev notes whose scores would mean nothing, or less than they seem to."""
        if not any(annotations_of(doc).mentions for doc in docs):
            logger.warning(
                "no dev note has an annotation: scores on dev say nothing, and no step is "
                "better than another; annotate some, or have dev drawn from the training notes"
            )
        learned = {digest_of_words(text_of(example.reference)) for example in self._learned}
        learned.discard(None)
        known = [doc._.note_id for doc in docs if digest_of_words(text_of(doc)) in learned]
        if known:
            logger.warning(
                "%d of the %d dev notes are among the notes to learn from, word for word (%s): "
                "this makes scores on dev too good; take them out of one of the two",
                len(known),
                len(docs),
                some_of(known),
            )

    @contextmanager
    def shown(self, nlp: Language) -> Iterator[None]:
        """A context that shows how many of these notes have been evaluated."""
        # The bar disappears at the end, to leave room for spaCy's table of training.
        with progress_bar(transient=True) as bar:
            task = bar.add_task("evaluate", total=None)
            self._shown = bar, task
            try:
                with counted(nlp, partial(bar.advance, task)):
                    yield
            finally:
                self._shown = None


def scores_on(docs: Iterable[Doc], nlp: Language, on_note: Callable[[], None]) -> dict[str, Any]:
    """What `nlp.evaluate` gives for gold notes; `on_note` is called after each."""
    with counted(nlp, on_note):
        examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
        return nlp.evaluate(with_mentions(nlp, examples))


def with_mentions(nlp: Language, examples: list[Example]) -> list[Example]:
    """The examples, with the gold mentions on the Docs to be processed if no component finds any:
    a pipeline that only relates mentions is scored on those."""
    if not finders(nlp):
        for example in examples:
            mentions = annotations_of(example.reference).mentions
            annotate(example.predicted, Annotations(mentions))
    return examples


@contextmanager
def counted(nlp: Language, on_note: Callable[[], None]) -> Iterator[None]:
    """A context in which `on_note` is called for each note that a pipeline has processed."""
    pipe = nlp.pipe

    def counting(*args: Any, **kwargs: Any) -> Iterator[Doc]:
        for doc in pipe(*args, **kwargs):
            on_note()
            yield doc

    nlp.pipe = counting  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del nlp.pipe
