"""Tables of scores for the terminal."""

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..scoring import Figures, Ratios, Scores, TaskScores, get_protocol
from ..scoring.agreement import TokenAgreement
from ..scoring.lengths import LengthFigures
from ..scoring.significance import Interval
from ..terminal.printable import printable
from .metrics import Metrics
from .tables import has_items, percent, tables

# If the output is not a terminal, Rich assumes 80 columns and would wrap the figures.
_MIN_WIDTH = 130


def table_console() -> Console:
    """A console on standard output that does not wrap tables in a pipe or a file."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _MIN_WIDTH)
    return console


def score_table(scores: Scores, task: str) -> Table:
    """One task's scores by label, then micro and macro, in percent.

    task (str): `entities` or `relations`.
    """
    found: TaskScores = scores["entities"] if task == "entities" else scores["relations"]
    strict, lenient = found["strict"], found["lenient"]
    table = _table(
        f"{task}, percent, protocol: {scores['protocol']}, notes: {scores['notes']}", "label"
    )
    for title in ("gold", "predicted"):
        table.add_column(title, justify="right", no_wrap=True)
    for mode in ("strict", "lenient"):
        for title in ("P", "R", "F1"):
            table.add_column(f"{mode}\n{title}", justify="right", no_wrap=True)
    for label, figures in strict["by_label"].items():
        loose = lenient["by_label"][label]
        # As `Text`, since Rich would take brackets in a label for styles.
        table.add_row(Text(printable(label)), *_sizes(figures), *_ratios(figures), *_ratios(loose))
    table.add_section()
    micro, macro = (
        [*_ratios(strict[mean]), *_ratios(lenient[mean])]
        # If there was nothing to find and nothing was found, there is no score.
        if has_items(strict["micro"])
        else ["-"] * 6
        for mean in ("micro", "macro")
    )
    table.add_row("micro", *_sizes(strict["micro"]), *micro)
    table.add_row("macro (mean over notes)", "", "", *macro)
    return table


def document_table(
    by_document: Mapping[str, Mapping[str, Mapping[str, Figures]]], protocol: str
) -> Table:
    """F1 of each note, in percent, with its gold items; a dash if the mean leaves the note out.

    by_document (Mapping): Figures by note, task and mode.
    """
    empty_is_zero = get_protocol(protocol).empty_is_zero
    table = _table(f"by document, F1 in percent, protocol: {protocol}", "document")
    for task in ("entities", "relations"):
        for title in (f"gold\n{task}", "strict\nF1", "lenient\nF1"):
            table.add_column(title, justify="right", no_wrap=True)
    for name, tasks in by_document.items():
        cells = [
            cell
            for task in ("entities", "relations")
            for cell in (
                _sizes(tasks[task]["strict"])[0],
                *(
                    percent(figures["f1"]) if empty_is_zero or has_items(figures) else "-"
                    for figures in (tasks[task]["strict"], tasks[task]["lenient"])
                ),
            )
        ]
        table.add_row(Text(printable(name)), *cells)
    return table


def length_table(by_length: Mapping[str, LengthFigures]) -> Table:
    """Recall and precision of mentions by length class, in percent."""
    table = _table("mentions by length, percent, matching: one-to-one", "words")
    for title in ("gold", "predicted"):
        table.add_column(title, justify="right", no_wrap=True)
    for mode in ("strict", "lenient"):
        for title in ("P", "R"):
            table.add_column(f"{mode}\n{title}", justify="right", no_wrap=True)
    for length, found in by_length.items():
        cells = [
            percent(part / whole) if whole else "-"
            for partners in (found["strict"], found["lenient"])
            for part, whole in (
                (partners["right"], found["predicted"]),
                (partners["found"], found["gold"]),
            )
        ]
        table.add_row(length, str(found["gold"]), str(found["predicted"]), *cells)
    return table


def kappa_table(agreement: TokenAgreement) -> Table:
    """Cohen's kappa on tokens, overall and by label."""
    table = _table(
        f"Cohen's kappa on {agreement.overall.n_tokens} tokens (words and punctuation; a token's "
        "category: the labels of all mentions that it is part of)",
        "label",
    )
    for title in ("kappa", "observed agreement, percent"):
        table.add_column(title, justify="right", no_wrap=True)
    for label, found in [*agreement.by_label.items(), ("all labels together", agreement.overall)]:
        kappa = "-" if found.kappa is None else f"{found.kappa:.3f}"
        table.add_row(Text(printable(label)), kappa, percent(found.observed))
    return table


def interval_table(
    intervals: Mapping[tuple[str, str], Mapping[str, Interval]], protocol: str, n_notes: int
) -> Table:
    """The micro scores with their 95 % intervals, in percent.

    intervals (Mapping): By task and mode, then by measure; an empty one for a task without items.
    """
    table = _table(
        f"micro scores with 95 % bootstrap intervals over {n_notes} notes, percent, "
        f"protocol: {protocol}",
        "task",
    )
    for title in ("P", "R", "F1"):
        table.add_column(title, justify="right", no_wrap=True)
    for (task, mode), found in intervals.items():
        cells = [
            f"{percent(i.value)} [{percent(i.low)}, {percent(i.high)}]" for i in found.values()
        ] or ["-"] * 3
        table.add_row(f"{task}, {mode}", *map(Text, cells))
    return table


def arm_tables(arms: dict[str, Metrics]) -> list[Table]:
    """The paper's table, and the table of relations on gold entities.

    RAISES (ValueError): The arms were measured under different conditions.
    """
    result = []
    for content in tables(arms):
        # Names of arms and splits come from the command line.
        title = Text(printable(content.caption))
        table = Table(title=title, box=box.SIMPLE, title_justify="left")
        for column in content.columns:
            table.add_column(column, justify="left" if column == "arm" else "right")
        for row in content.rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        result.append(table)
    return result


def _table(title: str, first_column: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    table.add_column(first_column, overflow="fold")
    return table


def _sizes(figures: Figures) -> tuple[str, str]:
    return str(figures["tp"] + figures["fn"]), str(figures["tp"] + figures["fp"])


def _ratios(figures: Ratios) -> tuple[str, str, str]:
    return percent(figures["precision"]), percent(figures["recall"]), percent(figures["f1"])
