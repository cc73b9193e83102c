"""The HTML report: scores, charts, errors note by note, and examples of the augmentation.

It is one self-contained file that loads nothing. It can contain note text, so only its owner may
read it.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..html import hues_of, labels_in, marks_html, page_template
from ..scoring.errors import NoteErrors
from ..system.workplace import write_whole
from . import charts
from .analysis import (
    MAX_TYPES,
    borders,
    changes,
    confusion,
    curves,
    files_of_runs,
    in_words,
    judge,
    missed_relations,
    training_curves,
)
from .browser import as_script, browser_data
from .metrics import Metrics, read_arms
from .predictions import ScoredNote, read_predictions
from .tables import percent, tables

logger = logging.getLogger(__name__)

MAX_REWRITES = 20
CHARTS = ("changes", "curves", "reliability", "confusion", "borders", "relations", "training")
# What `write_page` does, in this order.
STEPS = ("read predictions", "find errors", "draw charts", "compare arms", "list errors", "write")

_COUNTS = {
    "n_augmented": "new notes requested",
    "accepted": "new notes",
    "requests": "answers of the model",
}


def write_page(
    metrics: Path,
    augment_json: Path,
    training: Path,
    out: Path,
    *,
    with_text: bool = True,
    on_step: Callable[[str], None] = lambda step: None,
) -> None:
    """Write the report.

    metrics (Path): Folder of `<arm>.json` and, for charts and the error browser, of
        `predictions/<arm>.jsonl`.
    augment_json (Path): The summary written by the augmentation; may be missing.
    training (Path): Folder of `<arm>/seed-<seed>/model-best`; may be missing.
    out (Path): The HTML file, which is replaced; readable by its owner only.
    with_text (bool): Whether the page contains text and names of notes: the error browser and the
        rewrites.
    on_step (Callable[[str], None]): Called with each of `STEPS` as it begins.
    RAISES (FileNotFoundError): No arm was evaluated.
    RAISES (ValueError): The arms were measured under different conditions, or a file is malformed.
    """
    augmentation = _read_object(augment_json) if augment_json.is_file() else None
    arms = read_arms(metrics)
    on_step("read predictions")
    notes = {
        arm: read_predictions(path)
        for arm in arms
        if (path := metrics / "predictions" / f"{arm}.jsonl").is_file()
    }
    if missing := arms.keys() - notes.keys():
        logger.warning(
            "%s: no %s: the report has no error browser, no charts of errors and no comparison; "
            "`weasel run evaluate` writes it",
            metrics / "predictions",
            " and no ".join(f"{arm}.jsonl" for arm in sorted(missing)),
        )
        notes = {}
    gold = [[(note.name, note.text, note.gold) for note in found] for found in notes.values()]
    if any(each != gold[0] for each in gold):
        raise ValueError(
            f"{metrics}: the arms predicted different notes, or gold has changed between them; "
            "evaluate them together"
        )
    on_step("find errors")
    errors = judge(notes)
    if augmentation is not None and not with_text:
        augmentation = augmentation | {"examples": []}
    on_step("draw charts")
    drawings = _charts(arms, notes, errors, training)
    on_step("compare arms")
    compared = in_words(notes)
    on_step("list errors")
    browser = as_script(browser_data(notes, errors)) if notes and with_text else None
    on_step("write")
    html = render(
        arms,
        augmentation,
        dev_scores(training),
        drawings=drawings,
        in_words=compared,
        browser=browser,
    )
    write_whole(out, html, private=True)


def render(
    arms: dict[str, Metrics],
    augmentation: dict[str, Any] | None,
    trained: list[dict[str, Any]],
    *,
    drawings: Mapping[str, Any] | None = None,
    in_words: Sequence[str] = (),
    browser: Markup | None = None,
) -> str:
    """The page as HTML.

    arms (dict[str, Metrics]): By name.
    augmentation (dict[str, Any] | None): `n_augmented`, `accepted`, `requests`, `dropped` (by
        reason, the number of `answers`), `examples` (each with `note`, and with `source` and
        `rewrite`, with markers); any of them may be missing.
    trained (list[dict[str, Any]]): See `dev_scores`.
    drawings (Mapping[str, Any] | None): The charts by name; see `_charts`.
    in_words (Sequence[str]): Sentences on whether the arms differ.
    browser (Markup | None): The error browser's data.
    RAISES (ValueError): The arms were measured under different conditions.
    """
    summary = augmentation or {}
    examples = _rewrites(summary)[:MAX_REWRITES]
    hues = hues_of(
        label
        for example in examples
        for side in ("source", "rewrite")
        for label in labels_in(str(example[side]))
    )
    shown = dict.fromkeys(CHARTS) | dict(drawings or {})
    theme_script, browser_script = _own("theme.js"), _own("note.js") + _own("page.js")
    return page_template(__package__).render(
        style=_own("page.css"),
        theme_script=theme_script,
        browser_script=browser_script,
        policy=_policy(theme_script, browser_script),
        charts=shown,
        browser=browser,
        in_words=in_words,
        parts=[
            (target, title)
            for target, title, is_there in (
                ("scores", "Scores", True),
                ("changes", "What changed", shown["changes"]),
                ("curves", "Precision, recall, calibration", shown["curves"]),
                ("causes", "Where errors come from", shown["borders"]),
                ("errors-title", "Errors, note by note", browser),
                ("labels", "F1 by label", True),
                ("training", "Training", trained or shown["training"]),
                ("augmentation", "Augmentation", True),
            )
            if is_there
        ],
        arms=arms,
        fallback=any(metrics.get("fallback") for metrics in arms.values()),
        tables=tables(arms),
        by_label=[(task, _by_label(arms, task)) for task in ("entities", "relations")],
        augmented=augmentation is not None,
        counts=[(title, summary[key]) for key, title in _COUNTS.items() if key in summary],
        dropped=_dropped(summary.get("dropped", {})),
        rewrites=[
            {
                "note": example.get("note", ""),
                "source": marks_html(str(example["source"]), hues),
                "rewrite": marks_html(str(example["rewrite"]), hues),
            }
            for example in examples
        ],
        trained=trained,
        score_names=sorted({name for entry in trained for name in entry["scores"]}),
        percent=percent,
        protocol=next(metrics["protocol"] for metrics in arms.values()),
        max_types=MAX_TYPES,
    )


def _charts(
    arms: dict[str, Metrics],
    notes: dict[str, list[ScoredNote]],
    errors: dict[str, list[NoteErrors]],
    training: Path,
) -> dict[str, Any]:
    """The charts for which there are figures."""
    found: dict[str, Any] = {}
    if changed := changes(arms):
        first, *_, last = arms
        found["changes"] = charts.changes_chart(changed, first, last)
    if steps := training_curves(training):
        found["training"] = charts.training_chart(steps)
    if not notes:
        return found
    points, reliability = curves(notes)
    if points:
        found["curves"] = charts.precision_recall_chart(points)
        found["reliability"] = charts.reliability_chart(reliability)
    confused = confusion(notes, errors)
    found["confusion"] = [
        (arm, charts.confusion_chart(confused, arm))
        for arm in notes
        if any(row["arm"] == arm for row in confused)
    ]
    found["borders"] = charts.borders_chart(borders(errors))
    if relations := missed_relations(notes, errors):
        found["relations"] = charts.relations_chart(relations)
    return found


def _own(name: str) -> Markup:
    """A style or script of this package, which needs no escaping."""
    return Markup(resources.files(__package__).joinpath(name).read_text("utf8"))


def _policy(*scripts: str) -> str:
    """A content security policy that allows no requests, and only the page's own scripts."""
    hashes = (
        base64.b64encode(hashlib.sha256(script.encode("utf8")).digest()).decode("ascii")
        for script in scripts
    )
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"


