"""Progress bars with rate and remaining time, the same for everything that takes long."""

import time
from collections import deque
from collections.abc import Generator, Iterable
from datetime import timedelta
from math import ceil
from typing import Any, TypeVar, cast

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
)
from rich.text import Text

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 60
# Seconds over which rates are averaged. Results come in batches, and a batch of long notes takes a
# minute; rich itself averages over much shorter times.
STRETCH = 300


class _Pace:
    """The rate of a task: items done in the last minutes, divided by the time until now."""

    def __init__(self, done: float) -> None:
        self._marks = deque([(time.monotonic(), done)])

    def note(self, done: float) -> None:
        now = time.monotonic()
        # One mark per second is enough; the last one tells when the task was finished.
        if len(self._marks) > 1 and now - self._marks[-2][0] < 1:
            self._marks.pop()
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > STRETCH:
            self._marks.popleft()

    def of(self, task: Task) -> float | None:
        """Items per second; None if nothing is done yet."""
        began, before = self._marks[0]
        now = self._marks[-1][0] if task.finished else time.monotonic()
        done = task.completed - before
        return done / (now - began) if done > 0 and now > began else None


def _speed(task: Task) -> float | None:
    return cast(_Pace, task.fields["pace"]).of(task)


def _left(task: Task) -> timedelta | None:
    """The estimated remaining time, in whole seconds."""
    if task.finished:
        return timedelta()
    speed, remaining = _speed(task), task.remaining
    return timedelta(seconds=ceil(remaining / speed)) if speed and remaining is not None else None


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = _speed(task)
        return Text(f"{speed:.1f}/s" if speed else "-/s", style="progress.data.speed")


class _LeftColumn(ProgressColumn):
    # Numbers that change more often are hard to read.
    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = _left(task)
        return Text("-:--:--" if left is None else str(left), style="progress.remaining")


class _Bar(Progress):
    """A progress bar, or one line per minute if there is no terminal, as in a batch job."""

    _told = 0.0

    def start(self) -> None:
        super().start()
        self._told = time.monotonic()

    def add_task(
        self,
        description: str,
        start: bool = True,
        total: float | None = 100.0,
        completed: int = 0,
        visible: bool = True,
        **fields: Any,
    ) -> TaskID:
        """As rich's; items `completed` at the start are of earlier runs, and not in the rate."""
        fields["pace"] = _Pace(completed)
        return super().add_task(description, start, total, completed, visible, **fields)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **fields: Any) -> None:
        begins = self._tasks[task_id].total is None and fields.get("total") is not None
        super().update(task_id, **fields)
        if begins:
            # Items done when the total becomes known are of earlier runs.
            self._tasks[task_id].fields["pace"] = _Pace(self._tasks[task_id].completed)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task = self._tasks[task_id]
        task.fields["pace"].note(task.completed)
        now = time.monotonic()
        if self.console.is_terminal or now - self._told < SECONDS_BETWEEN_LINES:
            return
        self._told = now
        total = "" if task.total is None else f" of {task.total:,.0f}"
        speed, left = _speed(task), _left(task)
        rate = f", {speed:,.2f}/s" if speed else ""
        then = "" if left is None else f", {left} left"
        self.console.print(
            f"{task.description}: {task.completed:,.0f}{total}{rate}{then}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def progress_bar(*, transient: bool = False) -> Progress:
    """A bar on standard error, so that standard output contains only results.

    transient (bool): Whether it disappears at the end.
    """
    return _Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        _LeftColumn(),
        console=Console(stderr=True),
        transient=transient,
    )


def track(
    items: Iterable[T], description: str, total: int | None = None
) -> Generator[T, None, None]:
    """Iterate over items behind a progress bar; if iteration may end early, close the generator.

    total (int | None): Number of items, if they have no length.
    """
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)
