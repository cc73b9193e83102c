"""Batches of training notes, epoch after epoch, which can resume at any batch."""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Self

from spacy.errors import Errors
from spacy.language import Language
from spacy.training import Example

logger = logging.getLogger(__name__)

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]


class Batches(Iterator[list[Example]]):
    """The same batches in the same order as in spaCy's training.

    nlp (Language): The pipeline.
    corpus (Callable[[Language], Iterable[Example]]): Reads the notes.
    batcher (Batcher): Groups them into batches.
    max_epochs (int): 0 for no limit; -1 to read the notes anew in each epoch, in their own order.
    RAISES (ValueError): There are no notes.
    """

    def __init__(
        self,
        nlp: Language,
        corpus: Callable[[Language], Iterable[Example]],
        batcher: Batcher,
        max_epochs: int,
    ) -> None:
        self._read = lambda: corpus(nlp)
        self._batcher, self._sizes = _with_counted_sizes(batcher)
        self._sizes_before = 0
        self._max_epochs = max_epochs
        self._examples = list(corpus(nlp)) if max_epochs >= 0 else []
        if max_epochs >= 0 and not self._examples:
            raise ValueError(Errors.E986)
        self._order = list(range(len(self._examples)))
        self.epoch = 0
        # Batches and notes of this epoch so far.
        self._taken = self._notes = 0
        self._batches = self._of_epoch(shuffled=True)

    @property
    def examples(self) -> Sequence[Example]:
        """All of the notes; none of them if they are read anew in each epoch."""
        return self._examples

    @property
    def state(self) -> dict[str, Any]:
        """What `go_on` needs; it does not include the state of random numbers."""
        return {
            "epoch": self.epoch,
            "taken": self._taken,
            "notes": self._notes,
            "order": list(self._order),
            "sizes": self._sizes_before,
        }

    def go_on(self, state: dict[str, Any]) -> None:
        """Resume with the batch that was next when the state was taken."""
        self.epoch, self._taken, self._notes = state["epoch"], state["taken"], state["notes"]
        self._order = list(state["order"])
        for _ in range(state["sizes"]):
            next(self._sizes)
        # An epoch is shuffled when its first batch is taken.
        self._batches = islice(self._of_epoch(shuffled=not self._taken), self._taken, None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[Example]:
        while (batch := next(self._batches, None)) is None:
            if not self._taken:
                raise ValueError(
                    "training.batcher: it made no batch of all of the training notes; with "
                    "discard_oversize, it leaves out every note that is longer than its size"
                )
            if not self.epoch:
                self._tell_left_out()
            # The state stays that of the end, for a run that is stopped after its last step.
            if self.epoch + 1 == self._max_epochs:
                raise StopIteration
            self.epoch += 1
            self._taken = self._notes = 0
            self._batches = self._of_epoch(shuffled=True)
        self._taken += 1
        self._notes += len(batch)
        return batch

    def _tell_left_out(self) -> None:
        """Warn of the notes that are in no batch of an epoch."""
        if (left_out := len(self._examples) - self._notes) > 0:
            logger.warning(
                "training.batcher: %d of the %d training notes are in no batch, and not learned "
                "from; with discard_oversize, it leaves out those longer than its size",
                left_out,
                len(self._examples),
            )

    def _of_epoch(self, shuffled: bool) -> Iterator[list[Example]]:
        self._sizes_before = self._sizes.taken
        if self._max_epochs < 0:
            yield from self._batcher(self._read())
            return
        # Not before the first batch is requested, as in spaCy, so that random numbers are the same.
        if shuffled:
            random.shuffle(self._order)
        yield from self._batcher([self._examples[place] for place in self._order])


class _Counted(Iterator[Any]):
    """An iterator that counts the values taken from it."""

    def __init__(self, values: Iterator[Any]) -> None:
        self._values = values
        self.taken = 0

    def __next__(self) -> Any:
        value = next(self._values)
        self.taken += 1
        return value


def _with_counted_sizes(batcher: Batcher) -> tuple[Batcher, _Counted]:
    """A spaCy batcher whose schedule of batch sizes, if its config has one, is counted; and that
    schedule, which runs on through all epochs."""
    if isinstance(batcher, partial) and isinstance(batcher.keywords.get("size"), Iterator):
        counted = _Counted(batcher.keywords["size"])
        given = batcher.keywords | {"size": counted}
        return partial(batcher.func, *batcher.args, **given), counted
    return batcher, _Counted(iter(()))
