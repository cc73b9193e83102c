"""JSON Lines: one object per line."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from ...system.packed import packed_as
from .part import WHOLE, Part
from .rows import Row, RowSource


class JsonlSource(RowSource):
    """A `{"id": …, "text": …}` per line, in UTF-8; other keys and blank lines are ignored.

    RAISES (OSError): The file cannot be read.
    RAISES (ValueError): It holds no lines, or is compressed.
    """

    def __init__(self, path: Path, id_column: str, text_column: str, part: Part = WHOLE) -> None:
        super().__init__(path, id_column, text_column, part)
        with path.open("rb") as file:
            if packed := packed_as(file.read(8)):
                raise ValueError(f"{path}: is a compressed file ({packed}); unpack it")
        n_lines = sum(1 for _ in self._lines())
        if not n_lines:
            raise ValueError(f'{path}: holds no lines; expected {{"id": …, "text": …}} per note')
        self.total = part.size(n_lines)

    def rows(self) -> Iterator[tuple[int, Row]]:
        for number, line in self._lines():
            yield number, self._row(line)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        # As bytes, so that a line that is not UTF-8 does not affect the others.
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                content = line.removeprefix(BOM_UTF8) if number == 1 else line
                if content.strip():
                    yield number, content

    def _row(self, line: bytes) -> Row:
        try:
            found = json.loads(line.decode("utf8"))
        except UnicodeDecodeError as error:
            byte = f"byte {line[error.start]:#04x} at {error.start + 1} is not UTF-8"
            return f"{byte}; convert the file: iconv -f <its encoding> -t UTF-8"
        except (ValueError, RecursionError) as error:
            return f"not JSON ({error}); expected one object on one line"
        if not isinstance(found, dict):
            return f"{type(found).__name__}, not an object; expected one object per line"
        for column, option in ((self.id_column, "id"), (self.text_column, "text")):
            if column not in found:
                keys = ", ".join(map(repr, found)) or "none"
                return f"no key {column!r} ({keys[:100]}); name it with --{option}-column"
        return found[self.id_column], found[self.text_column]
