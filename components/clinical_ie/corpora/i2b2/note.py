"""Conversion of a released file to a brat note: mentions, their attributes, and links."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ...brat import Attribute, Comment, Note, Problem, Standoff
from ...brat.files import (
    content_of,
    covered_text,
    files_below,
    hidden_folders,
    line_fragments,
    misspelt,
    note_name,
)
from ...brat.parse import wide_encoding
from ...brat.problem import Severity
from ...brat.records import is_label
from .mend import Placed, place_mention, resolve_end
from .tags import Source, Tag, read_extent, read_xml

# Type of the comment that holds the id of a tag in the release.
ID_COMMENT = "I2b2Id"
EVENT_TYPES = ("PROBLEM", "TEST", "TREATMENT", "CLINICAL_DEPT", "EVIDENTIAL", "OCCURRENCE")
TIMEX_TYPES = ("DATE", "TIME", "DURATION", "FREQUENCY")
SECTIME = "SECTIME"
# By kind of tag, the values that become attributes of the mention.
ATTRIBUTES = {
    "EVENT": ("modality", "polarity"),
    "TIMEX3": ("val", "mod"),
    SECTIME: ("type", "dvalue"),
}
# Attributes that every EVENT has; the first value is written to `.xml` if the note gives none.
EVENT_VALUES = {
    "modality": ("FACTUAL", "CONDITIONAL", "POSSIBLE", "PROPOSED"),
    "polarity": ("POS", "NEG"),
}
# Values for what a tag is, its place and what it links; all others become attributes.
_OWN = {"id", "start", "end", "text", "type"} | {
    f"{side}{name}" for side in ("from", "to") for name in ("ID", "Text", "Kind", "Start", "End")
}


@dataclass(frozen=True, slots=True)
class I2b2Settings:
    """What to read besides the six EVENT types, which are the paper's setting."""

    timex: bool = False
    sectime: bool = False
    tlinks: bool = False


def list_notes(folder: Path) -> list[Path]:
    """The `.xml` of each note below a folder, or its `.extent` if there is no `.xml`.

    RAISES (FileNotFoundError): No such folder, or it holds neither.
    """
    if not folder.is_dir():
        told = "is a file" if folder.exists() else "no such folder"
        raise FileNotFoundError(f"{folder}: {told}; expected a folder of notes of i2b2-2012")
    files = list(files_below(folder))
    found = {
        _bare(path): path
        for ending in (".extent", ".xml")
        for path in files
        if path.suffix == ending
    }
    if not found:
        raise FileNotFoundError(f"{folder}: holds no .xml and no .extent file of i2b2-2012")
    return [found[name] for name in sorted(found)]


def strays(folder: Path) -> list[Problem]:
    """Problems for the files below a folder that look like part of a note but belong to none."""
    files = sorted(files_below(folder))
    notes = {_bare(path) for path in files if path.suffix in (".xml", ".extent")}
    told = "no .xml and no .extent of its name beside it: left out"
    return [
        *hidden_folders(folder),
        *misspelt(files, (".xml", ".extent", ".txt", ".tlink")),
        *(
            Problem(str(path), 0, told)
            for path in files
            if path.suffix in (".txt", ".tlink") and _bare(path) not in notes
        ),
    ]


def _bare(path: Path) -> Path:
    """The path without its ending; `1.xml.extent` also exists, beside `1.xml`."""
    return path.with_name(path.name.removesuffix(path.suffix).removesuffix(".xml"))


def read_note(path: Path, root: Path, settings: I2b2Settings | None = None) -> Note:
    """Read a note of the release.

    The id of each tag is kept in a comment of type `I2b2Id`.

    path (Path): Its `.xml`, or its `.extent` with the `.txt` and the `.tlink` beside it.
    root (Path): The folder that note names are relative to.
    RETURNS (Note): The problems say what was mended and what was left out.
    RAISES (ValueError): The file is not a note of i2b2-2012.
    RAISES (OSError): A file is missing.
    """
    mended: list[Problem] = []
    if path.suffix == ".xml":
        source = read_xml(_decode(path, mended), str(path))
    else:
        tlink, txt = path.with_suffix(".tlink"), path.with_suffix(".txt")
        if not txt.is_file():
            raise ValueError(f"{path}: no {txt.name} beside it, which it annotates")
        source = read_extent(
            _decode(txt, mended),
            _decode(path, mended),
            _decode(tlink, mended) if tlink.is_file() else "",
            str(path),
            str(tlink),
        )
    source.problems = mended + source.problems
    standoff = _Builder(path, source, settings or I2b2Settings()).build()
    return Note(note_name(path, root), source.text, standoff, source.problems, ann=str(path))


