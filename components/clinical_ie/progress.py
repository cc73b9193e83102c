"""One look for everything that takes long: a bar with a rate and the time left."""

import time
from collections.abc import Generator, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 60


class RateColumn(ProgressColumn):
    """Finished items a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-/s", style="progress.data.speed")


class _Bar(Progress):
    """A bar; where there is no terminal to draw it on, such as in a batch job, a line a minute."""

    _told = 0.0

    def start(self) -> None:
        super().start()
        self._told = time.monotonic()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **fields: Any) -> None:
        super().update(task_id, **fields)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        now = time.monotonic()
        if self.console.is_terminal or now - self._told < SECONDS_BETWEEN_LINES:
            return
        self._told = now
        task = self._tasks[task_id]
        total = "" if task.total is None else f" of {task.total:,.0f}"
        speed = f", {task.speed:,.2f}/s" if task.speed else ""
        left = task.time_remaining
        then = "" if left is None else f", {timedelta(seconds=int(left))} left"
        self.console.print(
            f"{task.description}: {task.completed:,.0f}{total}{speed}{then}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def progress_bar() -> Progress:
    """A bar on standard error, so that standard output stays free for results."""
    return _Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def track(
    items: Iterable[T], description: str, total: int | None = None
) -> Generator[T, None, None]:
    """Go over items behind a bar; close it where an error may end the way.

    total (int | None): How many there are, if they have no length.
    """
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)
