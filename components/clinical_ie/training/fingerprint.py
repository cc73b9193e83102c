"""The identity of a training run: a hash of everything it depends on, and of its result."""

import json
from pathlib import Path
from typing import Any

from ..system.hashing import hash_of, pipeline_folder

FINGERPRINT = "fingerprint.json"
# The override that names a trained pipeline to start from.
START = "paths.start"
# The code that a trained pipeline depends on; changes elsewhere in the package need no retraining.
_MODEL_CODE = (
    "encoder", "heads", "ner", "relations", "text", "corpora/docbin.py", "corpora/reader.py",
    "annotation_columns.py", "doc.py", "found.py", "references.py", "relation_list.py",
    "span_groups.py", "token_spans.py", "torch_shim.py",
    "training/batches.py", "training/calibrate.py", "training/checkpoint.py",
    "training/dev_notes.py", "training/loop.py", "training/run.py", "training/saved_config.py",
    "training/saved_strings.py", "training/start.py",
    # Its scores choose the best step, the bias and the thresholds.
    "scoring",
)  # fmt: skip


def is_trained(config: Path, out: Path, overrides: dict[str, Any]) -> bool:
    """Whether `out` is complete and made from the same config, values, data, weights and code as a
    run would use now."""
    try:
        stamp = json.loads((out / FINGERPRINT).read_text("utf8"))
    except (OSError, ValueError):
        return False
    return bool(stamp == stamp_of(out, fingerprint(config, overrides)))


def stamp_of(out: Path, made_from: str) -> dict[str, str]:
    """Hashes of everything a run depends on, and of the pipeline it made.

    made_from (str): The `fingerprint` when the run began: files may change before it ends.
    """
    return {"fingerprint": made_from, "model-best": hash_of([out / "model-best"])}


def fingerprint(config: Path, overrides: dict[str, Any]) -> str:
    """A hash of everything a run depends on, the contents of the paths in overrides included."""
    package = Path(__file__).parents[1]
    paths = [
        pipeline_folder(value) or Path(value) if name == START else Path(value)
        for name, value in sorted(overrides.items())
        if name.startswith("paths.")
    ]
    roots = (config, *paths, *(package / part for part in _MODEL_CODE))
    return hash_of(roots, json.dumps(overrides, sort_keys=True, default=str))
