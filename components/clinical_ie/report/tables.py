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
ENTITY_COLUMNS = tuple(column for column in COLUMNS if column[1] == "entities")
NO_GOLD = " No note has an annotation: recall and F1 say nothing."
NO_RELATIONS = " There are no relations, neither gold nor predicted."


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

    The former include the paper's scores, if it used the corpus. Where there is no relation at all,
    there are no columns and tables of them.

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
    related = _has_relations(arms)
    columns = COLUMNS if related else ENTITY_COLUMNS
    result = []
    for protocol, scored in by_protocol.items():
        conditions_in_words = f"protocol: {protocol}; setting: {{}}; split: {split}"
        result.append(
            Table(
                f"{'Entities and relations' if related else 'Entities'}. Micro P / R / F1 in "
                f"percent; {conditions_in_words.format(shared['setting'])}; "
                f"notes: {shared['notes']}.{'' if _has_gold(arms) else NO_GOLD}"
                f"{'' if related else NO_RELATIONS}"
                f"{remark(shared['format'])}",
                ["arm", *(title for title, _, _ in columns)],
                [
                    [name, *(_cell(metrics[task][mode]["micro"]) for _, task, mode in columns)]
                    for name, metrics in scored.items()
                ]
                + paper_rows(shared["format"], columns),
            )
        )
        if not related:
            continue
        result.append(
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
            )
        )
    if all("calibration" in metrics for metrics in arms.values()):
        result.append(_calibration(arms, split, related))
    return result


def tables_markdown(arms: dict[str, Metrics]) -> str:
    """All tables in Markdown.

    RAISES (ValueError): The arms were measured under different conditions.
    """
    return "\n".join(table.markdown() for table in tables(arms))


def _has_relations(arms: dict[str, Metrics]) -> bool:
    """Whether there is any relation, gold or predicted, in either setting."""
    return any(
        has_items(scores["strict"]["micro"])
        for metrics in arms.values()
        for scores in (metrics["relations"], metrics["gold_entities"]["relations"])
    )


def _has_gold(arms: dict[str, Metrics]) -> bool:
    """Whether there is any gold mention."""
    return any(has_gold(metrics["entities"]["strict"]["micro"]) for metrics in arms.values())


def _calibration(arms: dict[str, Metrics], split: str, related: bool) -> Table:
    """The expected calibration error of scores, before and after calibration on dev."""
    tasks = ("entities", "relations") if related else ("entities",)
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
    if not has_items(figures):
        return "-"
    return " / ".join(percent(figures[name]) for name in ("precision", "recall", "f1"))


def has_items(figures: Mapping[str, Any]) -> bool:
    """Whether figures are of any item, gold or predicted."""
    return any(figures[name] for name in ("tp", "fp", "fn"))


def has_gold(figures: Mapping[str, Any]) -> bool:
    """Whether figures are of any gold item."""
    return any(figures[name] for name in ("tp", "fn"))
