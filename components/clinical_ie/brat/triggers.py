"""Resolution of event ids: the trigger of an event is a mention, or another event."""

from collections.abc import Iterable

from .records import Event


class Triggers:
    """The chains of triggers in one file; an id that is used twice means the first event.

    events (Iterable[Event]): In file order.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self.first: dict[str, str] = {}
        for event in events:
            self.first.setdefault(event.id, event.trigger)
        # Earlier results, so that no part of a chain is followed twice.
        self._ends: dict[str, str] = {}

    def end(self, id_: str) -> str:
        """The end of an id's chain: an id that is not an event's, or an event in a circle."""
        # A dict, because it keeps the order and finds an id at once.
        path: dict[str, None] = {}
        at = id_
        while at in self.first and at not in self._ends and at not in path:
            path[at] = None
            at = self.first[at]
        if at in path:
            circle = list(path)[list(path).index(at) :]
            self._ends.update(zip(circle, circle, strict=True))
        end = self._ends.get(at, at)
        for each in path:
            self._ends.setdefault(each, end)
        return self._ends.get(id_, end)
