"""Notes in the released forms of i2b2-2012; every one is made up."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import Attribute, Note, Standoff, TextBound
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.formats import format_named
from clinical_ie.corpora.i2b2 import I2b2Settings, list_notes, read_note, standoff_to_xml, strays
from clinical_ie.corpora.i2b2.note import line_fragments
from clinical_ie.corpora.i2b2.tags import read_extent, read_xml
from clinical_ie.corpora.splits import find_splits
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.doc import Annotations, Link
from tests.conftest import run_script

TEXT = "Admission Date :\n2001-02-03\nHe had chest\npain & took aspirin .\n"
ALL = I2b2Settings(timex=True, sectime=True, tlinks=True)
TAGS = """<EVENT id="E0" start="1" end="10" text="Admission" modality="FACTUAL" polarity="POS"
  type="OCCURRENCE" />
<EVENT id="E1" start="36" end="46" text="chest pain" modality="FACTUAL" polarity="NEG"
  type="PROBLEM" />
<EVENT id="E2" start="54" end="61" text="aspirin" modality="PROPOSED" polarity="POS"
  type="TREATMENT" />
<TIMEX3 id="T0" start="18" end="28" text="2001-02-03" type="DATE" val="2001-02-03" mod="NA" />
<SECTIME id="S0" start="18" end="28" text="2001-02-03" type="ADMISSION" dvalue="2001-02-03" />
<TLINK id="TL0" fromID="E1" fromText="chest pain" toID="E2" toText="aspirin" type="BEFORE" />
<TLINK id="TL1" fromID="E0" fromText="Admission" toID="T0" toText="2001-02-03" type="OVERLAP" />
"""
SAID = 'modality="FACTUAL" polarity="POS"'
EXTENT = """EVENT="Admission" 1:0 1:0||type="OCCURRENCE"||modality="FACTUAL"||polarity="POS"
EVENT="chest pain" 3:2 4:0||type="PROBLEM"||modality="FACTUAL"||polarity="NEG"
EVENT="aspirin" 4:3 4:3||type="TREATMENT"||modality="PROPOSED"||polarity="POS"
TIMEX3="2001-02-03" 2:0 2:0||type="DATE"||val="2001-02-03"||mod="NA"
SECTIME="2001-02-03" 2:0 2:0||type="ADMISSION"||dvalue="2001-02-03"
"""
TLINK = """EVENT="chest pain" 3:2 4:0||EVENT="aspirin" 4:3 4:3||type="BEFORE"
EVENT="Admission" 1:0 1:0||TIMEX3="2001-02-03" 2:0 2:0||type="OVERLAP"
"""


def xml(tags: str = TAGS, text: str = TEXT) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<ClinicalNarrativeTemporalAnnotation>\n'
        f"<TEXT><![CDATA[\n{text}]]></TEXT>\n<TAGS>\n{tags}</TAGS>\n"
        "</ClinicalNarrativeTemporalAnnotation>\n"
    )


def read(folder: Path, content: str, settings: I2b2Settings = ALL) -> tuple[Annotations, list[str]]:
    (folder / "1.xml").write_text(content, encoding="utf8", newline="")
    note = read_note(folder / "1.xml", folder, settings)
    assert note.text == TEXT
    annotations, problems = note_to_annotations(note)
    return annotations, [
        f"{p.severity}: {str(p).removeprefix(str(folder)).lstrip('/')}" for p in problems
    ]


def test_the_papers_setting_is_six_event_types_and_no_relation(tmp_path: Path):
    annotations, problems = read(tmp_path, xml(), I2b2Settings())
    assert problems == []
    assert annotations.links == []
    assert [(m.label, m.fragments) for m in annotations.mentions] == [
        ("OCCURRENCE", ((0, 9),)),
        ("PROBLEM", ((35, 40), (41, 45))),
        ("TREATMENT", ((53, 60),)),
    ]
    assert annotations.mentions[1].attributes == (("modality", "FACTUAL"), ("polarity", "NEG"))
    assert annotations.mentions[1].comments == (("I2b2Id", "E1"),)


def test_times_and_links_when_asked(tmp_path: Path):
    annotations, problems = read(tmp_path, xml())
    assert problems == []
    assert [(m.label, m.attributes) for m in annotations.mentions[3:]] == [
        ("DATE", (("val", "2001-02-03"), ("mod", "NA"))),
        ("SECTIME", (("type", "ADMISSION"), ("dvalue", "2001-02-03"))),
    ]
    assert [(x.label, x.head, x.tail) for x in annotations.links] == [
        ("BEFORE", "T2", "T3"),
        ("OVERLAP", "T1", "T4"),
    ]
    only_links, problems = read(tmp_path, xml(), I2b2Settings(tlinks=True))
    assert [link.label for link in only_links.links] == ["BEFORE"]
    assert problems == ["warning: 1.xml: 1 TLINKs name times that were not asked for: left out"]


def read_merged(folder: Path, links: str) -> Note:
    for suffix, content in ((".txt", TEXT), (".extent", EXTENT), (".tlink", links)):
        # Some editors put a byte order mark before it, which no place counts.
        (folder / "2").with_suffix(suffix).write_text(content, encoding="utf-8-sig")
    return read_note(folder / "2.extent", folder, ALL)


def test_both_forms_say_the_same(tmp_path: Path):
    from_xml, _ = read(tmp_path, xml())
    # Of two kinds at one place the one that is called.
    second = 'EVENT="aspirin" 4:3 4:3||SECTIME="2001-02-03" 2:0 2:0||type="AFTER"'
    note = read_merged(tmp_path, f"{TLINK}{second}\n")
    annotations, problems = note_to_annotations(note)
    assert problems == []
    assert note.text == TEXT
    assert [(m.label, m.fragments, m.attributes) for m in annotations.mentions] == [
        (m.label, m.fragments, m.attributes) for m in from_xml.mentions
    ]
    assert annotations.links == [*from_xml.links, Link("AFTER", "T3", "T5")]
    (tmp_path / "1.xml.extent").write_text(EXTENT)
    assert [path.name for path in list_notes(tmp_path)] == ["1.xml", "2.extent"]


@pytest.mark.parametrize("between", ["", '||type="TEST"||', "||"])
def test_two_lines_that_ran_into_one_are_told(between: str):
    lines = EXTENT.splitlines()
    source = read_extent(TEXT, between.join(lines[:2]), "", "1.extent", "1.tlink")
    assert source.tags == []
    [problem] = source.problems
    assert (problem.file, problem.line, problem.severity) == ("1.extent", 1, "error")
    links = between.join(TLINK.splitlines())
    assert len(read_extent(TEXT, "", links, "1.extent", "1.tlink").problems) == 1


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_of_the_merged_form_end_in_any_way(end: str):
    files = (content.replace("\n", end) for content in (EXTENT, TLINK))
    source = read_extent(TEXT, *files, "1.extent", "1.tlink")
    assert (len(source.tags), source.problems) == (7, [])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            'EVENT="aspirin" 4:3 4:3||SECTIME="Admission"||type="AFTER"',
            "mended: 2.tlink:1: TLINK: its to end 'Admission' is no place: mended, read as the "
            "SECTIME",
        ),
        (
            'EVENT="aspirin" 4:3 4:3||SECTIME="Transfer"||type="AFTER"',
            "error: 2.tlink:1: TLINK: nothing annotated stands where its to end 'Transfer' is: "
            "left out",
        ),
        ('EVENT="aspirin" 4:3 4:3||type="AFTER"', 'error: 2.tlink:1: \'EVENT="aspirin" 4:3'),
        ('EVENT="aspirin" 4:3 4:3', 'error: 2.tlink:1: \'EVENT="aspirin" 4:3'),
        ("x" * 99, f"error: 2.tlink:1: '{'x' * 57}…' is not KIND"),
    ],
)
def test_a_link_is_read_as_a_link_whatever_its_ends_are(line: str, told: str, tmp_path: Path):
    note = read_merged(tmp_path, f"{line}\n")
    annotations, problems = note_to_annotations(note)
    assert len(annotations.mentions) == 5
    (problem,) = (f"{p.severity}: {p}".replace(f"{tmp_path}/", "") for p in problems)
    assert problem.startswith(told)
    ends = {m.id: m.label for m in annotations.mentions}
    links = [(link.label, ends[link.head], ends[link.tail]) for link in annotations.links]
    assert links == ([("AFTER", "TREATMENT", "SECTIME")] if "mended" in told else [])


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
        ('start="54" end="61"', 'start="56" end="63"', "mended, found at 53 60"),
        ('start="54" end="61"', 'start="16" end="23"', "mended, found at 53 60"),
        ('start="36" end="46"', 'start="34" end="44"', "mended, found at 35 45"),
        ('start="54"', 'start="53"', "52 60 has white space at an end: mended, now 53 60"),
        ('end="61"', 'end="62"', "53 61 has white space at an end: mended, now 53 60"),
        ('start="54"', 'start="x"', "its place cannot be read (start='x' end='61'): left out"),
        ('start="54" end="61" text="aspirin"', 'start="540" end="610" text=""', "lies outside"),
        ('start="54" end="61" text="aspirin"', 'start="10" end="11" text=""', "but white space"),
        ('start="54" end="61" text="aspirin"', 'start="10" end="11" text=" "', "but white space"),
        ('type="TREATMENT"', 'type=""', "type=''; expected one of PROBLEM"),
        ('type="TREATMENT"', 'type="treatment"', "mended, read as TREATMENT"),
        ('toText="aspirin" type="BEFORE"', 'toText="aspirin" type=""', "type is empty"),
        ('type="BEFORE"', 'type="BEFORE OVERLAP"', "type='BEFORE OVERLAP' is no single word"),
        ('type="BEFORE"', 'type="Before"', "type='Before': mended, read as BEFORE"),
        ('fromText="chest', 'fromText="back', "and E1 says 'chest pain': mended, the id believed"),
        ('id="TL1"', 'id="TL0"', "the id TL0 is used twice: mended, now TL0~2"),
        ('fromID="E0"', 'fromID="Admission"', "fromID='Admission' is no id: mended, read as S0"),
        ('id="T0"', 'id="T9"', "toID='T0' is no TIMEX3: mended, read as S0"),
        ('type="TREATMENT"', 'type=""', "toID='E2' names a tag that was left out: left out, too"),
        ('toID="E2"', 'toID="E9"', "toID='E9' is no EVENT, TIMEX3 or SECTIME of this file"),
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


def test_an_id_that_two_tags_bear_means_the_one_whose_text_the_link_gives(tmp_path: Path):
    tags = (
        f'<EVENT id="E1" start="{{0}}" end="{{1}}" text="{{2}}" type="TEST" {SAID} />\n'
        f'<EVENT id="E1" start="{{3}}" end="{{4}}" text="{{5}}" type="TREATMENT" {SAID} />\n'
        '<TLINK id="TL0" fromID="E1" fromText="{5}" toID="E1" toText="{2}" type="AFTER" />\n'
    )
    words = [(m.start() + 1, m.end() + 1, m[0]) for m in re.finditer(r"\S+", TEXT)]
    annotations, problems = read(tmp_path, xml(tags.format(*words[0], *words[-1])))
    assert [(link.head, link.tail) for link in annotations.links] == [("T2", "T1")]
    assert [m.comments for m in annotations.mentions] == [
        (("I2b2Id", "E1"),),
        (("I2b2Id", "E1~2"),),
    ]
    [problem] = problems
    assert problem.endswith("EVENT E1: the id E1 is used twice: mended, now E1~2")


def test_a_time_of_a_section_that_is_called_as_a_timex_has_the_text_of_the_link(tmp_path: Path):
    tags = TAGS.replace('id="S0"', 'id="S7"').replace('toID="E2"', 'toID="T7"')
    annotations, problems = read(tmp_path, xml(tags))
    assert [link.label for link in annotations.links] == ["OVERLAP"]
    [problem] = problems
    assert problem.startswith("error:")
    assert "toID='T7' is no EVENT" in problem


def test_an_id_of_several_words_costs_nothing(tmp_path: Path):
    annotations, problems = read(tmp_path, xml(TAGS.replace('id="E2"', 'id="E2&#10;b"', 1)))
    assert annotations.mentions[2].comments == (("I2b2Id", "E2 b"),)
    assert all("toID='E2' is no EVENT" in problem for problem in problems)


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
        ("</TAGS>", '<SIGNAL id="X0" /></TAGS>', "error: 1.xml:20: '<SIGNAL>' is none of EVENT, "),
        ("<EVENT", '<event id="E7" />\n<EVENT', "error: 1.xml:10: '<event>' is none of EVENT, "),
        ("<EVENT", "x\n<EVENT", "error: 1.xml:10: 'x' stands where a tag should: left out"),
        ("<EVENT", "< EVENT/>\n<EVENT", "error: 1.xml:10: '< EVENT/>' stands where a tag should"),
        ("</TAGS>", "</EVENT id=''></TAGS>", "error: 1.xml:20: \"</EVENT id=''>\" stands where"),
        ("NEG", 'NEG" polarity="NEG', "mended: 1.xml:12: EVENT gives polarity 2 times: mended, "),
        ('"NEG"', "NEG", "mended: 1.xml:12: EVENT holds 'polarity=NEG' without quotes: mended, "),
        ('"NEG"', '"NEG" ""x/', "error: 1.xml:12: EVENT holds '\"\"x/', which is no NAME="),
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
    # One that is not closed hides nothing, and costs little time.
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
        "mended: 1.xml:10: EVENT holds a raw &, which is no XML: mended, read as &amp;"
    ]


def test_another_encoding_and_a_stranger_are_told(tmp_path: Path):
    (tmp_path / "1.xml").write_bytes(xml(text="Fi\xe8vre\n", tags="").encode("latin1"))
    note = read_note(tmp_path / "1.xml", tmp_path)
    assert note.text == "Fi\xe8vre\n"
    assert "byte 0xe8 is not UTF-8: mended" in note.problems[0].message
    (tmp_path / "2.xml").write_text("<html></html>")
    with pytest.raises(ValueError, match=r"2\.xml: no <TEXT> element"):
        read_note(tmp_path / "2.xml", tmp_path)
    result = run_script("convert.py", tmp_path, tmp_path / "x.spacy", "--format", "i2b2-2012")
    assert result.exit_code == 0
    assert "2.xml: left out, the whole note" in result.stderr
    assert len(read_docs(tmp_path / "x.spacy")) == 1


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_the_file_are_those_of_xml(end: str, tmp_path: Path):
    annotations, problems = read(tmp_path, xml().replace("\n", end))
    assert problems == []
    assert len(annotations.mentions) == 5


def test_only_a_newline_ends_a_line():
    assert line_fragments("a\u2028b\x0cc\nd", (0, 7)) == ((0, 5), (6, 7))


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
        assert "no <TEXT> element" in str(error)  # noqa: PT017
        return
    annotations, _ = note_to_annotations(note)
    assert all(mention.end <= len(note.text) for mention in annotations.mentions)


def test_what_is_said_of_an_event_is_said_of_its_trigger_and_the_rest_is_counted():
    text = "fever before surgery or chills"
    standoff = Standoff.parse(
        "T1\tPROBLEM 0 5\tfever\nT2\tTREATMENT 13 20\tsurgery\n"
        "T3\tPROBLEM 24 30;0 5\tchills fever\n"
        "E1\tPROBLEM:T1\nE2\tTREATMENT:T2 By:E1\n"
        "A1\tpolarity E1 NEG\nA2\tmodality E2 PROPOSED\nA3\tCertainty T3 low\n"
        "A4\tpolarity T1 POS\nA5\tpolarity T1 NEG\nA6\tpolarity E1 NEG\n*\tEquiv T1 T3\n"
        "R1\tBEFORE Arg1:E1 Arg2:E2\nN1\tReference T1 UMLS:C1\tfever\n#1\tAnnotatorNotes T1\tx\n"
        "#2\tI2b2Id T2\tE0\n"
    )
    written, left_out = standoff_to_xml(text, standoff)
    events = [line for line in written.splitlines() if line.startswith("<EVENT")]
    assert 'polarity="NEG"' in events[0]
    assert 'modality="PROPOSED"' in events[1]
    assert events[2].startswith('<EVENT id="E2" start="1" end="31" text="fever before')
    [link] = [line for line in written.splitlines() if line.startswith("<TLINK")]
    # The released file has one called E0.
    assert 'fromID="E1" fromText="fever" toID="E0" toText="surgery" type="BEFORE"' in link
    assert left_out == {
        # NEG, then POS, then NEG twice.
        "attributes that another of the name replaces": 2,
        "equivalences": 1,
        "normalisations": 1,
        "comments": 1,
        "roles of events": 1,
        "gaps of discontinuous mentions": 1,
        "attributes of other names": 1,
    }


def test_a_raw_ampersand_is_itself_whatever_follows(tmp_path: Path):
    content = xml().replace(
        "</TAGS>", '<EVENT id="E99" start="1" end="2" text="C&section" /></TAGS>'
    )
    (tmp_path / "1.xml").write_text(content, encoding="utf8")
    note = read_note(tmp_path / "1.xml", tmp_path)
    assert not any("§" in str(problem) for problem in note.problems)
    assert any("C&section" in str(problem) for problem in note.problems)


def test_a_reference_that_stands_in_the_text_is_itself(tmp_path: Path):
    """A raw `&` before `amp;` looks like a reference, and the place says what was meant."""
    tag = f'<EVENT id="E0" start="3" end="13" text="AT&amp;amp;T x" type="TEST" {SAID} />'
    for told in (tag, tag.replace("&amp;amp;", "&amp;")):
        (tmp_path / "1.xml").write_text(xml(told, "a AT&amp;T x b\n"), encoding="utf8")
        note = read_note(tmp_path / "1.xml", tmp_path)
        assert note.problems == []
        [mention] = note.standoff.records(TextBound)
        assert (mention.fragments, mention.text) == (((2, 12),), "AT&amp;T x")


def test_an_event_id_that_is_borne_twice_means_the_first():
    standoff = Standoff.parse(
        "T1\tTEST 0 1\ta\nT2\tTEST 2 3\tb\nE1\tTEST:T1\nE1\tTEST:T2\nE2\tTEST:E1\n"
        "E3\tTEST:E4\nE4\tTEST:E3\nA1\tpolarity E2 NEG\nR1\tAFTER Arg1:E3 Arg2:T1\n"
    )
    written, left_out = standoff_to_xml("a b", standoff)
    first, second = (line for line in written.splitlines() if line.startswith("<EVENT"))
    assert 'polarity="NEG"' in first
    assert 'polarity="POS"' in second
    assert left_out == {"relations whose ends are no mentions": 1}


@pytest.mark.parametrize(
    "inside",
    ["2012-08-23.test-data.groundtruth", "x test-data.groundtruth/ground_truth", "ground_truth"],
)
def test_of_the_four_forms_of_the_test_notes_one_is_read(tmp_path: Path, inside: str):
    files = {"1.xml": xml(), "1.xml.txt": TEXT, "1.xml.extent": EXTENT, "1.xml.tlink": TLINK}
    train = tmp_path / "2012-07-15.original-annotation.release"
    forms = [tmp_path / inside / f"{m}merged_{f}" for m in ("", "un") for f in ("i2b2", "xml")]
    for folder in (train, *forms):
        folder.mkdir(parents=True)
        for name, content in files.items():
            if folder == train or (name == "1.xml") == folder.name.endswith("xml"):
                (folder / name).write_text(content, encoding="utf8")
    (train / "2.xml").write_text(xml(), encoding="utf8")
    splits, remarks = find_splits(tmp_path, format_named("i2b2-2012"), 0)
    assert splits["test"].paths == [tmp_path / inside / "merged_xml" / "1.xml"]
    assert len(splits["train"].paths) == len(splits["dev"].paths) == 1
    assert not any("no split" in remark for remark in remarks)


def test_a_file_that_is_cut_off_is_told(tmp_path: Path):
    whole = xml()
    until_tags, behind = whole.split("<TAGS>")
    for content in (whole, whole.replace("</TAGS>", "</tags >"), until_tags + "<TAGS/>", xml("")):
        assert read(tmp_path, content)[1] == []
    assert read(tmp_path, until_tags)[1] == [
        "warning: 1.xml: no <TAGS> element: a note without annotations, or the first part of one"
    ]
    # At the end of a tag, none of which is broken.
    cut = until_tags + "<TAGS>" + behind[: behind.index('<EVENT id="E2')]
    annotations, told = read(tmp_path, cut)
    assert len(annotations.mentions) == 2
    line = cut.count("\n") + 1
    assert told == [
        f"error: 1.xml:{line}: the file ends without </TAGS>: what stood behind is not there"
    ]
