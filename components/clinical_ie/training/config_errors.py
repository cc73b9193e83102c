"""What is wrong in a training config, in words that name the setting."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from confection import ConfigValidationError
from spacy.schemas import ConfigSchemaNlp, ConfigSchemaTraining
from spacy.util import load_config


@contextmanager
def numbers_checked(config: Path, overrides: dict[str, Any]) -> Iterator[None]:
    """A context in which a TypeError names the settings that are text and look like a number.

    A config's `.1`, `1_000`, `nan` and `"0.1"` are text, but spaCy lets them pass for numbers.
    RAISES (ValueError): In place of the TypeError, if there is such a setting.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        # thinc's schedules make a ValueError of it.
        is_of_type = isinstance(error, TypeError) or isinstance(error.__context__, TypeError)
        values = load_config(config, overrides=overrides, interpolate=False) if is_of_type else {}
        found = list(_numbers_as_text(values))
        if not found:
            raise
        raise ValueError(
            f"{', '.join(found)}: text in place of a number; write numbers without quotation "
            "marks, with a digit before the point, and without underscores"
        ) from error


def check_names(values: Mapping[str, Any]) -> None:
    """Check the names of settings that spaCy ignores if it does not know them.

    values (Mapping[str, Any]): A config.
    RAISES (ValueError): It does not know one; the message names the most similar setting. Or a
        number is not finite, which a config can be neither saved nor compared with.
    """
    for setting, value in _settings(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{setting} = {value}: must be a finite number")
    pipes = values.get("components", {})
    for name in values.get("initialize", {}).get("components", {}):
        if name not in pipes:
            meant = did_you_mean(name, pipes)
            raise ValueError(f"initialize.components.{name}: there is no such component{meant}")
    for section, schema in (("nlp", ConfigSchemaNlp), ("training", ConfigSchemaTraining)):
        known = schema.model_fields
        for name in values.get(section, {}):
            if name not in known:
                meant = did_you_mean(name, known)
                raise ValueError(f"{section}.{name}: there is no such setting{meant}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the most similar one, if any is similar."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _numbers_as_text(values: Mapping[str, Any]) -> Iterator[str]:
    """The settings of a config whose value is text that Python would read as a number."""
    for setting, value in _settings(values):
        if isinstance(value, str):
            try:
                float(value)
            except ValueError:
                continue
            yield f"{setting} = {value}"


def _settings(values: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of a config by dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{section}{name}.")
        else:
            yield f"{section}{name}", value


def in_one_line(error: Exception) -> str:
    """The message of an error; of a config's many lines, each setting and what is wrong with it."""
    if isinstance(error, ConfigValidationError) and error.errors:
        return "; ".join(
            f"[{'.'.join(map(str, found.get('loc', ())))}] {found['msg']}" for found in error.errors
        )
    if isinstance(error, KeyError):
        return f"{error} is missing; a section must come after the one that it is a part of"
    text = error.desc if isinstance(error, ConfigValidationError) else str(error)
    return " ".join(str(text).split())
