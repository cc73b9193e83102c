"""The paper's Table 1: arms as rows, NER and RE, strict and lenient, in percent.

Layout: Structured LLM Augmentation for Clinical Information Extraction (Wei, Li, Pillai). Captions
name protocol, setting and split, without which relation scores cannot be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .metrics import OFFICIAL, Metrics, conditions
from .paper import paper_rows, remark

COLUMNS = (
    ("NER strict", "entities", "strict"),
    ("RE strict", "relations", "strict"),
    ("NER lenient", "entities", "lenient"),
    ("RE lenient", "relations", "lenient"),
)
GOLD_COLUMNS = (("RE strict", "relations", "strict"), ("RE lenient", "relations", "lenient"))


@dataclass(frozen=True, slots=True)
class Table:
    """A table of strings: caption, column names, and rows of as many cells."""

    caption: str
    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return f"{self.caption}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables(arms: dict[str, Metrics]) -> list[Table]:
    """For each protocol, end-to-end scores, and scores of relations on gold entities.

    The former include the paper's scores, if it used the corpus.

    RAISES (ValueError): The arms were measured under different conditions.
    """
    shared = conditions(arms)
    # Readers of the numbers must see that there was no test split.
    split = (
        f"{shared['split']} (there was no test split)" if shared["fallback"] else shared["split"]
    )
    by_protocol = {shared["protocol"]: arms}
    if all(OFFICIAL in metrics for metrics in arms.values()):
        by_protocol[OFFICIAL] = {name: metrics[OFFICIAL] for name, metrics in arms.items()}
    result = []
    for protocol, scored in by_protocol.items():
        conditions_in_words = f"protocol: {protocol}; setting: {{}}; split: {split}"
        result += [
            Table(
                "Entities and relations. Micro P / R / F1 in percent; "
                f"{conditions_in_words.format(shared['setting'])}; notes: {shared['notes']}."
                f"{remark(shared['format'])}",
                ["arm", *(title for title, _, _ in COLUMNS)],
                [
                    [name, *(_cell(metrics[task][mode]["micro"]) for _, task, mode in COLUMNS)]
                    for name, metrics in scored.items()
                ]
                + paper_rows(shared["format"], COLUMNS),
            ),
            Table(
                "Relations. Micro P / R / F1 in percent; candidate ceiling: share of the gold "
                "relations that are candidate pairs; "
                f"{conditions_in_words.format('gold entities')}; notes: {shared['notes']}.",
                ["arm", *(title for title, _, _ in GOLD_COLUMNS), "candidate ceiling"],
                [
                    [
                        name,
                        *(
                            _cell(metrics["gold_entities"][task][mode]["micro"])
                            for _, task, mode in GOLD_COLUMNS
                        ),
                        _ceiling(arms[name]),
                    ]
                    for name, metrics in scored.items()
                ],
            ),
        ]
    if all("calibration" in metrics for metrics in arms.values()):
        result.append(_calibration(arms, split))
    return result


def tables_markdown(arms: dict[str, Metrics]) -> str:
    """All tables in Markdown.

    RAISES (ValueError): The arms were measured under different conditions.
    """
    return "\n".join(table.markdown() for table in tables(arms))


def _calibration(arms: dict[str, Metrics], split: str) -> Table:
    """The expected calibration error of scores, before and after calibration on dev."""
    tasks = ("entities", "relations")
    return Table(
        "Expected calibration error of the scores of predicted items (end-to-end, strict, "
        f"one-to-one; ten bins), in percent: as the model gives them → calibrated on dev; "
        f"split: {split}.",
        ["arm", *tasks],
        [
            [
                name,
                *(
                    # Without items there is no error, which is not the same as an error of 0.
                    f"{percent(found['error_before'])} → {percent(found['error'])}"
                    if found["n"]
                    else "-"
                    for found in (metrics["calibration"][task] for task in tasks)
                ),
            ]
            for name, metrics in arms.items()
        ],
    )


def _ceiling(metrics: Metrics) -> str:
    ceiling = metrics["gold_entities"].get("candidate_ceiling")
    return "-" if ceiling is None else percent(ceiling)


def percent(fraction: float) -> str:
    """A fraction in percent, with two decimals."""
    return f"{100 * fraction:.2f}"


def _cell(figures: Mapping[str, Any]) -> str:
    """P / R / F1; a dash if there was nothing to find and nothing was found."""
    if not any(figures[name] for name in ("tp", "fp", "fn")):
        return "-"
    return " / ".join(percent(figures[name]) for name in ("precision", "recall", "f1"))