def read_rewrites(augment_json: Path) -> list[dict[str, str]]:
    """The augmentation's example rewrites: `source` and `rewrite` of each, with markers.

    augment_json (Path): The summary written by the augmentation; may be missing.
    RAISES (ValueError): It is not a JSON object.
    """
    return _rewrites(_read_object(augment_json)) if augment_json.is_file() else []


def dev_scores(training: Path) -> list[dict[str, Any]]:
    """Scores on dev of the best model of each training run.

    training (Path): Folder of `<arm>/seed-<seed>/model-best`.
    RETURNS (list[dict[str, Any]]): `arm`, `seed` and `scores`: the F1 values by name.
    RAISES (ValueError): A `meta.json` is not a JSON object.
    """
    result = []
    for path in files_of_runs(training, "model-best/meta.json"):
        performance = _read_object(path).get("performance", {})
        scores = {k: v for k, v in performance.items() if k.endswith("_f") and v is not None}
        seed = path.parents[1].name.removeprefix("seed-")
        result.append({"arm": path.parents[2].name, "seed": seed, "scores": scores})
    return result


def _rewrites(augmentation: dict[str, Any]) -> list[dict[str, str]]:
    return [
        example
        for example in augmentation.get("examples", [])
        if {"source", "rewrite"} <= example.keys()
    ]


def _by_label(arms: dict[str, Metrics], task: str) -> list[dict[str, Any]]:
    """One row per label: how many gold items it has, and each arm's F1 in both modes."""
    found = {name: metrics[task] for name, metrics in arms.items()}
    labels = {label for scores in found.values() for label in scores["strict"]["by_label"]}
    rows = []
    for label in sorted(labels):
        figures = {
            mode: [scores[mode]["by_label"].get(label) for scores in found.values()]
            for mode in ("strict", "lenient")
        }
        # An arm that does not list a label has no gold items of it.
        gold = max(f["tp"] + f["fn"] for f in figures["strict"] if f is not None)
        rows.append({"label": label, "gold": gold, **figures})
    return rows


def _dropped(by_reason: dict[str, Any]) -> list[tuple[str, int]]:
    """Reasons with the number of answers dropped for each, most frequent first."""
    counts = {
        reason: value.get("answers", 0) if isinstance(value, dict) else int(value)
        for reason, value in by_reason.items()
    }
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value
