r"""Every valid pair of `.txt` and `.ann` is kept to the byte, on disk and on a Doc.

Pairs are drawn line by line, with what real corpora hold: every line kind and unknown ones, ids
such as `T1.1`, forward references, fragments out of order, blanks at line ends, either line end,
byte order marks, and texts with lone `\r`, `\u2028`, form feeds and characters beyond 16 bits.
"""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ie.brat import Comment, Standoff, TextBound, read_note, write_note
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import Annotations, Link, Mention, annotate, annotations_of

BOM = "\ufeff"
LABELS = st.sampled_from(["Drug", "ADE", "Body-Part", "Größe", "x_1"])
WORDS = [
    "aspirin",
    "81 mg",
    "p.o.",
    "\U0001f489",
    "\U0001d6fc",
    "e\u0301",
    "1.",
    BOM,
    "\x00",
]
BREAKS = ["\t", "  ", "\r", "\r\n", "\n", "\n\n", "\u2028", "\x0c", "\x85", "\u00a0", "\x1c"]
TEXTS = st.lists(st.sampled_from(WORDS + BREAKS), max_size=30).map(" ".join) | st.text(max_size=40)
COMMENTS = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=8)
UNKNOWN = st.sampled_from(["", "  ", "\t", "?? later", "X1\tDrug 0 3\tabc", "t1\tlow", "//"])
LINE_ENDS = ["\n", "\n", "\n", "\r\n", " \n", "\t\n", "\t \r\n"]

Fragments = tuple[tuple[int, int], ...]


