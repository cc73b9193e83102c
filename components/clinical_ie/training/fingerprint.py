"""What a training run is known again by: all that it was made of, and what it has made."""

import json
from pathlib import Path
from typing import Any

from ..system.hashing import hash_of

FINGERPRINT = "fingerprint.json"
# What a trained pipeline is made of, below the package: a change elsewhere needs no new training.
_MODEL_CODE = (
    "encoder", "heads", "ner", "relations", "text", "corpora/docbin.py", "corpora/reader.py",
    "doc.py", "relation_list.py", "span_groups.py", "torch_shim.py",
    "training/batches.py", "training/calibrate.py", "training/checkpoint.py", "training/loop.py",
    "training/run.py",
    # By what it counts the best step, bias and thresholds are chosen.
    "scoring",
)  # fmt: skip


def is_trained(config: Path, out: Path, overrides: dict[str, Any]) -> bool:
    """Whether `out` is what a run of today would make: same config, values, data, weights, code;
    and is whole."""
    try:
        stamp = json.loads((out / FINGERPRINT).read_text("utf8"))
    except (OSError, ValueError):
        return False
    return bool(stamp == stamp_of(config, out, overrides))


def stamp_of(config: Path, out: Path, overrides: dict[str, Any]) -> dict[str, str]:
    """What a run was made of, and what it has made."""
    return {
        "fingerprint": fingerprint(config, overrides),
        "model-best": hash_of([out / "model-best"]),
    }


def fingerprint(config: Path, overrides: dict[str, Any]) -> str:
    """A hash of all that a run depends on: what the paths among the overrides hold, too."""
    package = Path(__file__).parents[1]
    paths = [Path(value) for name, value in sorted(overrides.items()) if name.startswith("paths.")]
    roots = (config, *paths, *(package / part for part in _MODEL_CODE))
    return hash_of(roots, json.dumps(overrides, sort_keys=True, default=str))
