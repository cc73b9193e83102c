"""Loading a schema from YAML files, with file, line, place, value and remedy of every fault."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .checks import Fault, Place, find_faults
from .schema import Schema
from .yaml_file import Positions, Where, YamlError, read_yaml

# Parts that may be spread over several files.
SHARED_PARTS = ("entities", "words", "relations", "sections")
MAX_SHOWN = 20

_REMEDIES = {
    "string_type": "write text, in quotes if YAML would read a number, a date, yes or no",
    "missing": "it is required; add it",
    "too_short": "it is empty; give it at least one entry",
    "list_type": "write a list, one '- entry' on each line",
    "dict_type": "write 'name: value' on each line",
    "mapping_type": "write 'name: value' on each line",
    "model_type": "write 'name: value' on each line",
}


class SchemaError(ValueError):
    """A schema that cannot be used; one line for each fault."""


def load_schema(path: Path) -> Schema:
    """Read a schema.

    The file may `include` others, relative to itself, that hold more entities, words, relations
    and sections.
    path (Path): The YAML file.
    RETURNS (Schema): The checked schema.
    RAISES (SchemaError): Every fault in the files, with file, line, place, value and remedy.
    """
    positions: Positions = {(): Where(path, 1)}
    data = _read(path, positions)
    included = data.pop("include", [])
    if not isinstance(included, list) or not all(isinstance(name, str) for name in included):
        raise SchemaError(
            _told(Fault(("include",), included, "write a list of file names"), positions)
        )
    for number, name in enumerate(included):
        if not (path.parent / name).is_file():
            message = f"there is no such file in {path.parent}"
            raise SchemaError(_told(Fault(("include", number), name, message), positions))
        _merge(data, path.parent / name, positions)
    try:
        schema = Schema.model_validate(data)
        faults = list(find_faults(schema))
    except ValidationError as error:
        faults = list(_translated(error, data))
    _check(faults, positions)
    return schema


def _merge(data: dict[str, Any], path: Path, positions: Positions) -> None:
    new: Positions = {}
    for part, values in _read(path, new).items():
        if part not in SHARED_PARTS or not isinstance(values, dict):
            message = f"an included file holds {', '.join(SHARED_PARTS)}; move this elsewhere"
            raise SchemaError(_told(Fault((part,), part, message), new))
        for name, value in values.items():
            place = (part, name)
            if name in data.setdefault(part, {}):
                message = f"the name is used in {_where(place, positions)} already; rename one"
                raise SchemaError(_told(Fault(place, name, message), new))
            data[part][name] = value
    positions.update({place: where for place, where in new.items() if len(place) > 1})


def _read(path: Path, positions: Positions) -> dict[str, Any]:
    try:
        data, faults = read_yaml(path, positions)
    except YamlError as error:
        raise SchemaError(str(error)) from None
    _check(faults, positions)
    return data


def _check(faults: Sequence[Fault], positions: Positions) -> None:
    """Raise an error that lists the first faults, if there are any."""
    if faults:
        lines = [_told(fault, positions) for fault in faults[:MAX_SHOWN]]
        if len(faults) > MAX_SHOWN:
            lines.append(f"… and {len(faults) - MAX_SHOWN} more")
        raise SchemaError("\n".join(lines))


def _translated(error: ValidationError, data: Mapping[str, Any]) -> Iterator[Fault]:
    for detail in error.errors():
        place: Place = detail["loc"]
        if detail["type"] == "unknown_key":
            key = detail["ctx"]["key"]
            yield Fault((*place, key), key, detail["msg"])
            continue
        if place[-1:] == ("[key]",):
            place = place[:-1]
        remedy = _REMEDIES.get(detail["type"])
        if remedy is None:
            remedy = detail["msg"].removeprefix("Value error, ")
        # For a missing key, pydantic gives the whole value around it.
        value = "nothing" if detail["type"] == "missing" else detail["input"]
        yield Fault(place, value, remedy)


def _told(fault: Fault, positions: Positions) -> str:
    value = repr(fault.value)
    shown = value if len(value) <= 100 else f"{value[:97]}…"
    # For readers, positions count from 1.
    place = ".".join(str(p + 1) if isinstance(p, int) else p for p in fault.place) or "schema"
    return f"{_where(fault.place, positions)}: {place}: {shown}: {fault.message}"


def _where(place: Place, positions: Positions) -> Where:
    while place not in positions:
        place = place[:-1]
    return positions[place]
