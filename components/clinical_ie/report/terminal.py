"""The tables of scores on a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..scoring import Figures, Ratios, Scores, TaskScores
from .metrics import Metrics
from .tables import percent, tables

# Rich takes 80 columns where the output is no terminal, and would then fold the figures.
_MIN_WIDTH = 110


def table_console() -> Console:
    """A console on standard output that keeps tables whole in a pipe or a file."""
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
    table = Table(
        title=f"{task}, percent, protocol: {scores['protocol']}",
        box=box.SIMPLE,
        title_justify="left",
    )
    table.add_column("label", overflow="fold")
    for title in ("gold", "predicted"):
        table.add_column(title, justify="right", no_wrap=True)
    for mode in ("strict", "lenient"):
        for title in ("P", "R", "F1"):
            table.add_column(f"{mode}\n{title}", justify="right", no_wrap=True)
    for label, figures in strict["by_label"].items():
        loose = lenient["by_label"][label]
        # A label is a user's text: as `Text`, its brackets are no styles.
        table.add_row(Text(label), *_sizes(figures), *_ratios(figures), *_ratios(loose))
    table.add_section()
    table.add_row(
        "micro", *_sizes(strict["micro"]), *_ratios(strict["micro"]), *_ratios(lenient["micro"])
    )
    table.add_row(
        "macro (mean over notes)", "", "", *_ratios(strict["macro"]), *_ratios(lenient["macro"])
    )
    return table


def arm_tables(arms: dict[str, Metrics]) -> list[Table]:
    """The paper's table, and that of relations on gold entities.

    RAISES (ValueError): The arms were not measured alike.
    """
    result = []
    for content in tables(arms):
        table = Table(title=content.caption, box=box.SIMPLE, title_justify="left")
        for column in content.columns:
            table.add_column(column, justify="left" if column == "arm" else "right")
        for row in content.rows:
            table.add_row(*row)
        result.append(table)
    return result


def _sizes(figures: Figures) -> tuple[str, str]:
    return str(figures["tp"] + figures["fn"]), str(figures["tp"] + figures["fp"])


def _ratios(figures: Ratios) -> tuple[str, str, str]:
    return percent(figures["precision"]), percent(figures["recall"]), percent(figures["f1"])
