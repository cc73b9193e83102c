"""The paper's Table 1 over several seeds: means, spread, intervals, and whether the arms differ."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..scoring import NoteCounts, sum_up
from ..scoring.evaluation import END_TO_END, GOLD_ENTITIES
from ..scoring.significance import MEASURES, Spread, bootstrap, compare
from .paper import paper_rows, remark
from .tables import (
    COLUMNS,
    ENTITY_COLUMNS,
    GOLD_COLUMNS,
    NO_GOLD,
    NO_RELATIONS,
    Table,
    has_gold,
    has_items,
)

_TESTED = (
    "Differences of mean F1 over the runs, tested over notes by paired approximate randomization, "
    "and over runs by Student's t-test. p-values are not corrected for multiple comparisons."
)

# By arm, by seed: the counts of every note.
SeedCounts = Mapping[str, Mapping[int, Mapping[str, NoteCounts]]]


def seed_table(runs: SeedCounts, setting: str, protocol: str) -> dict[str, Any]:
    """The figures of one table.

    runs (SeedCounts): With the same notes for all arms and seeds.
    setting (str): `end-to-end`, or `gold entities`, which has relations only.
    RETURNS (dict[str, Any]): `arms`: by arm, task and mode, the spread of each measure over seeds,
        and the 95 % bootstrap interval of its mean, over notes; `comparisons`: for each pair of
        arms in order, by task and mode, a comparison of the mean micro F1 over all seeds;
        `relations`: whether there are any, gold or predicted;
        `gold_mentions`: whether there are any.
    RAISES (ValueError): There is no arm or no seed, or the arms were scored on different notes or
        with different numbers of seeds.
    """
    if not runs or not all(runs.values()):
        raise ValueError("no runs to put into a table; expected at least one arm with one seed")
    columns = [(task, mode) for _, task, mode in _columns(setting)]
    of_arm = {arm: [seeds[seed] for seed in sorted(seeds)] for arm, seeds in runs.items()}
    arms: dict[str, Any] = {}
    related = annotated = False
    for arm, seeds in runs.items():
        scores = [sum_up(counts, protocol) for counts in seeds.values()]
        related |= any(has_items(score["relations"]["strict"]["micro"]) for score in scores)
        annotated |= any(has_gold(score["entities"]["strict"]["micro"]) for score in scores)
        arms[arm] = {"seeds": sorted(seeds)}
        for task, mode in columns:
            of_mode = [score[task][mode]["micro"] for score in scores]  # type: ignore[literal-required]
            intervals = bootstrap(of_arm[arm], task, mode)
            arms[arm].setdefault(task, {})[mode] = {
                measure: {
                    **asdict(Spread.of([micro[measure] for micro in of_mode])),
                    "interval": [intervals[measure].low, intervals[measure].high],
                }
                for measure in MEASURES
            }
    names = list(runs)
    comparisons = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            found: dict[str, Any] = {"first": first, "second": second}
            for task, mode in columns:
                result = compare(of_arm[first], of_arm[second], task, mode)
                words = result.in_words(first, second)
                found.setdefault(task, {})[mode] = {**asdict(result), "in_words": words}
            comparisons.append(found)
    return {
        "protocol": protocol,
        "setting": setting,
        "notes": len(next(iter(of_arm.values()))[0]),
        "arms": arms,
        "comparisons": comparisons,
        "relations": related,
        "gold_mentions": annotated,
    }


def seed_tables_markdown(figures: Sequence[Mapping[str, Any]], split: str, format_: str) -> str:
    """Tables in the paper's layout, each with its protocol and setting in the caption.

    Where there is no relation at all, there are no columns and tables of them.

    figures (Sequence[Mapping[str, Any]]): From `seed_table`.
    split (str): The split that was scored, in words.
    format_ (str): The corpus format; if the paper used that corpus, its rows are included.
    """
    parts = []
    # On gold entities, relations may be predicted where end-to-end there are none.
    related = any(found["relations"] for found in figures)
    for found in figures:
        columns = _columns(found["setting"])
        if not related:
            columns = tuple(column for column in columns if column in ENTITY_COLUMNS)
        if not columns:
            continue
        seeds = {len(arm["seeds"]) for arm in found["arms"].values()}
        caption = (
            f"Micro P / R / F1 in percent: mean over {' or '.join(map(str, sorted(seeds)))} "
            "seed(s), F1 with its standard deviation over seeds and, in brackets, the 95 % "
            f"bootstrap interval over notes; protocol: {found['protocol']}; "
            f"setting: {found['setting']}; split: {split}; notes: {found['notes']}."
            + ("" if found["gold_mentions"] else NO_GOLD)
            + ("" if related else NO_RELATIONS)
            + (remark(format_) if found["setting"] == END_TO_END else "")
        )
        rows = [
            [name, *(_cell(arm[task][mode]) for _, task, mode in columns)]
            for name, arm in found["arms"].items()
        ]
        if found["setting"] == END_TO_END:
            rows += paper_rows(format_, columns)
        table = Table(caption, ["arm", *(title for title, _, _ in columns)], rows)
        sentences = [
            f"- {title}: {pair[task][mode]['in_words']}."
            for pair in found["comparisons"]
            for title, task, mode in columns
        ]
        tested = f"\n{_TESTED}\n" if sentences else ""
        parts.append(table.markdown() + tested + "".join(f"\n{line}" for line in sentences) + "\n")
    return "\n".join(parts)


def _columns(setting: str) -> tuple[tuple[str, str, str], ...]:
    return GOLD_COLUMNS if setting == GOLD_ENTITIES else COLUMNS


def _cell(measures: Mapping[str, Mapping[str, Any]]) -> str:
    precision, recall, f1 = (measures[name] for name in MEASURES)
    low, high = (100 * limit for limit in f1["interval"])
    # One seed has no spread, which is not the same as one of 0.
    spread = f" ± {100 * f1['sd']:.2f}" if f1["n"] > 1 else ""
    return (
        f"{100 * precision['mean']:.2f} / {100 * recall['mean']:.2f} / "
        f"{100 * f1['mean']:.2f}{spread} [{low:.2f}, {high:.2f}]"
    )
