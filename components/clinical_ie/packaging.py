"""Building of wheels: the trained pipeline, and this package, which it needs to load."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version
from spacy.util import load_config

from .system.workplace import copy_folder, workplace
from .training.saved_strings import forget_words

PACKAGE_NAME = "clinical_ie"


@dataclass(frozen=True, slots=True)
class Arm:
    """A trained pipeline and its score on dev when it was saved.

    name (str): The name of the arm, such as `with_aug`.
    path (Path): Its folder.
    dev_score (float): Its score after calibration, weighted as in training, between 0 and 1.
    parts (Mapping[str, tuple[float, float]]): The terms of that score: weight and score by name.
    """

    name: str
    path: Path
    dev_score: float
    parts: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def in_words(self) -> str:
        """The score in percent, with its terms. Without them it would be taken for an F1, although
        the terms of relations are 0 if dev has none."""
        sum_ = " + ".join(
            f"{weight:g} * {100 * score:.2f} ({name})"
            for name, (weight, score) in self.parts.items()
        )
        return f"{self.name}: {100 * self.dev_score:.2f} on dev, weighted as in training: {sum_}"


def read_arm(name: str, path: Path) -> Arm:
    """Read a trained pipeline's dev score from its `meta.json` and config.

    RAISES (FileNotFoundError): The folder holds no trained pipeline.
    RAISES (ValueError): `meta.json` or config is not as training writes it.
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
            f"{meta_path}: not written by training ({error!r}); `weasel run train` makes a new one"
        ) from error
    return Arm(name, path, score, parts)


def choose_arm(arms: list[Arm]) -> Arm:
    """The arm with the best score on dev; the first of those with equal scores."""
    return max(arms, key=lambda arm: arm.dev_score)


def build_wheels(pipeline: Path, out: Path, version: str, project: Path) -> list[Path]:
    """Build the wheel of a pipeline and the wheel of this package.

    pipeline (Path): A trained pipeline's folder.
    out (Path): Folder for the wheels; existing wheels of the same packages are replaced.
    version (str): The pipeline's version.
    project (Path): The folder with this package's `pyproject.toml`.
    RETURNS (list[Path]): The package's wheel, then the pipeline's.
    RAISES (OSError, ValueError): The version is invalid, or the folder holds no pipeline.
    RAISES (RuntimeError): A build failed; the message quotes the end of its output.
    """
    try:
        # As pip writes it, without blanks around it, say.
        version = str(Version(version))
    except InvalidVersion as error:
        raise ValueError(f"{error}; expected a version such as 0.1.0") from error
    with workplace(out, "build") as build:
        trained = build / "trained" / pipeline.name
        copy_folder(pipeline, trained)
        # Training does this too, but the pipeline may have been trained or saved by other means.
        forget_words(pipeline, trained)
        _forget_places(trained)
        # From a copy: setuptools leaves a build folder behind, whose content would get into the
        # next wheel.
        source = build / "source"
        copy_folder(project / "components", source / "components", "__pycache__", "*.egg-info")
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(project / name, source / name)
        _run(
            [
                # No build yet: spaCy's own would be an isolated one.
                *["-m", "spacy", "package", str(trained), str(build), "--build", "none"],
                *["--name", PACKAGE_NAME, "--version", version, "--force"],
            ]
        )
        [setup] = build.glob("*/setup.py")
        # No isolation: an isolated build would fetch setuptools from the network. No index: pip
        # would look there for a newer version of itself.
        pip = ["-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        built: list[Path] = []
        for folder in (source, setup.parent):
            wheels = build / f"wheel-of-{folder.name}"
            _run([*pip, "--wheel-dir", str(wheels), str(folder)])
            built += wheels.glob("*.whl")
        # Two versions of one package cannot be installed together; other wheels are kept.
        names = {wheel.name.split("-")[0] for wheel in built}
        for old in out.glob("*.whl"):
            if old.name.split("-")[0] in names:
                old.unlink()
        for wheel in built:
            # As the folders of pipelines: weights can reveal the notes they were trained on.
            wheel.chmod(0o600)
        return [wheel.replace(out / wheel.name) for wheel in built]


def _forget_places(pipeline: Path) -> None:
    """Reduce paths in a pipeline's config to file names, for privacy: they can tell whose notes
    these were."""
    config = load_config(pipeline / "config.cfg", interpolate=False)
    for name, value in config.get("paths", {}).items():
        config["paths"][name] = _name_of(value, hub=name == "encoder")
    # Literal in a pipeline that was trained from another one, and wherever a head has an encoder of
    # its own.
    _forget_below(config["components"], "name", hub=True)
    for section in ("corpora", "initialize"):
        _forget_below(config.get(section, {}), "path", hub=False)
    config.to_disk(pipeline / "config.cfg")


def _forget_below(section: dict[str, Any], key: str, hub: bool) -> None:
    for name, value in section.items():
        if isinstance(value, dict):
            _forget_below(value, key, hub)
        elif name == key:
            section[name] = _name_of(value, hub)


def _name_of(value: object, hub: bool) -> object:
    """The last part of a path.

    hub (bool): Whether it may be a name on the hub, which stays as it is: it has one slash at most.
    """
    if not isinstance(value, str) or value.startswith("${"):
        return value
    is_path = not hub or value[:1] in "./~" or value.count("/") > 1 or "\\" in value
    return Path(value).name if is_path or Path(value).exists() else value


def _run(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, errors="replace"
    )
    if result.returncode:
        output = result.stdout + result.stderr
        if (full := os.strerror(errno.ENOSPC)) in output:
            # Said for each file that could not be copied, at the front of them all.
            raise OSError(errno.ENOSPC, full)
        last = " ".join(output.split()[-100:])
        raise RuntimeError(f"`python {' '.join(arguments[:3])}` failed: {last}")
