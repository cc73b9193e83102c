"""What a user sees during downloads: messages, and a bar with rate and remaining time."""

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
    """Receives messages and progress; the library itself prints nothing."""

    def line(self, text: str) -> None:
        """Show a message.

        text (str): One line, without a line break.
        """

    def progress(
        self, label: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Show the progress of a transfer.

        label (str): What is transferred.
        total (int | None): Its size in bytes, if known.
        RETURNS (AbstractContextManager[Callable[[int], None]]): Gives a function to call with the
            number of bytes received so far.
        """


class RichReporter:
    """Shows messages, and on a terminal also progress.

    console (Console | None): Where to write; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def line(self, text: str) -> None:
        # Wrapped lines cannot be copied or searched.
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
    """Show the progress of a transfer by other code or another process, by looking at the disk.

    reporter (Reporter): Receives the progress.
    label (str): What is transferred.
    total (int | None): Its size in bytes, if known.
    measure (Callable[[], int]): Gives the number of bytes received so far.
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
    """Size of the largest file under a folder: what has been received of the current download.

    folder (Path): A folder that may be written to, or removed, at the same time.
    RETURNS (int): Size in bytes; 0 if there is no file.
    """
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                largest = max(largest, Path(parent, name).stat().st_size)
    return largest