@dataclass
class Pair:
    """A valid pair of files, and what a reader must find in it.

    ann (bytes | None): None if there is no `.ann`.
    bom (bool): Whether the `.txt` begins with a byte order mark, which offsets do not count.
    mentions (dict[str, tuple[str, Fragments]]): Label and fragments by id.
    links (Counter[tuple[str, str, str]]): Label, head and tail of the relations.
    """

    text: str
    ann: bytes | None = None
    bom: bool = False
    mentions: dict[str, tuple[str, Fragments]] = field(default_factory=dict)
    links: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def files(self) -> dict[str, bytes]:
        files = {".txt": ((BOM if self.bom else "") + self.text).encode()}
        return files if self.ann is None else {**files, ".ann": self.ann}

    def write(self, folder: Path, name: str) -> Path:
        for suffix, content in self.files.items():
            (folder / name).with_suffix(suffix).write_bytes(content)
        return folder / f"{name}.txt"

    def is_at(self, path: Path) -> bool:
        """Whether the files on disk equal this pair byte for byte."""
        found = (path.with_suffix(suffix) for suffix in (".txt", ".ann"))
        return self.files == {p.suffix: p.read_bytes() for p in found if p.exists()}


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A pair; if it has mentions, every kind of line may refer to them."""
    pair = Pair(draw(TEXTS))
    lines = mention_lines(draw, pair) if pair.text else []
    if pair.mentions:
        lines += referring_lines(draw, pair)
        pair.bom = draw(st.booleans()) and not pair.text.startswith(BOM)
    lines += draw(st.lists(UNKNOWN, max_size=2))
    if lines or draw(st.booleans()):
        lines = draw(st.permutations(lines))
        ends = draw(st.lists(st.sampled_from(LINE_ENDS), min_size=len(lines), max_size=len(lines)))
        ann = "".join(line + end for line, end in zip(lines, ends, strict=True))
        if draw(st.booleans()):
            ann = ann.rstrip("\n")
        pair.ann = ((BOM if draw(st.booleans()) else "") + ann).encode()
    return pair


def mention_lines(draw: st.DrawFn, pair: Pair) -> list[str]:
    ids = draw(st.lists(st.integers(1, 99), max_size=5, unique=True))
    lines = []
    for number in ids:
        id_ = f"T{number}{draw(st.sampled_from(['', '', '.1']))}"
        label, length = draw(LABELS), len(pair.text)
        n = draw(st.integers(1, min(3, length)))
        cuts = draw(st.sets(st.integers(0, length), min_size=n + 1, max_size=n + 1))
        pieces = tuple(draw(st.permutations(list(pairwise(sorted(cuts))))))
        pair.mentions[id_] = label, pieces
        covered = " ".join(pair.text[start:end] for start, end in pieces).replace("\n", " ")
        offsets = ";".join(f"{start} {end}" for start, end in pieces)
        lines.append(f"{id_}\t{label} {offsets}\t{covered}")
    return lines


def referring_lines(draw: st.DrawFn, pair: Pair) -> list[str]:
    """Lines with references; events first, so that others can refer to them (shuffled later)."""
    mentions = list(pair.mentions)
    behind = {id_: id_ for id_ in mentions}
    lines = []
    for number in range(draw(st.integers(0, 3))):
        trigger, role = (draw(st.sampled_from(list(behind))) for _ in range(2))
        lines.append(f"E{number}\tEvent:{trigger} Role:{role}")
        behind[f"E{number}"] = behind[trigger]
    targets = st.sampled_from(list(behind))
    for number in range(draw(st.integers(0, 4))):
        label, head, tail = draw(LABELS), draw(targets), draw(targets)
        form = draw(st.sampled_from(["Arg1:{0} Arg2:{1}", "Arg2:{1} Arg1:{0}", "From:{0} To:{1}"]))
        lines.append(f"R{number}\t{label} {form.format(head, tail)}")
        pair.links[label, behind[head], behind[tail]] += 1
    one, other = draw(targets), draw(targets)
    some = [
        f"A1\tNegated {one}",
        f"A2\tCertainty {other} very low",
        f"M1\tNegated {other}",
        f"N1\tReference {one} RxNorm:1191\tacetyl salicylate",
        f"#1\tAnnotatorNotes {other}\t{draw(COMMENTS)}",
        f"#2\tAnnotatorNotes {one}",
        f"*\tEquiv {one} {other}",
        "#3\tAnnotatorNotes A1\tis it?",
    ]
    chosen = draw(st.lists(st.sampled_from(some[:-1]), unique=True))
    return lines + chosen + ([some[-1]] if some[0] in chosen else [])


@settings(max_examples=60)
@given(st.lists(pairs(), min_size=1, max_size=4))
def test_files_and_docs_give_the_same_bytes_back(drawn: list[Pair]):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        docs = []
        for number, pair in enumerate(drawn):
            note = read_note(pair.write(folder, f"n{number}"))
            write_note(
                folder / "copy",
                note.name,
                note.text,
                note.standoff if note.has_ann else None,
                bom=note.bom,
            )
            assert pair.is_at(folder / "copy" / f"n{number}.txt")
            doc, problems = note_to_doc(corpus_nlp(), note)
            assert [p for p in problems if p.severity != "warning"] == []
            docs.append(doc)
        write_docs(docs, folder / "notes.spacy")
        for pair, doc in zip(drawn, read_docs(folder / "notes.spacy"), strict=True):
            found = annotations_of(doc)
            assert {m.id: (m.label, m.fragments) for m in found.mentions} == pair.mentions
            assert Counter((k.label, k.head, k.tail) for k in found.links) == pair.links
            note_id = doc._.note_id
            write_note(folder / "out", note_id, doc.text, doc_to_standoff(doc), bom=doc._.bom)
            assert pair.is_at(folder / "out" / f"{note_id}.txt")


def parsed(pair: Pair) -> Standoff:
    return Standoff.from_bytes(pair.ann or b"")


def raw_lines(standoff: Standoff) -> Counter[str]:
    return Counter(line.raw for line in standoff.lines)


@given(pairs(), st.integers(0, 60), st.integers(0, 10))
def test_a_shift_moves_mentions_and_nothing_else(pair: Pair, offset: int, by: int):
    standoff = parsed(pair)
    before = standoff.copy()
    crossing = {
        id_ for id_, (_, pieces) in pair.mentions.items() if any(a < offset < b for a, b in pieces)
    }
    standoff.shift(offset, by, keep=crossing)
    for old, new in zip(before.lines, standoff.lines, strict=True):
        if not isinstance(old.record, TextBound) or old.record.id in crossing:
            assert new == old
            continue
        moved = tuple((a + by, b + by) if a >= offset else (a, b) for a, b in old.record.fragments)
        assert isinstance(new.record, TextBound)
        assert new.record.fragments == moved
        if moved == old.record.fragments:
            assert new.raw == old.raw
    standoff.shift(offset + by, -by, keep=crossing)
    assert [line.record for line in standoff.lines] == [line.record for line in before.lines]


@given(pairs())
def test_what_is_added_leaves_every_line_alone(pair: Pair):
    standoff = parsed(pair)
    before = str(standoff)
    one = standoff.add_textbound("Drug", [(0, 1)], pair.text[:1].strip() or "x")
    standoff.add_relation("X", one.id, one.id)
    standoff.add(Comment(standoff.next_id("#"), "AnnotatorNotes", one.id, "new"))
    after = str(standoff)
    assert after.startswith(before)
    ids = [line.record.id for line in standoff.lines if line.record and line.record.id != "*"]
    assert len(ids) == len(set(ids))
    again = Standoff.parse(after)
    assert [line.record for line in again.lines] == [line.record for line in standoff.lines]


@given(pairs(), st.data())
def test_what_is_taken_out_takes_only_what_needs_it(pair: Pair, data: st.DataObject):
    standoff = parsed(pair)
    bearers = [line.record.id for line in standoff.lines if line.record is not None]
    gone = set(data.draw(st.lists(st.sampled_from(bearers), unique=True)) if bearers else ())
    before = standoff.copy()
    standoff.remove(gone)
    # Expected result: remove lines whose references are gone until nothing changes.
    while (
        more := {
            line.record.id
            for line in before.lines
            if line.record is not None and gone & set(line.record.needs)
        }
        - gone
    ):
        gone |= more
    kept = [line for line in before.lines if line.record is None or line.record.id not in gone]
    touched = [
        line for line in kept if line.record is not None and gone & set(line.record.references)
    ]
    untouched = Counter(line.raw for line in kept) - Counter(line.raw for line in touched)
    assert untouched <= raw_lines(standoff)
    left = {line.record.id for line in standoff.lines if line.record is not None} - {"*"}
    assert left == {line.record.id for line in kept if line.record is not None} - {"*"}
    for line in standoff.lines:
        assert line.record is None or not gone & set(line.record.references)


@settings(max_examples=60)
@given(pairs(), st.data())
def test_a_changed_doc_changes_its_own_lines_alone(pair: Pair, data: st.DataObject):
    with tempfile.TemporaryDirectory() as name:
        note = read_note(pair.write(Path(name), "n"))
    doc, _ = note_to_doc(corpus_nlp(), note)
    old = annotations_of(doc)
    dropped = set(data.draw(st.lists(st.sampled_from(old.mentions)))) if old.mentions else set()
    mentions = [mention for mention in old.mentions if mention not in dropped]
    ids = {mention.id for mention in mentions}
    links = [link for link in old.links if link.head in ids and link.tail in ids]
    if links and data.draw(st.booleans()):
        links.pop()
    if doc.text and data.draw(st.booleans()):
        new = Mention("new", "Drug", ((0, len(doc.text)),), attributes=(("Negated", ""),))
        links += [Link("Added", "new", id_) for id_ in ids]
        mentions.append(new)
    annotate(doc, Annotations(mentions, links))
    standoff = doc_to_standoff(doc)
    note.standoff = standoff if standoff is not None else Standoff()
    again, _ = note_to_doc(corpus_nlp(), note)
    found = annotations_of(again)
    assert shape(found) == shape(annotations_of(doc))
    if not dropped and links == old.links and mentions == old.mentions:
        assert standoff is None or standoff.to_bytes() == pair.ann


def shape(annotations: Annotations) -> tuple[Counter[object], Counter[object]]:
    """Mentions and relations, independent of their ids."""
    by_id = {
        m.id: (m.label, m.fragments, m.attributes, m.normalizations, m.comments)
        for m in annotations.mentions
    }
    links = Counter((link.label, by_id[link.head], by_id[link.tail]) for link in annotations.links)
    return Counter(by_id.values()), links
