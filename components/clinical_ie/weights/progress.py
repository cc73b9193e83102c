"""What a user sees while weights arrive: lines, and a bar with rate and time left."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

POLL_SECONDS = 0.2


class Reporter(Protocol):
    """Takes what the library has to tell; the library itself prints nothing."""

    def line(self, text: str) -> None:
        """Tell one line.

        text (str): The line, without its end.
        """

    def progress(
        self, label: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Follow one transfer.

        label (str): What is transferred.
        total (int | None): Its size in bytes, if known.
        RETURNS (AbstractContextManager[Callable[[int], None]]): Gives a function that takes the
            number of bytes that are there now.
        """


class RichReporter:
    """Tells lines and progress on a terminal; where there is none, lines alone.

    console (Console | None): Where to write; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def line(self, text: str) -> None:
        # A wrapped line could neither be copied nor searched.
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        if not self._console.is_terminal:
            yield lambda done: None
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.update(task, completed=done)


@contextmanager
def watch(
    reporter: Reporter, label: str, total: int | None, measure: Callable[[], int]
) -> Iterator[None]:
    """Follow a transfer that some other code or process makes, by looking at the disk.

    reporter (Reporter): Who is told.
    label (str): What is transferred.
    total (int | None): Its size in bytes, if known.
    measure (Callable[[], int]): Counts the bytes that are there now.
    """
    ended = threading.Event()

    def poll(update: Callable[[int], None]) -> None:
        while not ended.wait(POLL_SECONDS):
            done = measure()
            update(done if total is None else min(done, total))

    with reporter.progress(label, total) as update:
        thread = threading.Thread(target=poll, args=(update,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def largest_under(folder: Path) -> int:
    """Size of the largest file under a folder: what has arrived of the one that is on its way.

    folder (Path): A folder that others may be writing in, or removing.
    RETURNS (int): Bytes; 0 if there is no file.
    """
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                largest = max(largest, Path(parent, name).stat().st_size)
    return largest
