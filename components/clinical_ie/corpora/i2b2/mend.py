"""Repair of wrong offsets and link ends in the released files."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ...brat.problem import Severity
from .tags import Tag, unescaped

# How far from its offsets the text of a mention is searched for, in characters.
REACH = 40
_LITERALS = {"ADMISSION", "DISCHARGE"}


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A tag with a known place in the text, which can be the end of a link."""

    tag: Tag
    span: tuple[int, int]


def place_mention(tag: Tag, text: str) -> tuple[Placed | None, str, Severity]:
    """Find the place of a tag in the text.

    RETURNS (tuple[Placed | None, str, Severity]): None if it has no place; a message, or "" if
        there is nothing to report; and the severity of the message.
    """
    wanted = tag.values.get("text", "")
    span = tag.span
    if span is None and tag.tokens:
        return None, f"there is no {tag.tokens} in the text: left out", "error"
    if span is None:
        given = f"start={tag.values.get('start')!r} end={tag.values.get('end')!r}"
        return None, f"its place cannot be read ({given}): left out", "error"
    start, end = span
    if 0 <= start < end <= len(text) and (not wanted or _same(text[start:end], wanted)):
        if not text[start:end].strip():
            return None, "covers nothing but white space: left out", "error"
        trimmed = _trimmed(text, start, end)
        if trimmed == span:
            return Placed(tag, span), "", "warning"
        told = f"{_in_file(tag, span)} has white space at an end: mended"
        told += f", now {_in_file(tag, trimmed)}"
        return Placed(tag, trimmed), told, "mended"
    found = _nearby(text, wanted, start) if wanted.strip() else None
    if found is not None:
        told = f"{wanted!r} is not at {_in_file(tag, span)}: mended"
        told += f", found at {_in_file(tag, found)}"
        return Placed(tag, found), told, "mended"
    if start >= end:
        told = f"{_in_file(tag, span)} is empty or reversed; expected start below end: left out"
        return None, told, "error"
    if not 0 <= start < end <= len(text):
        told = f"{_in_file(tag, span)} lies outside the text of {len(text)} characters: left out"
        return None, told, "error"
    covered = text[start:end]
    return None, f"says {wanted!r}, its place covers {covered!r}: left out", "error"


def _in_file(tag: Tag, span: tuple[int, int]) -> str:
    """A place in the numbers of the tag's file.

    An `.xml` counts characters from 1; an `.extent` counts lines and tokens, so characters are
    named as such.
    """
    start, end = span
    return f"{start + 1} {end + 1}" if "start" in tag.values else f"characters {start} to {end}"


def resolve_end(
    tag: Tag, side: str, placed: list[Placed], left_out: Collection[str] = ()
) -> tuple[Placed | None, str]:
    """Find the tag that one end of a link refers to.

    side (str): "from" or "to".
    left_out (Collection[str]): Ids of tags that are in the file but were left out.
    RETURNS (tuple[Placed | None, str]): None if nothing fits; and what was mended or is wrong.
    """
    values = tag.values
    if f"{side}Kind" in values:
        return _by_place(tag, side, placed)
    id_, said = values.get(f"{side}ID", ""), values.get(f"{side}Text", "")
    by_id = [p for p in placed if p.tag.values.get("id") == id_]
    if id_ and by_id:
        # If an id is used twice, the link means the tag with the text that the link gives.
        meant = [p for p in by_id if said and _same(p.tag.values.get("text", ""), said)]
        if meant or not said or not by_id[0].tag.values.get("text"):
            return (meant or by_id)[0], ""
        text = by_id[0].tag.values["text"]
        return by_id[0], f"{side}Text={said!r}, but {id_} says {text!r}: mended, the id is kept"
    literal = id_.strip().upper()
    if literal in _LITERALS:
        sectimes = [p for p in placed if _is_sectime(p, literal)]
        if sectimes:
            name = sectimes[0].tag.values.get("id", literal)
            return sectimes[0], f"{side}ID={id_!r} is not an id: mended, read as {name}"
    if id_.startswith("T"):
        # A SECTIME with an id in the form of a TIMEX3's.
        other = [p for p in placed if p.tag.values.get("id") == f"S{id_[1:]}"]
        if other and (not said or _same(other[0].tag.values.get("text", ""), said)):
            return other[0], f"{side}ID={id_!r} is not a TIMEX3: mended, read as S{id_[1:]}"
    if id_ in left_out:
        return None, f"{side}ID={id_!r} is a tag that was left out: left out too"
    return None, f"{side}ID={id_!r} is not an EVENT, TIMEX3 or SECTIME of this file: left out"


def _by_place(tag: Tag, side: str, placed: list[Placed]) -> tuple[Placed | None, str]:
    values = tag.values
    kind, said = values[f"{side}Kind"], values[f"{side}Text"]
    span = (int(values.get(f"{side}Start", -1)), int(values.get(f"{side}End", -1)))
    here = [p for p in placed if p.tag.span == span or p.span == span]
    of_kind = [p for p in here if p.tag.kind == kind]
    if of_kind:
        return of_kind[0], ""
    if here:
        told = f"its {side} end is called {kind}: mended, read as the {here[0].tag.kind} there"
        return here[0], told
    literal = said.strip().upper()
    sectimes = [p for p in placed if literal in _LITERALS and _is_sectime(p, literal)]
    if sectimes:
        return sectimes[0], f"its {side} end {said!r} has no place: mended, read as the SECTIME"
    return None, f"nothing is annotated where its {side} end {said!r} is: left out"


def _is_sectime(placed: Placed, literal: str) -> bool:
    tag = placed.tag
    return tag.kind == "SECTIME" and tag.values.get("type", "").strip().upper() == literal


def _nearby(text: str, wanted: str, start: int) -> tuple[int, int] | None:
    """The place of the text nearest to `start`; None if there is none, or several equally near."""
    first = max(0, start - REACH)
    last = max(0, start) + REACH + len(wanted)
    # A line may end between two words.
    words = re.compile(r"\s+".join(map(re.escape, wanted.split())))
    found = []
    match = words.search(text, first, last)
    while match is not None:
        found.append(match.span())
        match = words.search(text, match.start() + 1, last)
    found.sort(key=lambda place: abs(place[0] - start))
    if not found or (len(found) > 1 and abs(found[0][0] - start) == abs(found[1][0] - start)):
        return None
    return found[0]


def _same(one: str, other: str) -> bool:
    """Whether two texts are equal apart from case, white space (which tags normalize) and entities.

    A tag written with raw `&` quotes a literal `&amp;` of the note as it is, and is read as `&`.
    """
    first, second = ("".join(unescaped(text).split()).casefold() for text in (one, other))
    return first == second


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends; it must hold something else."""
    covered = text[start:end]
    return start + len(covered) - len(covered.lstrip()), end - len(covered) + len(covered.rstrip())
