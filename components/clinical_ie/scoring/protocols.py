"""The protocols by name: how items are matched and counted, and how notes are added up."""

from collections.abc import Callable
from dataclasses import dataclass

from ..doc import Annotations
from .counts import NoteCounts
from .n2c2 import n2c2_2018
from .one_to_one import one_to_one

DEFAULT_PROTOCOL = "one-to-one"


@dataclass(frozen=True, slots=True)
class Protocol:
    """What counts as right.

    name (str): As it stands beside every number.
    count (Callable[[Annotations, Annotations, str | None], NoteCounts]): Counts of one note from
        its gold and predicted annotations and its text.
    scores_missing (bool): A note that one side lacks is scored, as one with nothing in it there;
        else it is left out.
    needs_ann (bool): Of two folders: a `.txt` without `.ann` is no note; else it is one with
        nothing in it.
    empty_is_zero (bool): In the mean over notes, a note with nothing on either side counts 0;
        else it is left out.
    ends_as_listed (bool): The ends of a relation are told apart by the order of its line; else by
        the names Arg1 and Arg2, where it has these.
    last_of_id (bool): Of the mentions, or relations, of one id the last counts, in the place of the
        first; else all do.
    in_words (str): The matching, for people.
    """

    name: str
    count: Callable[[Annotations, Annotations, str | None], NoteCounts]
    scores_missing: bool
    needs_ann: bool
    empty_is_zero: bool
    ends_as_listed: bool
    last_of_id: bool
    in_words: str


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
            in_words="each item matches at most one; duplicates are wrong, missing notes missed",
        ),
        Protocol(
            "n2c2-2018",
            n2c2_2018,
            scores_missing=False,
            needs_ann=True,
            empty_is_zero=True,
            ends_as_listed=True,
            last_of_id=True,
            in_words="as the official script counts; notes that one side lacks are not scored",
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    RAISES (ValueError): There is none; the message names those that there are.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"no scoring protocol {name!r}; expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
