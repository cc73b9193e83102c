"""The report of a conversion for the terminal."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..terminal.printable import printable
from .count import SplitCount

# More lines than a screen holds help nobody; the report file has them all.
MAX_SHOWN = 20


def print_counts(counts: Mapping[str, SplitCount], report: Path | None) -> int:
    """Print what was kept and what cannot be learned, and the problems on standard error.

    counts (Mapping[str, SplitCount]): By split.
    report (Path | None): The file that holds everything; None: everything is printed.
    RETURNS (int): Number of errors, not counting warnings and what was mended.
    """
    console = _console()
    console.print(_kept(counts))
    if any(count.not_trainable for count in counts.values()):
        console.print(_not_trainable(counts))
    _print_boundaries(console, counts, report)
    return _print_problems(counts, report)


def _console(*, stderr: bool = False) -> Console:
    """A console that prints labels and names of notes literally, even `[red]` or `:pill:`."""
    return Console(stderr=stderr, markup=False, emoji=False)


def _kept(counts: Mapping[str, SplitCount]) -> Table:
    table = Table("", *counts, title="Kept on the notes")
    for name in ("notes", "tokens"):
        table.add_row(name, *(f"{getattr(count, name):,}" for count in counts.values()))
    for name in ("mentions", "relations"):
        table.add_row(name, *(f"{getattr(count, name).total():,}" for count in counts.values()))
    table.add_row(
        "boundaries on token borders",
        *(f"{_percent(count.aligned_share)} %" for count in counts.values()),
    )
    left_out = {
        "notes without an annotation file": [
            count.without_annotations for count in counts.values()
        ],
        "notes left out": [len(count.left_out) for count in counts.values()],
    }
    for severity, name in (("error", "errors"), ("mended", "mended"), ("warning", "warnings")):
        left_out[name] = [
            sum(problem.severity == severity for problem in count.problems)
            for count in counts.values()
        ]
    for name, numbers in left_out.items():
        if any(numbers):
            table.add_row(name, *map(str, numbers))
    return table


def _not_trainable(counts: Mapping[str, SplitCount]) -> Table:
    """Annotations that are kept but out of reach for a flat tagger, by reason and type."""
    table = Table("", "type", *counts, title="Kept, but more than a flat tagger can learn")
    reasons = dict.fromkeys(reason for count in counts.values() for reason in count.not_trainable)
    for reason in reasons:
        by_split = [count.not_trainable.get(reason, Counter()) for count in counts.values()]
        totals: dict[str, int] = {}
        for labels in by_split:
            for label, number in labels.items():
                totals[label] = totals.get(label, 0) + number
        table.add_row(reason, "all", *(str(sum(labels.values())) for labels in by_split))
        for label in sorted(totals, key=lambda label: (-totals[label], label)):
            table.add_row("", printable(label), *(str(labels.get(label, 0)) for labels in by_split))
        table.add_section()
    return table


def _print_boundaries(
    console: Console, counts: Mapping[str, SplitCount], report: Path | None
) -> None:
    inside = [
        f"{printable(note)}:{offset}"
        for count in counts.values()
        for note, offset in count.misaligned
    ]
    if not inside:
        return
    shown = inside if report is None else inside[:MAX_SHOWN]
    rest = f" … all in {report}" if len(shown) < len(inside) else ""
    console.print(
        f"{len(inside)} boundaries inside a token, by note and character: {', '.join(shown)}{rest}",
        highlight=False,
        soft_wrap=True,
    )


def _print_problems(counts: Mapping[str, SplitCount], report: Path | None) -> int:
    problems = [problem for count in counts.values() for problem in count.problems]
    # What was lost comes first.
    problems.sort(key=lambda problem: ("error", "mended", "warning").index(problem.severity))
    console = _console(stderr=True)
    shown = problems if report is None else problems[:MAX_SHOWN]
    for problem in shown:
        console.print(f"  {problem.severity}: {problem}", highlight=False, soft_wrap=True)
    if len(shown) < len(problems):
        hidden = len(problems) - len(shown)
        console.print(f"  … and {hidden} more, all in {report}", highlight=False, soft_wrap=True)
    return sum(problem.severity == "error" for problem in problems)


def _percent(share: float) -> str:
    """With two decimals, and never 100 unless the share is 1."""
    return f"{share * 100:.2f}" if share == 1 else f"{min(share * 100, 99.994):.2f}"
