"""Wheels: the trained pipeline, and this package that it needs to load."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version
from spacy.util import load_config

from .system.workplace import workplace
from .training.saved_strings import forget_words

PACKAGE_NAME = "clinical_ie"


@dataclass(frozen=True, slots=True)
class Arm:
    """A trained pipeline and how it did on dev when it was saved.

    name (str): Of the arm, such as `with_aug`.
    path (Path): Its folder.
    dev_score (float): Its score once calibrated, weighted as in training, between 0 and 1.
    parts (Mapping[str, tuple[float, float]]): What that is made of: weight and score by name.
    """

    name: str
    path: Path
    dev_score: float
    parts: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def in_words(self) -> str:
        """The score in percent, and what it is the sum of: where dev has no relations, half of it
        is nothing, and a bare number would be taken for an F1."""
        sum_ = " + ".join(
            f"{weight:g} * {100 * score:.2f} ({name})"
            for name, (weight, score) in self.parts.items()
        )
        return f"{self.name}: {100 * self.dev_score:.2f} on dev, weighted as in training: {sum_}"


def read_arm(name: str, path: Path) -> Arm:
    """Read what a trained pipeline says of itself.

    RAISES (FileNotFoundError): No trained pipeline there.
    RAISES (ValueError): Its `meta.json` or config is not what training writes.
    """
    meta_path = path / "meta.json"
    if not meta_path.is_file():
        raise FileNotFoundError(f"{path}: no trained pipeline; `weasel run train` makes one")
    try:
        performance = json.loads(meta_path.read_text(encoding="utf8"))["performance"]
        config = load_config(path / "config.cfg")
        weights = {k: w for k, w in config["training"]["score_weights"].items() if w}
        if not weights.keys() & performance.keys():
            raise KeyError(*weights)
        parts = {
            name: (float(weight), float(performance.get(name) or 0))
            for name, weight in weights.items()
        }
        score = sum(weight * part for weight, part in parts.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{meta_path}: not what training writes ({error!r}); `weasel run train` makes a new one"
        ) from error
    return Arm(name, path, score, parts)


def choose_arm(arms: list[Arm]) -> Arm:
    """The arm that did best on dev; the first named of equals."""
    return max(arms, key=lambda arm: arm.dev_score)


def build_wheels(pipeline: Path, out: Path, version: str, project: Path) -> list[Path]:
    """Build the wheel of a pipeline and the wheel of this package.

    pipeline (Path): A trained pipeline's folder.
    out (Path): Where the wheels go; those of the same packages, of any version, are
        replaced.
    version (str): The pipeline's version.
    project (Path): The folder with this package's `pyproject.toml`.
    RETURNS (list[Path]): The package's wheel, then the pipeline's.
    RAISES (OSError, ValueError): The version is none, or the folder no pipeline.
    RAISES (RuntimeError): A build failed; the message holds its last words.
    """
    try:
        Version(version)
    except InvalidVersion as error:
        raise ValueError(f"{error}; expected a version such as 0.1.0") from error
    with workplace(out, "build") as build:
        trained = build / "trained" / pipeline.name
        shutil.copytree(pipeline, trained)
        # Training has done it, unless the pipeline was trained or saved again by other means.
        forget_words(pipeline, trained)
        _forget_places(trained)
        # From a copy: setuptools leaves a build folder behind, and what it holds would get into
        # the next wheel.
        source = build / "source"
        shutil.copytree(
            project / "components",
            source / "components",
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(project / name, source / name)
        _run(
            [
                # Built by itself, spaCy's would be in isolation, too.
                *["-m", "spacy", "package", str(trained), str(build), "--build", "none"],
                *["--name", PACKAGE_NAME, "--version", version, "--force"],
            ]
        )
        [setup] = build.glob("*/setup.py")
        # No isolation: an isolated build would fetch setuptools from the network. And with no index
        # pip does not ask for a newer pip.
        pip = ["-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        built: list[Path] = []
        for folder in (source, setup.parent):
            wheels = build / f"wheel-of-{folder.name}"
            _run([*pip, "--wheel-dir", str(wheels), str(folder)])
            built += wheels.glob("*.whl")
        # Two versions of one package cannot be installed together; what else lies there stays.
        names = {wheel.name.split("-")[0] for wheel in built}
        for old in out.glob("*.whl"):
            if old.name.split("-")[0] in names:
                old.unlink()
        return [wheel.replace(out / wheel.name) for wheel in built]


def _forget_places(pipeline: Path) -> None:
    """Of the files that a pipeline was trained on, leave the names, not whose folders held them."""
    config = load_config(pipeline / "config.cfg", interpolate=False)
    for name, value in config.get("paths", {}).items():
        if isinstance(value, str) and Path(value).is_absolute():
            config["paths"][name] = Path(value).name
    config.to_disk(pipeline / "config.cfg")


def _run(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, errors="replace"
    )
    if result.returncode:
        last = " ".join((result.stdout + result.stderr).split()[-100:])
        raise RuntimeError(f"`python {' '.join(arguments[:3])}` failed: {last}")
