"""Scoring protocols by name: how items are matched and counted, and how notes are summed up."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..brat import TextBound
from ..corpora.n2c2 import misread
from ..doc import Annotations
from .counts import NoteCounts
from .n2c2 import n2c2_2018
from .one_to_one import one_to_one

DEFAULT_PROTOCOL = "one-to-one"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules by which predictions are scored.

    name (str): The name printed with every score.
    count (Callable[[Annotations, Annotations, str | None], NoteCounts]): Counts of one note from
        its gold and predicted annotations and its text.
    scores_missing (bool): Whether a note that is missing on one side is scored as empty there;
        otherwise it is left out.
    needs_ann (bool): Whether a `.txt` without `.ann` is ignored; otherwise it is a note without
        annotations.
    empty_is_zero (bool): Whether a note without items on either side counts as 0 in the mean over
        notes; otherwise it is left out.
    ends_as_listed (bool): Whether the order in the line tells the head of a relation from its tail;
        otherwise the names Arg1 and Arg2 do, if it has them.
    last_of_id (bool): Whether, of several mentions or relations with the same id, only the last
        counts, at the position of the first; otherwise all do.
    misread (Callable[[TextBound], Iterable[str]]): Why the official script, if there is one, takes
        a mention's line for something else; here, it counts by its offsets, and this is told.
    """

    name: str
    count: Callable[[Annotations, Annotations, str | None], NoteCounts]
    scores_missing: bool
    needs_ann: bool
    empty_is_zero: bool
    ends_as_listed: bool
    last_of_id: bool
    misread: Callable[[TextBound], Iterable[str]]


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "one-to-one",
            one_to_one,
            scores_missing=True,
            needs_ann=False,
            empty_is_zero=False,
            ends_as_listed=False,
            last_of_id=False,
            misread=lambda mention: (),
        ),
        Protocol(
            "n2c2-2018",
            n2c2_2018,
            scores_missing=False,
            needs_ann=True,
            empty_is_zero=True,
            ends_as_listed=True,
            last_of_id=True,
            misread=misread,
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """Get a protocol by its name.

    RAISES (ValueError): Unknown name; the message lists the known ones.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
