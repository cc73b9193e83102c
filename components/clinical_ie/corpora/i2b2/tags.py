"""Parsing of the released files into one unchecked record per tag.

Two forms have the same content: `N.xml`, with offsets in characters, and `N.txt` with `N.extent`
and `N.tlink`, with lines and white-space tokens.
"""

import html
import re
from collections import Counter
from dataclasses import dataclass, field

from ...brat import Problem
from ...terminal.printable import shown

MENTION_KINDS = ("EVENT", "TIMEX3", "SECTIME")
TAG_KINDS = (*MENTION_KINDS, "TLINK")


@dataclass(frozen=True, slots=True)
class Tag:
    """One annotation as it is in the file.

    kind (str): EVENT, TIMEX3, SECTIME or TLINK.
    line (int): Line of the file, from 1.
    values (dict[str, str]): Its attributes.
    span (tuple[int, int] | None): Characters of the note's text; None for a link, or if the file
        gives none that can be read.
    tokens (str): In `.extent`, the place as it stands there.
    """

    kind: str
    line: int
    values: dict[str, str]
    span: tuple[int, int] | None
    tokens: str = ""


@dataclass(slots=True)
class Source:
    """A parsed file: the note's text, the tags, and the problems found in parsing."""

    text: str
    tags: list[Tag] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


