"""One HTML file that shows what was measured: scores, what augmentation kept, some rewrites.

It carries its own style and asks for nothing from anywhere. It can hold text of notes, so that
only its owner may read the file.
"""

import json
import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .marks import hues, marks_html
from .metrics import Metrics, read_arms
from .tables import percent, tables

MAX_REWRITES = 20

_COUNTS = {
    "n_augmented": "new notes asked for",
    "accepted": "new notes",
    "requests": "answers of the model",
}


def write_page(metrics: Path, augment_json: Path, training: Path, out: Path) -> None:
    """Write the report.

    metrics (Path): Folder of `<arm>.json`.
    augment_json (Path): What augmentation told about itself; may be missing.
    training (Path): Folder of `<arm>/seed-<seed>/model-best`; may be missing.
    out (Path): The HTML file, made anew.
    RAISES (FileNotFoundError): No arm was evaluated.
    RAISES (ValueError): The arms were not measured alike, or a file is no JSON object.
    """
    augmentation = _read_object(augment_json) if augment_json.is_file() else None
    html = render(read_arms(metrics), augmentation, dev_scores(training))
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf8") as file:
        file.write(html)
    part.replace(out)


def render(
    arms: dict[str, Metrics],
    augmentation: dict[str, Any] | None,
    trained: list[dict[str, Any]],
) -> str:
    """The page as text.

    arms (dict[str, Metrics]): By name.
    augmentation (dict[str, Any] | None): `n_augmented`, `accepted`, `requests`, `dropped` (by
        reason, a number of `answers`), `examples` (each with `note` and, marked, `source` and
        `rewrite`); any of them may be missing.
    trained (list[dict[str, Any]]): See `dev_scores`.
    RAISES (ValueError): The arms were not measured alike.
    """
    summary = augmentation or {}
    examples = _rewrites(summary)[:MAX_REWRITES]
    hue_of = hues(str(example[side]) for example in examples for side in ("source", "rewrite"))
    environment = Environment(
        loader=PackageLoader("clinical_ie.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
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
                "source": marks_html(str(example["source"]), hue_of),
                "rewrite": marks_html(str(example["rewrite"]), hue_of),
            }
            for example in examples
        ],
        trained=trained,
        score_names=sorted({name for entry in trained for name in entry["scores"]}),
        percent=percent,
    )


def read_rewrites(augment_json: Path) -> list[dict[str, str]]:
    """The rewrites that augmentation kept as examples, each with `source` and `rewrite`, marked.

    augment_json (Path): What augmentation told about itself; may be missing.
    RAISES (ValueError): It is no JSON object.
    """
    return _rewrites(_read_object(augment_json)) if augment_json.is_file() else []


def dev_scores(training: Path) -> list[dict[str, Any]]:
    """What the best model of each training run reached on dev.

    training (Path): Folder of `<arm>/seed-<seed>/model-best`.
    RETURNS (list[dict[str, Any]]): `arm`, `seed` and `scores`: the F1 values by name.
    RAISES (ValueError): A `meta.json` is no JSON object.
    """
    result = []
    for path in sorted(training.glob("*/seed-*/model-best/meta.json")):
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
    """One row a label: how many gold items it has, and each arm's F1 in both modes."""
    found = {name: metrics[task] for name, metrics in arms.items()}
    labels = {label for scores in found.values() for label in scores["strict"]["by_label"]}
    rows = []
    for label in sorted(labels):
        figures = {
            mode: [scores[mode]["by_label"].get(label) for scores in found.values()]
            for mode in ("strict", "lenient")
        }
        # An arm that neither has nor predicts a label does not list it: gold has none of it.
        gold = max(f["tp"] + f["fn"] for f in figures["strict"] if f is not None)
        rows.append({"label": label, "gold": gold, **figures})
    return rows


def _dropped(by_reason: dict[str, Any]) -> list[tuple[str, int]]:
    """Reasons and how many answers they spoke against, most first."""
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
