"""One YAML file of a schema, with the line of every value in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ...text.surrogates import HALF_A_SIGN
from .checks import Fault, Place

# Of values that stand behind aliases, which can make billions of a few lines.
_MOST_COPIES = 200_000
_TEXT = "tag:yaml.org,2002:str"
# `<<: *other`, which stands for the names of another mapping.
_MERGE = "tag:yaml.org,2002:merge"
_HALF = "half a character, which no file can hold; write all of it"


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
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
            mark = node.start_mark
            # Those of other kinds do not say what is wrong.
            told = (
                str(error) if isinstance(error, ValueError) else f"{node.tag} cannot be made of it"
            )
            raise yaml.constructor.ConstructorError(problem=told, problem_mark=mark) from None


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
        faults = list(_Walk(path, positions).faults(node))
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


class _Walk:
    """A walk over all values of a file, which records the line of each."""

    def __init__(self, path: Path, positions: Positions) -> None:
        self._path = path
        self._positions = positions
        # The nodes that were met, and how often one was met again, behind an alias.
        self._met: set[int] = set()
        self._copies = 0

    def faults(
        self, node: yaml.Node, place: Place = (), above: tuple[yaml.Node, ...] = ()
    ) -> Iterator[Fault]:
        """Faulty names and values.

        above (tuple[yaml.Node, ...]): The nodes that this one is in.
        """
        if node in above:
            told = "it is part of what it stands for; write out what is meant"
            yield Fault(place, "*alias", told)
            return
        self._copies += id(node) in self._met
        self._met.add(id(node))
        if self._copies > _MOST_COPIES:
            raise YamlError(
                f"{self._path}: its aliases stand for more than {_MOST_COPIES:,} values"
            )
        above = (*above, node)
        if isinstance(node, yaml.MappingNode):
            yield from self._faults_of_names(node, place, above)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self._positions[*place, number] = self._where(value)
                yield from self.faults(value, (*place, number), above)
        elif half := HALF_A_SIGN.search(node.value):
            yield Fault(place, half[0], _HALF)

    def _faults_of_names(
        self, node: yaml.MappingNode, place: Place, above: tuple[yaml.Node, ...]
    ) -> Iterator[Fault]:
        seen: set[str] = set()
        for key, value in node.value:
            is_text = isinstance(key, yaml.ScalarNode) and key.tag in (_TEXT, _MERGE)
            name = key.value if isinstance(key.value, str) else "a list or mapping"
            inner = (*place, name)
            if is_text and name in seen:
                line = self._positions[inner].line
                self._positions[inner] = self._where(key)
                yield Fault(inner, name, f"the name is used in line {line} already; rename one")
                continue
            self._positions[inner] = self._where(key)
            if not is_text:
                told = "YAML does not read this name as text; put it in quotes"
                yield Fault(inner, name, told)
                continue
            if half := HALF_A_SIGN.search(name):
                yield Fault(inner, half[0], _HALF)
            seen.add(name)
            yield from self.faults(value, inner, above)

    def _where(self, node: yaml.Node) -> Where:
        return Where(self._path, node.start_mark.line + 1)
