"""Relations between the mentions of a Doc, as users see them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from spacy.tokens import Span


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation on a Doc; head and tail are members of `doc.spans["entities"]`."""

    head: Span
    tail: Span
    label: str
    score: float = 1.0


class RelationList(list[Relation]):
    """A list that writes every change back to the Doc, which stores relations as plain values.

    write (Callable[[list[Relation]], None]): Called after each change. If it raises an error, the
        change is undone.
    """

    def __init__(self, write: Callable[[list[Relation]], None]) -> None:
        super().__init__()
        self._write = write

    def filled(self, relations: Iterable[Relation]) -> "RelationList":
        """Add relations that are already on the Doc, without writing them; return the list."""
        super().extend(relations)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy or pickle is a plain list.
        return list, (list(self),)


def _passing_on(name: str) -> Callable[..., Any]:
    change = getattr(list, name)

    @wraps(change)
    def changed(self: RelationList, *arguments: Any, **settings: Any) -> Any:
        before = list(self)
        result = change(self, *arguments, **settings)
        try:
            self._write(self)
        except Exception:
            list.__init__(self, before)
            raise
        return result

    return changed


for _name in (
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("__setitem__", "__delitem__", "__iadd__", "__imul__"),
):
    setattr(RelationList, _name, _passing_on(_name))
