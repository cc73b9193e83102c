"""The paper's Table 1: arms as rows, NER and RE, strict and lenient, in percent.

Layout: Structured LLM Augmentation for Clinical Information Extraction (Wei, Li, Pillai). Protocol,
setting and split are named above the numbers: without them, relation scores cannot be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .metrics import Metrics, conditions

COLUMNS = (
    ("NER strict", "entities", "strict"),
    ("RE strict", "relations", "strict"),
    ("NER lenient", "entities", "lenient"),
    ("RE lenient", "relations", "lenient"),
)
GOLD_COLUMNS = (("RE strict", "relations", "strict"), ("RE lenient", "relations", "lenient"))


@dataclass(frozen=True, slots=True)
class Table:
    """A table as texts: caption, column names, rows of as many cells."""

    caption: str
    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return f"{self.caption}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables(arms: dict[str, Metrics]) -> list[Table]:
    """End-to-end scores, and the scores of relations on gold entities.

    RAISES (ValueError): The arms were not measured alike.
    """
    shared = conditions(arms)
    # The test split's absence must not get lost between the numbers and their reader.
    split = (
        f"{shared['split']} (there was no test split)" if shared["fallback"] else shared["split"]
    )
    captions = [
        f"{what}. Micro P / R / F1 in percent; protocol: {shared['protocol']}; "
        f"setting: {setting}; split: {split}; notes: {shared['notes']}."
        for what, setting in (
            ("Entities and relations", shared["setting"]),
            ("Relations", "gold entities"),
        )
    ]
    return [
        Table(
            captions[0],
            ["arm", *(title for title, _, _ in COLUMNS)],
            [
                [name, *(_cell(metrics[task][mode]["micro"]) for _, task, mode in COLUMNS)]
                for name, metrics in arms.items()
            ],
        ),
        Table(
            captions[1],
            ["arm", *(title for title, _, _ in GOLD_COLUMNS)],
            [
                [
                    name,
                    *(
                        _cell(metrics["gold_entities"][task][mode]["micro"])
                        for _, task, mode in GOLD_COLUMNS
                    ),
                ]
                for name, metrics in arms.items()
            ],
        ),
    ]


def tables_markdown(arms: dict[str, Metrics]) -> str:
    """Both tables in Markdown.

    RAISES (ValueError): The arms were not measured alike.
    """
    return "\n".join(table.markdown() for table in tables(arms))


def percent(fraction: float) -> str:
    """A fraction in percent, with two decimals."""
    return f"{100 * fraction:.2f}"


def _cell(figures: Mapping[str, Any]) -> str:
    return " / ".join(percent(figures[name]) for name in ("precision", "recall", "f1"))
