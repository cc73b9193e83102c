"""Which models a run needs: those that are named, and those that its configs refer to."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confection import Config, ConfigValidationError

from .table import Table

# Where a project's configs look for weights, wherever the table's own output folder is.
MODELS_DIR = "assets/models"


class ChoiceError(Exception):
    """A model is unknown, or a config cannot be read; the message says which."""


@dataclass(frozen=True)
class Choice:
    """The models of a run.

    from_table (list[str]): Names in the table, each once, in order of first mention.
    own (list[str]): Folders that the table does not know: the user's own models.
    """

    from_table: list[str]
    own: list[str]


def choose(table: Table, names: Iterable[str], configs: Iterable[Path], out_dir: Path) -> Choice:
    """Collect the models of a run.

    table (Table): The table of weights.
    names (Iterable[str]): Models that are named explicitly.
    configs (Iterable[Path]): Configs whose string values may be paths into a folder of models.
    out_dir (Path): The folder of model folders.
    RETURNS (Choice): The models to fetch, and the user's own.
    RAISES (ChoiceError): A name is neither in the table nor a folder, or a config cannot be read.
    """
    # Completion in a shell ends the name of a folder with a slash.
    asked = [(name.rstrip("/"), "") for name in names]
    for config in configs:
        asked += [(name, f" ({config} needs it)") for name in models_in_config(config, out_dir)]
    choice = Choice([], [])
    for name, why in dict(asked).items():
        if name in table.models:
            choice.from_table.append(name)
        elif name and Path(name).name == name and (out_dir / name).is_dir():
            choice.own.append(name)
        else:
            known = ", ".join(table.models)
            raise ChoiceError(
                f"{name!r}{why} is neither a model of the table ({known}) nor a folder in {out_dir}"
            )
    return choice


def models_in_config(path: Path, out_dir: Path) -> list[str]:
    """Find the models that a config refers to.

    path (Path): A .cfg file; its variables are not interpolated.
    out_dir (Path): The folder of model folders. `assets/models/NAME` is found as well as
        OUT_DIR/NAME, and so are paths below either.
    RETURNS (list[str]): The names, each once.
    RAISES (ChoiceError): The file cannot be read as a config.
    """
    try:
        config = Config().from_disk(path, interpolate=False)
    except (OSError, ValueError, ConfigValidationError) as error:
        reason = " ".join(str(error).split())
        raise ChoiceError(f"{path}: cannot be read as a config: {reason}") from error
    folders = "|".join(re.escape(str(folder)) for folder in (MODELS_DIR, out_dir.as_posix()))
    pattern = re.compile(rf"(?:^|.*/)(?:{folders})/([^/\s\"']+)")
    found = (pattern.match(value) for value in _strings(config))
    return list(dict.fromkeys(match[1] for match in found if match))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