_TEXT = re.compile(r"<TEXT\b[^<>]*>", re.IGNORECASE)
# A CDATA section may hold `</TEXT>`.
_BODY = re.compile(r"(\s*<!\[CDATA\[.*?\]\]>\s*|.*?)</TEXT\s*>", re.DOTALL | re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_TAGS = re.compile(r"<TAGS\b[^>]*>", re.IGNORECASE)
_TAGS_END = re.compile(r"</TAGS\s*>", re.IGNORECASE)
_KINDS = r"(?:EVENT|TIMEX3|SECTIME|TLINK)\b"
_OPENED = re.compile(r"<(?:!--|[A-Za-z][\w.-]*)")
_CLOSED = re.compile(r"</[A-Za-z][\w.-]*\s*>")
_KNOWN = re.compile(f"<{_KINDS}")
_REST = re.compile("[^<>]*>")
# A value may hold a raw `<`, but tags are not nested: an unclosed one is read up to the next, not
# to the end of the file, and possessive quantifiers (`*+`) prevent backtracking.
_LESS = f"<(?!{_KINDS})"
_TAG = re.compile(
    rf"<({_KINDS})"
    rf"((?:[^<>\"']++|{_LESS}|\"(?:[^<\"]++|{_LESS})*+\"|'(?:[^<']++|{_LESS})*+')*+)>"
)
_VALUE = re.compile(r"(?<![\w:.-])([\w:.-]++)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_UNQUOTED = re.compile(r"(?<![\w:.-])([\w:.-]++)\s*=\s*([^\s\"'=]++)")
_RAW_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos);)")


def read_xml(content: str, file: str) -> Source:
    """Parse an `.xml`.

    Tags are found one by one instead of by an XML parser, which would reject the whole note: some
    released files hold raw `&`.

    content (str): The file, newlines untouched: CRLF and lone CR are read as LF, as in all XML.
    RETURNS (Source): The text is the CDATA without its leading newline. Spans count its characters
        from 0, with exclusive ends; the files count them from 1.
    RAISES (ValueError): There is no `<TEXT>` in it.
    """
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    text_opened = _TEXT.search(content)
    found = None if text_opened is None else _BODY.match(content, text_opened.end())
    if found is None:
        raise ValueError(f"{file}: no <TEXT> element; expected a note of i2b2-2012 as released")
    body = found[1]
    if body.lstrip().startswith("<![CDATA["):
        # Several sections, if the text holds `]]>`, or a carriage return (written between them).
        between = _CDATA.split(body.strip())
        text = "".join(unescaped(s) if i % 2 == 0 else s for i, s in enumerate(between))
    else:
        text = unescaped(body)
    source = Source(text.removeprefix("\n"))
    tags = _TAGS.search(content, found.end())
    start = tags.end() if tags is not None else found.end()
    _read_tags(content, start, source, file)
    if tags is None and not source.tags:
        told = "no <TAGS> element: a note without annotations, or the first part of one"
        source.problems.append(Problem(file, 0, told, "warning"))
    elif tags is not None and not tags[0].endswith("/>") and not _TAGS_END.search(content, start):
        told = "the file ends without </TAGS>: the rest of it is missing"
        source.problems.append(Problem(file, content.count("\n") + 1, told))
    return source


def _read_tags(content: str, start: int, source: Source, file: str) -> None:
    """Add the tags in a file from `start` on, and report whatever is not a tag."""
    line, counted = 1, 0

    def line_of(place: int) -> int:
        nonlocal line, counted
        line, counted = line + content.count("\n", counted, place), place
        return line

    def tell(place: int, told: str) -> None:
        source.problems.append(Problem(file, line_of(place), told))

    at, last_comment = start, content.rfind("-->")
    while at < len(content):
        opened = _OPENED.search(content, at)
        here = len(content) if opened is None else opened.start()
        # Blanks of the same length keep the positions those of the file.
        between = _CLOSED.sub(lambda tag: " " * len(tag[0]), content[at:here])
        if stranger := between.strip():
            place = at + len(between) - len(between.lstrip())
            tell(place, f"{shown(stranger)} is where a tag should be: left out")
        if opened is None:
            return
        at, name = opened.end(), opened[0][1:]
        match = _TAG.match(content, here) if name in TAG_KINDS else None
        if match is not None:
            at = match.end()
            values = _values(match, source.problems, file, line_of(here))
            source.tags.append(Tag(name, line_of(here), values, _xml_span(values)))
        elif name in TAG_KINDS:
            tell(here, f"this {name} tag cannot be read to its end: left out")
            # Nothing inside it is a tag.
            following = _KNOWN.search(content, at)
            at = len(content) if following is None else following.start()
        elif name == "!--":
            if at <= last_comment:
                at = content.index("-->", at) + len("-->")
        else:
            if name.upper() != "TAGS":
                told = f"{shown(f'<{name}>')} is not one of {', '.join(TAG_KINDS)}: left out"
                tell(here, told)
            if rest := _REST.match(content, at):
                at = rest.end()


def _values(tag: re.Match[str], problems: list[Problem], file: str, line: int) -> dict[str, str]:
    """The attributes of a tag, by name.

    problems (list[Problem]): Problems with invalid XML are appended.
    """
    kind, raw = tag[1], tag[2]
    if _RAW_AMPERSAND.search(raw):
        told = f"{kind} holds a raw &, which is not XML: mended, read as &amp;"
        problems.append(Problem(file, line, told, "mended"))
    pairs = [(name, double or single) for name, double, single in _VALUE.findall(raw)]
    rest = _VALUE.sub(" ", raw).rstrip().removesuffix("/")
    if rest.strip():
        for name, value in _UNQUOTED.findall(rest):
            told = f"{kind} holds {shown(f'{name}={value}')} without quotes: mended, quotes added"
            problems.append(Problem(file, line, told, "mended"))
            pairs.append((name, value))
        if rest := _UNQUOTED.sub(" ", rest).strip():
            told = f'{kind} holds {shown(rest)}, which is not NAME="VALUE": left out'
            problems.append(Problem(file, line, told))
    values = {name: unescaped(value) for name, value in pairs}
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            told = f"{kind} gives {name} {times} times: mended, read as {shown(values[name])}"
            problems.append(Problem(file, line, told, "mended"))
    return values


def unescaped(text: str) -> str:
    """Resolve entities; a raw `&` stays, even if HTML would resolve it (`C&section` to `C§ion`)."""
    return html.unescape(_RAW_AMPERSAND.sub("&amp;", text))


def _xml_span(values: dict[str, str]) -> tuple[int, int] | None:
    start, end = values.get("start", ""), values.get("end", "")
    if re.fullmatch(r"[0-9]{1,12}", start) and re.fullmatch(r"[0-9]{1,12}", end):
        return int(start) - 1, int(end) - 1
    return None


# The text of a mention may hold the sign, too.
_BETWEEN_PARTS = re.compile(r'\|\|(?=\s*\w+=")')
_PART = re.compile(r'(\w+)="(.*?)"(?:\s+(\d+):(\d+)\s+(\d+):(\d+))?\s*\Z', re.DOTALL)


def read_extent(text: str, extent: str, tlink: str, extent_file: str, tlink_file: str) -> Source:
    """Parse the merged form.

    text (str): The `.txt`.
    extent, tlink (str): The two other files; places are lines from 1 and white-space tokens from
        0, ends inclusive.
    """
    source = Source(text)
    tokens = _token_places(text)
    forms = (
        (extent, extent_file, _read_mention, 'KIND="text" LINE:TOKEN LINE:TOKEN||…'),
        (tlink, tlink_file, _read_link, 'KIND="text" LINE:TOKEN LINE:TOKEN||KIND="text" …||…'),
    )
    for content, file, read, form in forms:
        lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            tag = read(line, number, tokens)
            if tag is None:
                told = f"{shown(line)} is not {form}: left out"
                source.problems.append(Problem(file, number, told))
            else:
                source.tags.append(tag)
    return source


Places = list[list[tuple[int, int]]]


def _token_places(text: str) -> Places:
    """Start and end of each white-space token, by line."""
    places, offset = [], 0
    for line in text.split("\n"):
        places.append([(offset + m.start(), offset + m.end()) for m in re.finditer(r"\S+", line)])
        offset += len(line) + 1
    return places


def _read_mention(line: str, number: int, tokens: Places) -> Tag | None:
    parts = _parts(line)
    if parts is None or parts[0][1] not in MENTION_KINDS:
        return None
    head, *rest = parts
    fields = _fields(rest)
    if fields is None:
        return None
    values = {"text": head[2], **fields}
    return Tag(head[1], number, values, _place(head, tokens), head[0].rpartition('"')[2].strip())


def _read_link(line: str, number: int, tokens: Places) -> Tag | None:
    """A link between two places; an end can also be a word without a place (`Discharge`)."""
    parts = _parts(line)
    if parts is None or len(parts) < 2:
        return None
    values = _fields(parts[2:])
    if values is None:
        return None
    for name, part in zip(("from", "to"), parts[:2], strict=True):
        kind = part[1].upper()
        if kind not in MENTION_KINDS:
            return None
        values[f"{name}Kind"], values[f"{name}Text"] = kind, part[2]
        span = _place(part, tokens)
        if span is not None:
            values[f"{name}Start"], values[f"{name}End"] = str(span[0]), str(span[1])
    return Tag("TLINK", number, values, None)


def _fields(parts: list[re.Match[str]]) -> dict[str, str] | None:
    """The attributes of a tag; None if a place or a repeated name shows that two lines merged."""
    fields = {part[1]: part[2] for part in parts if part[3] is None}
    return fields if len(fields) == len(parts) else None


def _parts(line: str) -> list[re.Match[str]] | None:
    whole = line.rstrip().removesuffix("||")
    parts = [_PART.fullmatch(part.strip()) for part in _BETWEEN_PARTS.split(whole)]
    found = [part for part in parts if part is not None]
    return found if len(found) == len(parts) else None


def _place(part: re.Match[str], tokens: Places) -> tuple[int, int] | None:
    if part[3] is None or any(len(part[i]) > 9 for i in range(3, 7)):
        return None
    first_line, first, last_line, last = (int(part[i]) for i in range(3, 7))
    try:
        if min(first_line, last_line) < 1:
            return None
        return tokens[first_line - 1][first][0], tokens[last_line - 1][last][1]
    except IndexError:
        return None
