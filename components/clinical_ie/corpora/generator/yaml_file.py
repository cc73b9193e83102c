"""One YAML file of a schema, with the line of every value in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .checks import Fault, Place

# Aliases can make billions of a few lines.
_MOST_ENTRIES = 200_000
_TEXT = "tag:yaml.org,2002:str"
# `<<: *other`, which stands for the names of another mapping.
_MERGE = "tag:yaml.org,2002:merge"
_HALF_A_SIGN = re.compile("[\ud800-\udfff]")


class Where(NamedTuple):
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


Positions = dict[Place, Where]


class YamlError(ValueError):
    """A file that is not YAML; the message names file and line."""


class _Loader(yaml.SafeLoader):
    """Tells the line of a value that cannot be made, such as the 13th month."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            mark = node.start_mark
            raise yaml.constructor.ConstructorError(problem=str(error), problem_mark=mark) from None


def read_yaml(path: Path, positions: Positions) -> tuple[dict[str, Any], list[Fault]]:
    """Read a file that is 'name: value' lines, all names being text.

    positions (Positions): Receives the line of every value.
    RETURNS (tuple[dict[str, Any], list[Fault]]): Its content, empty if there are faults: of names,
        of which YAML would keep the last of two, and of values that no note can hold.
    RAISES (YamlError): It cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf8")
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise YamlError(f"{path}: a schema is 'name: value' lines, beginning with 'entities:'")
        faults = list(_located(node, (), path, positions, ()))
        data: dict[str, Any] = {} if faults else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise YamlError(f"{path}: cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        told = f"{error.problem}; quote text with any of []{{}}:#, or with ! in front"
        raise YamlError(f"{path}:{line}: this is not YAML: {told}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        told = f"the character {error.character:#06x} cannot be in it; remove it"
        raise YamlError(f"{path}:{line}: this is not YAML: {told}") from None
    except RecursionError:
        raise YamlError(f"{path}: lists and names are nested too deeply") from None
    return data, faults


def _located(
    node: yaml.Node, place: Place, path: Path, positions: Positions, above: tuple[yaml.Node, ...]
) -> Iterator[Fault]:
    """Record the line of every value, and report faulty names and values.

    above (tuple[yaml.Node, ...]): The nodes that this one is in.
    """
    if node in above:
        yield Fault(place, "*alias", "it is part of what it stands for; write out what is meant")
        return
    if len(positions) > _MOST_ENTRIES:
        raise YamlError(f"{path}: its aliases stand for more than {_MOST_ENTRIES:,} entries")
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            where = Where(path, key.start_mark.line + 1)
            if key.tag not in (_TEXT, _MERGE):
                shown = key.value if isinstance(key.value, str) else "a list or mapping"
                positions[*place, shown] = where
                told = "YAML does not read this name as text; put it in quotes"
                yield Fault((*place, shown), shown, told)
                continue
            inner = (*place, key.value)
            if key.value in seen:
                line = positions[inner].line
                positions[inner] = where
                told = f"the name is used in line {line} already; rename one"
                yield Fault(inner, key.value, told)
                continue
            seen.add(key.value)
            positions[inner] = where
            yield from _located(value, inner, path, positions, above)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            positions[*place, number] = Where(path, value.start_mark.line + 1)
            yield from _located(value, (*place, number), path, positions, above)
    elif half := _HALF_A_SIGN.search(node.value):
        yield Fault(place, half[0], "half a character, which no file can hold; write all of it")
