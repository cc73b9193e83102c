"""Notes in the released formats of i2b2-2012, all made up."""

import re
from pathlib import Path

import pytest

from clinical_ie.brat import Standoff
from clinical_ie.corpora.formats import format_named
from clinical_ie.corpora.i2b2 import I2b2Settings, list_notes, standoff_to_xml
from clinical_ie.corpora.i2b2.note import line_fragments
from clinical_ie.corpora.i2b2.tags import read_extent
from clinical_ie.corpora.splits import find_splits
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.doc import Link

from .helpers import EXTENT, SAID, TAGS, TEXT, TLINK, read, read_merged, xml


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
    assert problems == ["warning: 1.xml: 1 TLINKs refer to times that were not requested: left out"]


def test_both_forms_say_the_same(tmp_path: Path):
    from_xml, _ = read(tmp_path, xml())
    # Two annotations share this place; the one of the named kind is meant.
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
            "mended: 2.tlink:1: TLINK: its to end 'Admission' has no place: mended, read as the "
            "SECTIME",
        ),
        (
            'EVENT="aspirin" 4:3 4:3||SECTIME="Transfer"||type="AFTER"',
            "error: 2.tlink:1: TLINK: nothing is annotated where its to end 'Transfer' is: "
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
    assert "toID='T7' is not an EVENT" in problem


def test_an_id_of_several_words_costs_nothing(tmp_path: Path):
    annotations, problems = read(tmp_path, xml(TAGS.replace('id="E2"', 'id="E2&#10;b"', 1)))
    assert annotations.mentions[2].comments == (("I2b2Id", "E2 b"),)
    assert all("toID='E2' is not an EVENT" in problem for problem in problems)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_the_file_are_those_of_xml(end: str, tmp_path: Path):
    annotations, problems = read(tmp_path, xml().replace("\n", end))
    assert problems == []
    assert len(annotations.mentions) == 5


def test_only_a_newline_ends_a_line():
    assert line_fragments("a\u2028b\x0cc\nd", (0, 7)) == ((0, 5), (6, 7))


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
    # T2 keeps the id that it has in the released file.
    assert 'fromID="E1" fromText="fever" toID="E0" toText="surgery" type="BEFORE"' in link
    assert left_out == {
        # NEG replaced by POS, then twice by NEG.
        "attributes that another of the name replaces": 2,
        "equivalences": 1,
        "normalisations": 1,
        "comments": 1,
        "roles of events": 1,
        "gaps of discontinuous mentions": 1,
        "attributes of other names": 1,
    }


def test_a_mention_that_was_copied_with_its_comments_gets_an_id_of_its_own():
    standoff = Standoff.parse(
        "T1\tPROBLEM 0 5\tfever\nT2\tPROBLEM 13 20\tsurgery\n#1\tI2b2Id T1\tE0\n"
        "#2\tI2b2Id T2\tE0\nR1\tBEFORE Arg1:T2 Arg2:T1\n"
    )
    written, _ = standoff_to_xml("fever before surgery", standoff)
    assert [line.split()[1] for line in written.splitlines() if line.startswith("<EVENT")] == [
        'id="E0"',
        'id="E1"',
    ]
    assert 'fromID="E1" fromText="surgery" toID="E0" toText="fever"' in written


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
