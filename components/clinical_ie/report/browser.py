"""Data of the error browser: notes, annotations of both sides, and a list of errors.

Offsets are converted to UTF-16 code units, in which JavaScript counts.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..doc import Annotations
from ..scoring.errors import CORRECT, NoteErrors, Verdict
from .predictions import ScoredNote


class _Words(dict[str, int]):
    """A number for each word, by order of appearance."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def browser_data(
    notes: Mapping[str, Sequence[ScoredNote]], errors: Mapping[str, Sequence[NoteErrors]]
) -> dict[str, Any]:
    """The error browser's data.

    notes, errors: By arm, with the same notes in the same order.
    RETURNS (dict[str, Any]): `docs`: name, text and `sides` of each note. The sides are gold and
        then each arm, with mentions [type, pieces, score] and relations [label, head, tail, score];
        items of an arm have a fifth or fourth element, 1 if right and 0 if not. `errors`: by arm,
        [doc, kind, type, task, side, index], where side 0 is gold. They include every gold item
        that was not found. Kinds, tasks, types and labels are indices of `words`: written out,
        they would be two fifths of the page.
    """
    words = _Words()
    arms = list(notes)
    first = notes[arms[0]] if arms else []
    docs: list[dict[str, Any]] = []
    listed: dict[str, list[list[Any]]] = {arm: [] for arm in arms}
    for number, note in enumerate(first):
        units = _units(note.text)
        sides = [_side(note.gold, units, words)]
        for arm in arms:
            predicted, judged = notes[arm][number].predicted, errors[arm][number]
            sides.append(_side(predicted, units, words, judged))
            listed[arm] += _errors(number, note.gold, predicted, judged, words)
        docs.append({"name": note.name, "text": note.text, "sides": sides})
    return {"arms": arms, "docs": docs, "errors": listed, "words": list(words)}


def as_script(data: Any) -> Markup:
    """JSON that is safe inside a `<script>` element, whatever its strings contain."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    # In JSON these occur only in strings, where they can be escaped.
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _errors(
    number: int, gold: Annotations, predicted: Annotations, judged: NoteErrors, words: _Words
) -> list[list[Any]]:
    """Errors in text order; a gold item and the predicted item it is paired with are one error."""
    found: list[tuple[int, list[Any]]] = []
    for side, (annotations, mentions, links) in enumerate(
        (
            (gold, judged.gold_mentions, judged.gold_links),
            (predicted, judged.predicted_mentions, judged.predicted_links),
        )
    ):
        start_of = {mention.id: mention.start for mention in annotations.mentions}
        for place, mention in enumerate(annotations.mentions):
            if _is_listed(mentions[place], side):
                told = (mentions[place].kind, mention.label, "mention")
                entry = [number, *(words[word] for word in told), side, place]
                found.append((mention.start, entry))
        for place, link in enumerate(annotations.links):
            if _is_listed(links[place], side):
                told = (links[place].kind, link.label, "relation")
                entry = [number, *(words[word] for word in told), side, place]
                found.append((min(start_of[link.head], start_of[link.tail]), entry))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def _is_listed(verdict: Verdict, side: int) -> bool:
    return verdict.kind != CORRECT and (side == 0 or verdict.partner is None)


def _side(
    annotations: Annotations,
    units: Callable[[int], int],
    words: _Words,
    judged: NoteErrors | None = None,
) -> dict[str, list[Any]]:
    """The items of one side; those of an arm include whether they are right."""
    place = {mention.id: i for i, mention in enumerate(annotations.mentions)}
    mentions: list[list[Any]] = [
        [words[m.label], [[units(a), units(b)] for a, b in sorted(m.fragments)], round(m.score, 3)]
        for m in annotations.mentions
    ]
    relations = [
        [words[link.label], place[link.head], place[link.tail], round(link.score, 3)]
        for link in annotations.links
    ]
    if judged is not None:
        for items, verdicts in (
            (mentions, judged.predicted_mentions),
            (relations, judged.predicted_links),
        ):
            for item, verdict in zip(items, verdicts, strict=True):
                item.append(int(verdict.kind == CORRECT))
    return {"m": mentions, "r": relations}


def _units(text: str) -> Callable[[int], int]:
    """A function from offsets in characters to offsets in UTF-16 code units."""
    wide = [i for i, sign in enumerate(text) if ord(sign) > 0xFFFF]
    return lambda offset: offset + bisect_left(wide, offset)
