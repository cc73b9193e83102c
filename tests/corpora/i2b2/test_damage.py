"""Damaged i2b2-2012 files: what is repaired, left out and reported."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import Attribute, TextBound
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.i2b2 import list_notes, read_note, standoff_to_xml, strays
from clinical_ie.corpora.i2b2.tags import read_extent, read_xml
from clinical_ie.corpora.standoff_reading import note_to_annotations
from tests.conftest import run_script

from .helpers import ALL, EXTENT, SAID, TAGS, TEXT, TLINK, read, read_merged, xml


@pytest.mark.parametrize("between", ["", '||type="TEST"||', "||"])
def test_two_lines_that_ran_into_one_are_told(between: str):
    lines = EXTENT.splitlines()
    source = read_extent(TEXT, between.join(lines[:2]), "", "1.extent", "1.tlink")
    assert source.tags == []
    [problem] = source.problems
    assert (problem.file, problem.line, problem.severity) == ("1.extent", 1, "error")
    links = between.join(TLINK.splitlines())
    assert len(read_extent(TEXT, "", links, "1.extent", "1.tlink").problems) == 1


@pytest.mark.parametrize("place", ["0:1", f"{'9' * 5000}:1", "1:2"])
def test_a_place_that_no_text_has_is_none(place: str):
    [tag] = read_extent("a b", f'EVENT="b" {place} 1:1||type="TEST"', "", "1", "1").tags
    assert tag.span is None


def test_files_of_no_note_are_told(tmp_path: Path):
    (tmp_path / "1.xml").write_text(xml())
    read_merged(tmp_path, TLINK)
    for name in ("1.txt", "1.xml.extent", "3.txt", "4.tlink", "5.XML"):
        (tmp_path / name).write_text("")
    told = [str(problem).removeprefix(f"{tmp_path}/") for problem in strays(tmp_path)]
    assert told == [
        "5.XML: its name ends in .XML; expected .xml: left out",
        "3.txt: no .xml and no .extent of its name beside it: left out",
        "4.tlink: no .xml and no .extent of its name beside it: left out",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('text="aspirin" mod', 'text="aspirin & co" mod', "says 'aspirin & co', its place covers"),
        ('start="54" end="61"', 'start="56" end="63"', "mended, found at 54 61"),
        ('start="54" end="61"', 'start="16" end="23"', "mended, found at 54 61"),
        ('start="36" end="46"', 'start="34" end="44"', "mended, found at 36 46"),
        ('start="54"', 'start="53"', "53 61 has white space at an end: mended, now 54 61"),
        ('end="61"', 'end="62"', "54 62 has white space at an end: mended, now 54 61"),
        ('start="54"', 'start="x"', "its place cannot be read (start='x' end='61'): left out"),
        (
            'start="54" end="61" text="aspirin"',
            'start="540" end="610" text=""',
            "540 610 lies outside",
        ),
        ('start="54" end="61"', 'start="610" end="540"', "610 540 is empty or reversed"),
        ('start="54" end="61" text="aspirin"', 'start="10" end="11" text=""', "but white space"),
        ('start="54" end="61" text="aspirin"', 'start="10" end="11" text=" "', "but white space"),
        ('type="TREATMENT"', 'type=""', "type=''; expected one of PROBLEM"),
        ('type="TREATMENT"', 'type="treatment"', "mended, read as TREATMENT"),
        ('toText="aspirin" type="BEFORE"', 'toText="aspirin" type=""', "type is empty"),
        ('type="BEFORE"', 'type="BEFORE OVERLAP"', "type='BEFORE OVERLAP' is not a single word"),
        ('type="BEFORE"', 'type="Before"', "type='Before': mended, read as BEFORE"),
        ('fromText="chest', 'fromText="back', "but E1 says 'chest pain': mended, the id is kept"),
        ('id="TL1"', 'id="TL0"', "the id TL0 is used twice: mended, now TL0~2"),
        ('fromID="E0"', 'fromID="Admission"', "fromID='Admission' is not an id: mended, read as S"),
        ('id="T0"', 'id="T9"', "toID='T0' is not a TIMEX3: mended, read as S0"),
        ('type="TREATMENT"', 'type=""', "toID='E2' is a tag that was left out: left out too"),
        ('toID="E2"', 'toID="E9"', "toID='E9' is not an EVENT, TIMEX3 or SECTIME of this file"),
        ('type="OVERLAP" />', 'type="OVERLAP', "this TLINK tag cannot be read to its end"),
    ],
)
def test_what_is_wrong_is_mended_or_left_out_and_told(tmp_path: Path, old, new, told):
    annotations, problems = read(tmp_path, xml(TAGS.replace(old, new, 1)))
    assert any(told in problem for problem in problems), problems
    mended = "mended" in told
    assert all(
        problem.startswith("mended:" if mended else "error:")
        for problem in problems
        if told in problem
    )
    assert len(annotations.mentions) >= 4
    if mended:
        assert (len(annotations.mentions), len(annotations.links)) == (5, 2)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", ["", '"', " x='<", ' text="a < b"'])
def test_tags_that_do_not_close_cost_themselves_and_little_time(end: str, tmp_path: Path):
    tags = "".join(f'<EVENT id="E{i}" start="1" end="10"{end}\n' for i in range(50_000))
    annotations, problems = read(tmp_path, xml(tags + TAGS))
    assert len(annotations.mentions) == 5
    assert problems[-1] == "error: 1.xml:50009: this EVENT tag cannot be read to its end: left out"
    assert len(problems) == 50_000


@pytest.mark.timeout(60)
def test_a_text_that_does_not_close_costs_little_time():
    with pytest.raises(ValueError, match="no <TEXT> element"):
        read_xml("<TEXT>" * 100_000, "1.xml")
    with pytest.raises(ValueError, match="no <TEXT> element"):
        read_xml("<TEXT" * 100_000, "1.xml")


def test_a_value_may_hold_what_is_no_tag(tmp_path: Path):
    tag = '<EVENT id="E3" start="1" end="8" text="WBC <5>" type="TEST" x=\'<"\' />\n'
    source = read_xml(xml(tag, "WBC <5> seen"), "1.xml")
    assert [(t.values["text"], t.values["x"]) for t in source.tags] == [("WBC <5>", '<"')]
    assert source.problems == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("</TAGS>", '<SIGNAL id="X0" /></TAGS>', "error: 1.xml:20: '<SIGNAL>' is not one of EVENT"),
        ("<EVENT", '<event id="E7" />\n<EVENT', "error: 1.xml:10: '<event>' is not one of EVENT, "),
        ("<EVENT", "x\n<EVENT", "error: 1.xml:10: 'x' is where a tag should be: left out"),
        ("<EVENT", "< EVENT/>\n<EVENT", "error: 1.xml:10: '< EVENT/>' is where a tag should"),
        ("</TAGS>", "</EVENT id=''></TAGS>", "error: 1.xml:20: \"</EVENT id=''>\" is where"),
        ("NEG", 'NEG" polarity="NEG', "mended: 1.xml:12: EVENT gives polarity 2 times: mended, "),
        ('"NEG"', "NEG", "mended: 1.xml:12: EVENT holds 'polarity=NEG' without quotes: mended, "),
        ('"NEG"', '"NEG" ""x/', "error: 1.xml:12: EVENT holds '\"\"x/', which is not NAME="),
    ],
)
def test_what_is_no_attribute_and_no_tag_of_the_format_is_told(tmp_path: Path, old, new, told):
    annotations, problems = read(tmp_path, xml().replace(old, new, 1))
    [problem] = problems
    assert problem.startswith(told)
    assert (len(annotations.mentions), len(annotations.links)) == (5, 2)
    assert annotations.mentions[1].attributes == (("modality", "FACTUAL"), ("polarity", "NEG"))


def test_what_the_format_has_no_name_for_is_kept_and_told(tmp_path: Path):
    tags = TAGS.replace("<EVENT", '<EVENT comment="not  sure"').replace(
        'id="TL0"', 'id="TL0" closure="no"'
    )
    annotations, problems = read(tmp_path, xml(tags))
    assert annotations.mentions[2].attributes[2:] == (("comment", "not sure"),)
    told = "attributes that the format does not have: comment of EVENT (3), closure of TLINK (1)"
    assert problems == [f"warning: 1.xml: {told}: kept as attributes"]
    note = read_note(tmp_path / "1.xml", tmp_path, ALL)
    assert [a.target for a in note.standoff.records(Attribute) if a.label == "closure"] == ["R1"]
    assert standoff_to_xml(TEXT, note.standoff)[1] == {"attributes of other names": 4}


@pytest.mark.parametrize("value", ["", "neg"])
def test_a_value_that_no_event_has_is_told(value: str, tmp_path: Path):
    annotations, problems = read(tmp_path, xml().replace("NEG", value))
    [problem] = problems
    assert problem.startswith(f"warning: 1.xml:12: EVENT E1: polarity={value!r}; expected one of")
    assert annotations.mentions[1].attributes == (
        ("modality", "FACTUAL"),
        *([("polarity", value)] if value else ()),
    )


@pytest.mark.timeout(60)
def test_a_comment_holds_no_tags(tmp_path: Path):
    hidden = '<!-- <EVENT id="E8" start="1" end="10" text="Admission" type="TEST" /> -->\n' + TAGS
    # An unclosed comment hides nothing, and is parsed quickly.
    for content in (hidden, "<!-- " * 200_000 + TAGS):
        annotations, problems = read(tmp_path, xml(content))
        assert len(annotations.mentions) == 5
        assert problems == []


def test_a_raw_ampersand_costs_nothing(tmp_path: Path):
    tag = (
        '<EVENT id="E3" start="36" end="61" text="chest pain & took aspirin" type="TEST" '
        f"{SAID} />\n"
    )
    annotations, problems = read(tmp_path, xml(tag))
    assert [mention.label for mention in annotations.mentions] == ["TEST"]
    assert problems == [
        "mended: 1.xml:10: EVENT holds a raw &, which is not XML: mended, read as &amp;"
    ]


def test_another_encoding_and_a_stranger_are_told(tmp_path: Path):
    (tmp_path / "1.xml").write_bytes(xml(text="Fi\xe8vre\n", tags="").encode("latin1"))
    note = read_note(tmp_path / "1.xml", tmp_path)
    assert note.text == "Fi\xe8vre\n"
    assert "byte 0xe8 is not UTF-8: mended, file read as Windows-1252" in note.problems[0].message
    for byte, text in ((b"\x92", "\u2019"), (b"\xe8\x81", "\xe8\x81")):
        (tmp_path / "1.xml").write_bytes(xml(text="it?s\n", tags="").encode().replace(b"?s", byte))
        assert read_note(tmp_path / "1.xml", tmp_path).text == f"it{text}\n"
    (tmp_path / "2.xml").write_text("<html></html>")
    with pytest.raises(ValueError, match=r"2\.xml: no <TEXT> element"):
        read_note(tmp_path / "2.xml", tmp_path)
    result = run_script("convert.py", tmp_path, tmp_path / "x.spacy", "--format", "i2b2-2012")
    assert result.exit_code == 0
    assert "2.xml: whole note left out" in result.stderr
    assert len(read_docs(tmp_path / "x.spacy")) == 1


def test_signs_between_parts_may_be_text_or_one_too_many():
    extent = (
        'EVENT="ct || scan" 1:1 1:3||type="TEST"||modality="FACTUAL"||polarity="POS"\n'
        'EVENT="a" 1:0 1:0||type="TEST"|| \n'
    )
    source = read_extent("a CT || scan", extent, "", "1.extent", "1.tlink")
    assert source.problems == []
    assert [(tag.span, tag.values["text"]) for tag in source.tags] == [
        ((2, 12), "ct || scan"),
        ((0, 1), "a"),
    ]


@pytest.mark.parametrize("place", ["9:0 9:0", "1:7 1:9", "0:0 1:0", f"1:{'1' * 12} 1:0"])
def test_a_place_of_an_extent_that_is_not_in_the_text_is_told(tmp_path: Path, place: str):
    (tmp_path / "1.txt").write_text("chest pain")
    (tmp_path / "1.extent").write_text(f'EVENT="pain" {place}||type="PROBLEM"||polarity="POS"')
    [problem] = read_note(tmp_path / "1.extent", tmp_path).problems
    assert (problem.line, problem.severity) == (1, "error")
    assert problem.message == f"EVENT: there is no {place} in the text: left out"


def test_an_extent_without_its_text_is_told(tmp_path: Path):
    (tmp_path / "1.extent").write_text("")
    with pytest.raises(ValueError, match=r"1\.extent: no 1\.txt beside it"):
        read_note(tmp_path / "1.extent", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"1\.extent: is a file; expected a folder"):
        list_notes(tmp_path / "1.extent")


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16-LE"])
def test_a_wide_encoding_is_told_with_its_name(tmp_path: Path, encoding: str):
    (tmp_path / "1.xml").write_bytes(xml().encode(encoding))
    with pytest.raises(ValueError, match=r"1\.xml: looks like UTF-16, .* `iconv -f UTF-16 "):
        read_note(tmp_path / "1.xml", tmp_path)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4)), min_size=1, max_size=8))
def test_damaged_files_give_a_note_or_one_clear_error(tmp_path_factory, damage):
    content = bytearray(xml().encode())
    for place, piece in damage:
        place %= len(content)
        content[place : place + 2] = piece
    folder = tmp_path_factory.mktemp("i2b2")
    (folder / "1.xml").write_bytes(bytes(content))
    try:
        note = read_note(folder / "1.xml", folder, ALL)
    except ValueError as error:
        # The second, where the first bytes are those of another encoding by chance.
        assert re.search(r"no <TEXT> element|looks like UTF-(16|32)", str(error))  # noqa: PT017
        return
    annotations, _ = note_to_annotations(note)
    assert all(mention.end <= len(note.text) for mention in annotations.mentions)


def test_a_raw_ampersand_is_itself_whatever_follows(tmp_path: Path):
    content = xml().replace(
        "</TAGS>", '<EVENT id="E99" start="1" end="2" text="C&section" /></TAGS>'
    )
    (tmp_path / "1.xml").write_text(content, encoding="utf8")
    note = read_note(tmp_path / "1.xml", tmp_path)
    assert not any("§" in str(problem) for problem in note.problems)
    assert any("C&section" in str(problem) for problem in note.problems)


def test_a_reference_that_stands_in_the_text_is_itself(tmp_path: Path):
    """A raw `&` before `amp;` looks like an entity reference; the offsets show what was meant."""
    tag = f'<EVENT id="E0" start="3" end="13" text="AT&amp;amp;T x" type="TEST" {SAID} />'
    for told in (tag, tag.replace("&amp;amp;", "&amp;")):
        (tmp_path / "1.xml").write_text(xml(told, "a AT&amp;T x b\n"), encoding="utf8")
        note = read_note(tmp_path / "1.xml", tmp_path)
        assert note.problems == []
        [mention] = note.standoff.records(TextBound)
        assert (mention.fragments, mention.text) == (((2, 12),), "AT&amp;T x")


def test_a_file_that_is_cut_off_is_told(tmp_path: Path):
    whole = xml()
    until_tags, behind = whole.split("<TAGS>")
    for content in (whole, whole.replace("</TAGS>", "</tags >"), until_tags + "<TAGS/>", xml("")):
        assert read(tmp_path, content)[1] == []
    assert read(tmp_path, until_tags)[1] == [
        "warning: 1.xml: no <TAGS> element: a note without annotations, or the first part of one"
    ]
    # The file is cut after a complete tag.
    cut = until_tags + "<TAGS>" + behind[: behind.index('<EVENT id="E2')]
    annotations, told = read(tmp_path, cut)
    assert len(annotations.mentions) == 2
    line = cut.count("\n") + 1
    assert told == [
        f"error: 1.xml:{line}: the file ends without </TAGS>: the rest of it is missing"
    ]