class _Builder:
    """The standoff of one note, under construction."""

    def __init__(self, path: Path, source: Source, settings: I2b2Settings) -> None:
        self.path = path
        self.source = source
        self.settings = settings
        self.standoff = Standoff()
        # Everything that can be the end of a link; and the text-bound ids of what was requested.
        self.placed: list[Placed] = []
        self.bound_ids: dict[int, str] = {}
        self.left_out: set[str] = set()
        # How often each id was seen; links have ids of their own.
        self.seen: Counter[tuple[bool, str]] = Counter()
        # How often each attribute was seen that the format does not have.
        self.others: Counter[str] = Counter()

    def build(self) -> Standoff:
        for tag in self.source.tags:
            # Kinds that were not requested matter only as ends of links.
            if tag.kind != "TLINK" and (self._is_asked(tag.kind) or self.settings.tlinks):
                self._mention(tag)
        if self.settings.tlinks:
            unasked = 0
            for tag in self.source.tags:
                if tag.kind == "TLINK":
                    unasked += self._link(tag)
            if unasked:
                told = f"{unasked} TLINKs refer to times that were not requested: left out"
                self.source.problems.append(Problem(str(self.path), 0, told, "warning"))
        if self.others:
            counts = ", ".join(f"{name} ({times})" for name, times in self.others.items())
            told = f"attributes that the format does not have: {counts}: kept as attributes"
            self.source.problems.append(Problem(str(self.path), 0, told, "warning"))
        return self.standoff

    def _mention(self, tag: Tag) -> None:
        placed, told, severity = place_mention(tag, self.source.text)
        if told:
            self._tell(tag, told, severity)
        label = self._label(tag)
        if placed is None or label is None:
            self.left_out.add(tag.values.get("id", ""))
            return
        self.placed.append(placed)
        if not self._is_asked(tag.kind):
            return
        fragments = line_fragments(self.source.text, placed.span)
        covered = covered_text(self.source.text, fragments)
        id_ = self.standoff.add_textbound(label, fragments, covered).id
        self.bound_ids[id(placed)] = id_
        self._keep_attributes(tag, ATTRIBUTES[tag.kind], id_)
        self._keep_id(tag, id_)

    def _is_asked(self, kind: str) -> bool:
        return {"TIMEX3": self.settings.timex, SECTIME: self.settings.sectime}.get(kind, True)

    def _label(self, tag: Tag) -> str | None:
        if tag.kind == SECTIME:
            return SECTIME
        types = EVENT_TYPES if tag.kind == "EVENT" else TIMEX_TYPES
        given = tag.values.get("type", "")
        label = given.strip().upper()
        if label not in types:
            expected = ", ".join(types)
            self._tell(tag, f"type={given!r}; expected one of {expected}: left out", "error")
            return None
        if label != given:
            self._tell(tag, f"type={given!r}: mended, read as {label}", "mended")
        return label

    def _link(self, tag: Tag) -> int:
        """Add a link.

        RETURNS (int): 1 if it is left out because an end was not requested, else 0.
        """
        given = tag.values.get("type", "")
        label = given.strip().upper()
        if not is_label(label):
            wrong = f"type={label!r} is not a single word" if label else "type is empty"
            self._tell(tag, f"{wrong}; expected BEFORE, AFTER, OVERLAP …: left out", "error")
            return 0
        if label != given:
            self._tell(tag, f"type={given!r}: mended, read as {label}", "mended")
        ends = []
        for side in ("from", "to"):
            end, told = resolve_end(tag, side, self.placed, self.left_out)
            if told:
                self._tell(tag, told, "mended" if end is not None else "error")
            if end is None:
                return 0
            ends.append(end)
        ids = [self.bound_ids.get(id(end)) for end in ends]
        if ids[0] is None or ids[1] is None:
            return 1
        id_ = self.standoff.add_relation(label, ids[0], ids[1]).id
        self._keep_attributes(tag, (), id_)
        self._keep_id(tag, id_)
        return 0

    def _keep_attributes(self, tag: Tag, known: tuple[str, ...], target: str) -> None:
        others = tuple(name for name in tag.values if name not in _OWN and name not in known)
        self.others.update(f"{name} of {tag.kind}" for name in others)
        for name in known + others:
            value = " ".join(tag.values.get(name, "").split())
            if value:
                self.standoff.add(Attribute(self.standoff.next_id("A"), name, target, value))
            expected = EVENT_VALUES.get(name, ()) if tag.kind == "EVENT" else ()
            if expected and value not in expected:
                told = f"{name}={value!r}; expected one of {', '.join(expected)}: " + (
                    "kept as it is" if value else f"written back as {expected[0]}"
                )
                self._tell(tag, told, "warning")

    def _keep_id(self, tag: Tag, target: str) -> None:
        name = " ".join(tag.values.get("id", "").split())
        if not name:
            return
        self.seen[key := (tag.kind == "TLINK", name)] += 1
        if self.seen[key] > 1:
            name = f"{name}~{self.seen[key]}"
            self._tell(tag, f"the id {key[1]} is used twice: mended, now {name}", "mended")
        self.standoff.add(Comment(self.standoff.next_id("#"), ID_COMMENT, target, name))

    def _tell(self, tag: Tag, told: str, severity: Severity) -> None:
        what = f"{tag.kind} {tag.values.get('id', '')}".strip()
        file = self.path
        if tag.kind == "TLINK" and file.suffix == ".extent":
            file = file.with_suffix(".tlink")
        self.source.problems.append(Problem(str(file), tag.line, f"{what}: {told}", severity))


def _decode(path: Path, mended: list[Problem]) -> str:
    content = content_of(path)
    if wide := wide_encoding(content):
        raise ValueError(
            f"{path}: looks like {wide}, not UTF-8: convert it with `iconv -f {wide} -t UTF-8`"
        )
    try:
        return content.decode("utf8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # It differs from Latin-1 only where that has control characters, and lacks five of these.
        try:
            text, read_as = content.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            text, read_as = content.decode("latin1"), "Latin-1"
        told = f"byte {content[error.start]:#04x} is not UTF-8: mended, file read as {read_as}"
        mended.append(Problem(str(path), line, told, "mended"))
        return text
