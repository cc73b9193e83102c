"""The results reported in the paper, for comparison.

Structured LLM Augmentation for Clinical Information Extraction (Wei, Li, Pillai), Table 1: micro
precision, recall and F1 in percent, end-to-end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One arm of the paper; a cell is None if the paper reports no score.

    cells (dict[tuple[str, str], Cell | None]): By task and mode.
    """

    arm: str
    cells: dict[tuple[str, str], Cell | None]


def _row(
    arm: str, ner_strict: Cell, re_strict: Cell | None, ner_lenient: Cell, re_lenient: Cell | None
) -> PaperRow:
    return PaperRow(
        arm,
        {
            ("entities", "strict"): ner_strict,
            ("relations", "strict"): re_strict,
            ("entities", "lenient"): ner_lenient,
            ("relations", "lenient"): re_lenient,
        },
    )


# By corpus format, as in `--format` of `scripts/convert.py`.
PAPER_ROWS: dict[str, list[PaperRow]] = {
    "i2b2-2012": [
        _row("paper, no augmentation", (81.31, 81.10, 81.20), None, (88.00, 87.13, 87.56), None),
        _row("paper, +230 notes", (83.39, 80.27, 81.80), None, (89.72, 85.91, 87.77), None),
    ],
    "n2c2-2018": [
        _row(
            "paper, no augmentation",
            (89.40, 89.61, 89.50),
            (82.65, 82.99, 82.82),
            (95.14, 91.07, 93.06),
            (90.42, 90.36, 90.39),
        ),
        _row(
            "paper, +317 notes",
            (91.82, 88.16, 89.95),
            (87.62, 80.94, 84.15),
            (96.04, 92.10, 94.03),
            (94.58, 87.24, 90.76),
        ),
    ],
}

# How scores differ from the official ones of a format's shared task; printed with the numbers.
REMARKS = {
    "i2b2-2012": (
        "Not the official EVENT scores of i2b2-2012: those match overlapping events whatever their "
        "type, and report type, polarity and modality as accuracies over all gold events. As in "
        "the paper, an entity here must also have the right type"
    ),
}


def paper_rows(corpus_format: str, columns: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    """The paper's arms as rows of a table; empty if it did not use the corpus.

    columns (Sequence[tuple[str, str, str]]): Title, task and mode of each.
    """
    return [
        [row.arm, *(_plain(row.cells[task, mode]) for _, task, mode in columns)]
        for row in PAPER_ROWS.get(corpus_format, [])
    ]


def _plain(cell: Cell | None) -> str:
    return " / ".join(f"{value:.2f}" for value in cell) if cell else "-"


def remark(corpus_format: str) -> str:
    """The remark for the caption of a table with the paper's rows; empty if there is none."""
    sentences = [REMARKS[corpus_format]] if corpus_format in REMARKS else []
    if corpus_format in PAPER_ROWS:
        sentences.append("The paper's rows are as published, not scored by this protocol")
    return "".join(f" {sentence}." for sentence in sentences)
