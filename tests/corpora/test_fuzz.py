"""Damaged notes: intact lines are read, losses are reported by line, and no byte changes.

Mutants are drawn with a fixed seed. What must survive is computed from a mutant's bytes by a reader
that understands only clean lines.
"""

import random
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clinical_ie.brat import Problem, list_notes, read_note, write_note
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.corpora.synthetic import generate_note
from clinical_ie.doc import annotations_of

MUTANTS = 150
JUNK = [
    b"\x00",
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\t",
    b"\x0c",
    b";",
]
NUMBERS = [b"9" * 10_000, b"9" * 19, b"18446744073709551616", b"-1", b"0", b"1e3", b"\xd9\xa3", b""]
CLEAN = {
    "T": re.compile(r"(T[0-9]+)\t(\S+) ([0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*)\t(.+)"),
    "R": re.compile(r"(R[0-9]+)\t(\S+) Arg1:(\S+) Arg2:(\S+)\t?"),
    "E": re.compile(r"(E[0-9]+)\t[^\s:]+:(\S+)(?: [^\s:]+:[^\s:]+)*\s*"),
    "A": re.compile(r"([AM][0-9]+)\t(\S+) (\S+)(?: ([^\t]+))?"),
}

Mutator = Callable[[random.Random, list[bytes]], None]


def some(draw: random.Random, lines: list[bytes]) -> int:
    return draw.randrange(len(lines))


def delete_line(draw: random.Random, lines: list[bytes]) -> None:
    del lines[some(draw, lines)]


def duplicate_line(draw: random.Random, lines: list[bytes]) -> None:
    lines.insert(some(draw, lines), lines[some(draw, lines)])


def swap_lines(draw: random.Random, lines: list[bytes]) -> None:
    i, j = some(draw, lines), some(draw, lines)
    lines[i], lines[j] = lines[j], lines[i]


def shuffle_lines(draw: random.Random, lines: list[bytes]) -> None:
    draw.shuffle(lines)


