"""Notes written in the released format of i2b2-2012, and read back."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import Standoff
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.i2b2 import read_note, standoff_to_xml
from clinical_ie.corpora.i2b2.note import line_fragments
from clinical_ie.corpora.notes import corpus_nlp, make_doc
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.doc import Annotations, Mention, annotations_of
from tests.conftest import run_script

from .helpers import ALL, TEXT, xml


def test_a_note_is_written_back_as_it_was_released(tmp_path: Path):
    for split in ("train", "dev"):
        (tmp_path / "in" / split).mkdir(parents=True)
        (tmp_path / "in" / split / "1.xml").write_text(xml())
    options = ("--format", "i2b2-2012", "--timex", "--sectime", "--tlinks")
    assert run_script("convert.py", tmp_path / "in", tmp_path / "out", *options).exit_code == 0
    train = tmp_path / "out" / "train.spacy"
    assert len(annotations_of(read_docs(train)[0]).links) == 2
    export = run_script("export.py", train, tmp_path / "back", "--format", "i2b2-2012")
    assert export.exit_code == 0
    tree = ET.parse(tmp_path / "back" / "1.xml")
    text = tree.findtext("TEXT")
    assert text == "\n" + TEXT
    original = ET.fromstring(xml())
    for kind in ("EVENT", "TIMEX3", "SECTIME", "TLINK"):
        assert [tag.attrib for tag in tree.iter(kind)] == [
            tag.attrib for tag in original.iter(kind)
        ]


@pytest.mark.parametrize("text", ["a </TEXT> b", "a]]></TEXT>b", "a\r\nb\rc", "\n\na\u2028b\x85c"])
def test_a_strict_parser_reads_the_text_as_it_is(text, tmp_path: Path):
    standoff = Standoff()
    standoff.add_textbound("PROBLEM", ((len(text) - 1, len(text)),), text[-1])
    written, _ = standoff_to_xml(text, standoff)
    assert ET.fromstring(written).findtext("TEXT") == "\n" + text
    (tmp_path / "1.xml").write_text(written, encoding="utf8", newline="")
    note = read_note(tmp_path / "1.xml", tmp_path)
    assert (note.text, note.problems) == (text, [])


def test_what_cannot_be_xml_costs_one_note(tmp_path: Path):
    docs = []
    for text, label in (("a\x0cb", "TEST"), ("ab", "Drug"), ("ab", "TEST")):
        docs.append(
            make_doc(corpus_nlp(), text, Annotations([Mention("T1", label, ((0, 1),))]), "")
        )
    write_docs(docs, tmp_path / "x.spacy")
    result = run_script(
        "export.py", tmp_path / "x.spacy", tmp_path / "out", "--format", "i2b2-2012"
    )
    assert result.exit_code == 1
    assert "note-1: left out: '\\x0c' at 1 of the text is not allowed in XML" in result.stderr
    assert "note-2: left out: T1 is of type Drug; i2b2-2012 has PROBLEM" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["note-3.xml"]


words = st.text(alphabet="ab& <>\"'\n\r\té]", min_size=1, max_size=12)


@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_what_is_written_is_read_again(tmp_path_factory, pieces: list[str], data):
    text = "x".join(pieces) + "x"
    standoff = Standoff()
    for label in ("PROBLEM", "DATE", "SECTIME"):
        start = data.draw(st.integers(0, len(text) - 1))
        span = (start, data.draw(st.integers(start + 1, len(text))))
        fragments = line_fragments(text, span)
        if fragments:
            covered = " ".join(text[a:b] for a, b in fragments)
            standoff.add_textbound(label, fragments, covered)
    bounds = [line.record.id for line in standoff.lines]
    if len(bounds) > 1:
        standoff.add_relation("BEFORE", bounds[0], bounds[1])
    folder = tmp_path_factory.mktemp("i2b2")
    written, left_out = standoff_to_xml(text, standoff)
    assert not left_out
    (folder / "1.xml").write_bytes(written.encode())
    note = read_note(folder / "1.xml", folder, ALL)
    assert note.text == text
    again, problems = note_to_annotations(note)
    before, _ = note_to_annotations(type(note)("1", text, standoff, []))
    assert problems == []
    assert [(m.label, m.fragments) for m in again.mentions] == [
        (m.label, m.fragments) for m in before.mentions
    ]
    assert len(again.links) == len(before.links)
