import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Relation,
    Standoff,
    TextBound,
)

SAMPLE = (
    "\ufeffT1\tDrug 0 7\taspirin\n"
    "T2\tADE 20 24;12 15\trash his\r\n"
    "R1\tADE-Drug Arg1:T2 Arg2:T1\t\n"
    "E1\tTaking:T1 Who:T2 \n"
    "A1\tNegated T2\n"
    "M2\tCertainty E1 low\n"
    "N1\tReference T1 RxNorm:1191\taspirin\n"
    "#1\tAnnotatorNotes T1\tcheck\tthis\n"
    "*\tOVERLAP E1 T2\n"
    "\n"
    "?? something else\n"
    "T1.1\tDrug 30 35\tother"
)


def test_every_line_kind_is_read():
    standoff = Standoff.parse(SAMPLE)
    assert standoff.problems == []
    assert list(standoff.records(TextBound)) == [
        TextBound("T1", "Drug", ((0, 7),), "aspirin"),
        TextBound("T2", "ADE", ((20, 24), (12, 15)), "rash his"),
        TextBound("T1.1", "Drug", ((30, 35),), "other"),
    ]
    [relation] = standoff.records(Relation)
    assert relation.ends == ("T2", "T1")
    assert list(standoff.records(Event)) == [Event("E1", "Taking", "T1", (("Who", "T2"),))]
    assert list(standoff.records(Attribute)) == [
        Attribute("A1", "Negated", "T2", ""),
        Attribute("M2", "Certainty", "E1", "low"),
    ]
    assert [n.reference for n in standoff.records(Normalization)] == ["RxNorm:1191"]
    assert [c.text for c in standoff.records(Comment)] == ["check\tthis"]
    assert [e.members for e in standoff.records(Equivalence)] == [("E1", "T2")]


@given(st.text(alphabet="TREAMN#*1 2\t\n\r:;.aé\ufeff\u2028"))
def test_any_text_is_written_back_as_it_was(text):
    assert str(Standoff.parse(text)) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T1 Drug 0 7", "no tab"),
        ("T1\tDrug 0 x\ttext", "'0 x' is not"),
        ("T1\tDrug 7 0\ttext", "empty or reversed"),
        ("T1\t", "nothing after the id"),
        ("R1\tADE-Drug Arg1:T1", "two arguments, not 1"),
        ("R1\tADE-Drug Arg1:T1 T2", "'T2' is not ROLE:ID"),
        ("A1\tNegated", "names the annotation"),
    ],
)
def test_a_broken_line_is_kept_and_told_of(line, message):
    standoff = Standoff.parse(f"T9\tDrug 0 1\ta\n{line}\n")
    [(number, told)] = standoff.problems
    assert number == 2
    assert message in told
    assert str(standoff) == f"T9\tDrug 0 1\ta\n{line}\n"
    assert len(list(standoff.records(TextBound))) == 1


def test_edits_leave_the_other_lines_alone():
    standoff = Standoff.parse(SAMPLE)
    new = standoff.add_textbound("Route", [(50, 52)], "PO")
    assert new.id == "T3"
    assert standoff.add_relation("Route-Drug", new.id, "T1").id == "R2"

    def shift(record):
        if isinstance(record, TextBound) and record.id == "T2":
            return TextBound(record.id, record.label, ((21, 25),), "rash")
        return None if isinstance(record, Comment) else record

    standoff.update(shift)
    assert str(standoff) == (
        SAMPLE.replace("T2\tADE 20 24;12 15\trash his\r\n", "T2\tADE 21 25\trash\n").replace(
            "#1\tAnnotatorNotes T1\tcheck\tthis\n", ""
        )
        + "\nT3\tRoute 50 52\tPO\nR2\tRoute-Drug Arg1:T3 Arg2:T1\n"
    )


def test_arguments_by_other_names_keep_the_order_listed():
    [relation] = Standoff.parse("R1\tX Arg2:T1 Arg1:T2\n").records(Relation)
    assert relation.ends == ("T2", "T1")
    [relation] = Standoff.parse("R1\tX From:T1 To:T2\n").records(Relation)
    assert relation.ends == ("T1", "T2")