def join_lines(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    lines[i : i + 2] = [b"".join(lines[i : i + 2])]


def cut_line(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    lines[i] = lines[i][: draw.randrange(len(lines[i]) + 1)]


def flip_byte(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    at = draw.randrange(len(lines[i]) + 1)
    lines[i] = lines[i][:at] + bytes([draw.randrange(256)]) + lines[i][at + 1 :]


def insert_junk(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    at = draw.randrange(len(lines[i]) + 1)
    lines[i] = lines[i][:at] + draw.choice([*JUNK, draw.randbytes(9)]) + lines[i][at:]


def insert_junk_line(draw: random.Random, lines: list[bytes]) -> None:
    kind = draw.choice([b"", *(bytes([sign]) for sign in b"TREAMN#*X")])
    lines.insert(
        some(draw, lines), kind + draw.choice([*JUNK, draw.randbytes(30), b"1\t", b"1\tX"])
    )


def change_number(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    numbers = list(re.finditer(rb"[0-9]+", lines[i]))
    if numbers:
        found = draw.choice(numbers)
        new = draw.choice([*NUMBERS, str(draw.randrange(9_999)).encode()])
        lines[i] = lines[i][: found.start()] + new + lines[i][found.end() :]


def reverse_spans(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    lines[i] = re.sub(rb"([0-9]+) ([0-9]+)", rb"\2 \1", lines[i])


def swap_ids(draw: random.Random, lines: list[bytes]) -> None:
    i, j = some(draw, lines), some(draw, lines)
    (one, tab, rest), (other, tab2, rest2) = lines[i].partition(b"\t"), lines[j].partition(b"\t")
    lines[i], lines[j] = other + tab + rest, one + tab2 + rest2


def rename_id(draw: random.Random, lines: list[bytes]) -> None:
    i, j = some(draw, lines), some(draw, lines)
    ids = re.findall(rb"[TREAMN#][0-9]+", lines[j])
    if ids:
        new = draw.choice(ids)
        lines[i] = re.sub(rb"[TREAMN#][0-9]+", lambda _: new, lines[i], count=draw.randint(1, 2))


def swap_references(draw: random.Random, lines: list[bytes]) -> None:
    lines[:] = [re.sub(rb":T([0-9]*)[0-9]", rb":E\1", line) for line in lines]


def lengthen_line(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    at = draw.randrange(len(lines[i]) + 1)
    lines[i] = lines[i][:at] + draw.choice([b"x", b" ", b"9", b"\t", b"1 2;"]) * 100_000


def change_line_ends(draw: random.Random, lines: list[bytes]) -> None:
    lines[:] = [line + draw.choice([b"\r", b" ", b"\t"]) for line in lines]


def truncate(draw: random.Random, lines: list[bytes]) -> None:
    content = b"\n".join(lines)
    lines[:] = content[: draw.randrange(len(content) + 1)].split(b"\n")


def repeat_all(draw: random.Random, lines: list[bytes]) -> None:
    lines += lines


def drop_tabs(draw: random.Random, lines: list[bytes]) -> None:
    i = some(draw, lines)
    lines[i] = lines[i].replace(b"\t", draw.choice([b" ", b"", b"\t\t"]))


MUTATORS: list[Mutator] = [
    delete_line,
    duplicate_line,
    swap_lines,
    shuffle_lines,
    join_lines,
    cut_line,
    flip_byte,
    insert_junk,
    insert_junk_line,
    change_number,
    reverse_spans,
    swap_ids,
    rename_id,
    swap_references,
    lengthen_line,
    change_line_ends,
    truncate,
    repeat_all,
    drop_tabs,
]


def mutate(draw: random.Random, content: bytes, most: int = 4) -> bytes:
    lines = content.split(b"\n")
    for mutator in draw.choices(MUTATORS, k=draw.randint(1, most)):
        mutator(draw, lines)
        lines = lines or [b""]
    return b"\n".join(lines)


def mutants(pairs: list[tuple[bytes, bytes]], n: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """Damaged pairs: mostly the `.ann` is damaged, sometimes the `.txt` or both."""
    draw = random.Random(seed)
    for number in range(n):
        text, ann = pairs[number % len(pairs)]
        yield (
            mutate(draw, text, 1) if draw.random() < 0.1 else text,
            mutate(draw, ann) if draw.random() < 0.95 else ann,
        )


def clean_lines(lines: list[bytes]) -> Iterator[tuple[int, str, re.Match[str]]]:
    """Lines that any reader must accept: number, kind and parts."""
    for number, line in enumerate(lines, start=1):
        try:
            decoded = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            continue
        kind = decoded[:1].replace("M", "A")
        if kind in CLEAN and (found := CLEAN[kind].fullmatch(decoded)):
            yield number, kind, found


def must_survive(text: str, ann: bytes) -> tuple[dict, Counter, Counter, set[int]]:
    """Mentions by id, relations and attributes by mention, and the numbers of their lines."""
    lines = ann.split(b"\n")
    clean = list(clean_lines(lines))
    # Duplicate ids are ambiguous.
    starts = Counter(line.partition(b"\t")[0].strip() for line in lines)
    clean = [entry for entry in clean if starts[entry[2][1].encode()] == 1]
    mentions, numbers = {}, set()
    for number, kind, found in clean:
        if kind == "T":
            pieces = tuple((int(a), int(b)) for a, b in re.findall("([0-9]+) ([0-9]+)", found[3]))
            covered = " ".join(text[a:b] for a, b in pieces).replace("\n", " ")
            if covered == found[4] and all(a < b <= len(text) for a, b in pieces):
                mentions[found[1]] = found[2], pieces
                numbers.add(number)
    events = {found[1]: found[2] for _, kind, found in clean if kind == "E"}
    behind = {**{m: m for m in mentions}, **{e: t for e, t in events.items() if t in mentions}}
    links: Counter[tuple[str, str, str]] = Counter()
    attributes: Counter[tuple[str, tuple[str, str]]] = Counter()
    for number, kind, found in clean:
        if kind == "R" and found[3] in behind and found[4] in behind:
            links[found[2], behind[found[3]], behind[found[4]]] += 1
            numbers.add(number)
        elif kind == "A" and found[3] in behind:
            attributes[behind[found[3]], (found[2], " ".join((found[4] or "").split()))] += 1
            numbers.add(number)
        elif kind == "E" and found[2] in mentions:
            numbers.add(number)
    return mentions, links, attributes, numbers


def undecodable(text: bytes) -> int | None:
    """The number of the first line that is not UTF-8."""
    for number, line in enumerate(text.split(b"\n"), start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return number
    return None


def check(folder: Path, pairs: list[tuple[bytes, bytes]]) -> None:
    """Send damaged pairs from disk through Docs and a `.spacy` file back to disk."""
    docs, kept = [], []
    for number, (text, ann) in enumerate(pairs):
        path = folder / f"n{number}.txt"
        path.write_bytes(text)
        path.with_suffix(".ann").write_bytes(ann)
        if (broken := undecodable(text)) is not None:
            with pytest.raises(UnicodeDecodeError, match=f"n{number}.txt, line {broken};"):
                read_note(path)
            continue
        note = read_note(path)
        doc, problems = note_to_doc(corpus_nlp(), note)
        mentions, links, attributes, numbers = must_survive(note.text, ann)
        found = annotations_of(doc)
        by_id = {m.id: (m.label, m.fragments) for m in found.mentions}
        assert mentions.items() <= by_id.items()
        assert links <= Counter((link.label, link.head, link.tail) for link in found.links)
        assert attributes <= Counter((m.id, each) for m in found.mentions for each in m.attributes)
        lines = ann.split(b"\n")
        for problem in problems:
            assert problem.file == str(path.with_suffix(".ann"))
            check_problem(problem, lines, numbers)
        docs.append(doc)
        kept.append((text, ann))
    write_docs(docs, folder / "x.spacy")
    for doc, (text, ann) in zip(read_docs(folder / "x.spacy"), kept, strict=True):
        write_note(folder / "out", "n", doc.text, doc_to_standoff(doc), bom=doc._.bom)
        assert (folder / "out" / "n.txt").read_bytes() == text
        assert (folder / "out" / "n.ann").read_bytes() == ann


def check_problem(problem: Problem, lines: list[bytes], good: set[int]) -> None:
    """A problem names the line at fault, in a short and printable message."""
    line = lines[problem.line - 1][:1000].decode(errors="replace")
    assert problem.line not in good or problem.severity == "warning"
    assert len(str(problem)) < 500 + len(problem.file)
    assert str(problem).isprintable()
    if (named := re.match(r"(?:the id )?([TREAMN#][0-9]+)\b", problem.message)) is not None:
        assert named[1] in line


def synthetic_pairs() -> list[tuple[bytes, bytes]]:
    """Generated notes, plus the kinds of line that the generator does not write."""
    pairs = []
    for number in range(10):
        note = generate_note(0, "train", number)
        first, *_, last = [line.split("\t")[0] for line in str(note.standoff).splitlines()][:5]
        more = (
            f"E1\tEvent:{first} Role:{last}\nE2\tEvent:E1\n*\tEquiv {first} E2\n"
            f"A91\tNegated E1\nM1\tCertainty {last} low\n#91\tAnnotatorNotes E2\tsure?\n"
            f"N91\tReference {first} RxNorm:1\tx\nR991\tX Arg1:E1 Arg2:{last}\n"
        )
        pairs.append((note.text.encode(), str(note.standoff).encode() + more.encode()))
    return pairs


def test_damaged_synthetic_notes(tmp_path: Path):
    check(tmp_path, list(mutants(synthetic_pairs(), MUTANTS, seed=0)))


def test_damaged_case_reports(maccrobat: Path, tmp_path: Path):
    paths = sorted(list_notes(maccrobat), key=lambda path: path.stat().st_size)[:10]
    pairs = [(path.read_bytes(), path.with_suffix(".ann").read_bytes()) for path in paths]
    check(tmp_path, list(mutants(pairs, MUTANTS, zlib.crc32(b"case reports"))))


def test_a_note_cut_at_any_byte(tmp_path: Path):
    [(text, ann), *_] = synthetic_pairs()
    short = ann[-400:]
    check(tmp_path, [(text[:300], short[:at]) for at in range(0, len(short), 3)])
