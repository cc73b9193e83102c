import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Problem,
    Relation,
    Standoff,
    TextBound,
)
from clinical_ie.brat.parse import wide_encoding

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
    [unknown] = standoff.problems
    assert (unknown.line, unknown.severity) == (11, "warning")
    assert "'?? something else' is not of a kind that brat knows" in unknown.message
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


@pytest.mark.parametrize("value", ["nicht\xa0bekannt", "a  b", "\u30ac\u30f3\u3000\u7591\u3044"])
def test_a_value_keeps_its_blanks(value: str):
    standoff = Standoff.parse(
        f"T1\tDrug 0 7\taspirin\nA1\tSure  T1 {value} \nN1\tRef T1 X:{value}\tt\n"
    )
    [attribute], [normalization] = standoff.records(Attribute), standoff.records(Normalization)
    assert (attribute.value, normalization.reference) == (value, f"X:{value}")
    # A value that can be read can also be written.
    standoff.add(attribute._replace(id="A2"))


def test_a_second_byte_order_mark_hides_no_line():
    standoff = Standoff.parse("\ufeff\ufeffT1\tDrug 0 7\taspirin\n")
    assert not standoff.problems
    standoff.update(lambda record: record._replace(label="Medication"))
    assert str(standoff) == "\ufeff\ufeffT1\tMedication 0 7\taspirin\n"


@given(st.text(alphabet="TREAMN#*1 2\t\n\r:;.aé\ufeff\u2028"))
def test_any_text_is_written_back_as_it_was(text):
    assert str(Standoff.parse(text)) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T1 Drug 0 7", "no tab"),
        ("T1\tDrug 0 x\ttext", "'0 x' is not"),
        ("T1\tDrug 7 0\ttext", "empty or reversed"),
        ("T1\tOld Drug 0 7\tAspirin", "in characters; a label has no blanks"),
        ("T1\tDrug 7 7\t", "empty or reversed"),
        ("T1\t", "nothing after the id"),
        ("R1\tADE-Drug Arg1:T1", "two arguments, not 1"),
        ("*\tEquiv T1", "two or more annotations, not 1"),
        ("*\tEquiv", "two or more annotations, not 0"),
        ("\tDrug 0 7\taspirin", "begins with its id"),
        ("\tADE-Drug Arg1:T1 Arg2:T2", "begins with its id"),
        ("R1\tADE-Drug Arg1:T1 T2", "'T2' is not ROLE:ID"),
        ("A1\tNegated", "an attribute must name the annotation"),
        ("#1\tAnnotatorNotes", "a note must name the annotation"),
        ("N1\tReference T1", "TYPE TARGET SOURCE:ID"),
        ("T1\tDrug 0 1\ta\rT2\tDrug 0 1\ta\r*\tEquiv T1 T2\r", "3 lines in one"),
    ],
)
def test_a_broken_line_is_kept_and_told_of(line, message):
    standoff = Standoff.parse(f"T9\tDrug 0 1\ta\n{line}\n")
    [problem] = standoff.problems
    assert (problem.line, problem.severity) == (2, "error")
    assert message in problem.message
    assert str(standoff) == f"T9\tDrug 0 1\ta\n{line}\n"
    assert len(list(standoff.records(TextBound))) == 1


def test_a_line_in_another_encoding_costs_no_other_line():
    content = b"T1\tDrug 0 7\taspirin\nT2\tADE 8 14\tfi\xe8vre\nT3\tDrug 0 7\taspirin\n"
    standoff = Standoff.from_bytes(content)
    assert [record.id for record in standoff.records(TextBound)] == ["T1", "T3"]
    [problem] = standoff.problems
    assert problem.line == 2
    assert "byte 0xe8 at column 15 is not UTF-8" in problem.message
    assert standoff.to_bytes() == content


def test_edits_leave_the_other_lines_alone():
    standoff = Standoff.parse(SAMPLE)
    new = standoff.add_textbound("Route", [(50, 52)], "PO")
    assert new.id == "T3"
    assert standoff.add_relation("Route-Drug", new.id, "T1").id == "R2"
    assert standoff.add(Attribute(standoff.next_id("A"), "Negated", "T3", "")).id == "A2"
    standoff.update(lambda record: None if isinstance(record, Comment) else record)
    assert str(standoff) == (
        SAMPLE.replace("#1\tAnnotatorNotes T1\tcheck\tthis\n", "")
        + "\nT3\tRoute 50 52\tPO\nR2\tRoute-Drug Arg1:T3 Arg2:T1\nA2\tNegated T3\n"
    )


def test_a_shift_moves_what_lies_behind_it():
    standoff = Standoff.parse(SAMPLE)
    standoff.shift(16, 5)
    assert str(standoff) == SAMPLE.replace("20 24;12 15", "25 29;12 15").replace("30 35", "35 40")
    standoff.shift(21, -5)
    assert str(standoff) == SAMPLE
    before = str(standoff)
    with pytest.raises(ValueError, match=r"T2 \(20 24\) reaches into the text that changes"):
        standoff.shift(22, 1)
    with pytest.raises(ValueError, match=r"T2 \(12 15\) reaches into"):
        standoff.shift(16, -3)
    assert str(standoff) == before
    standoff.shift(22, 1, keep={"T2"})
    assert str(standoff) == SAMPLE.replace("30 35", "31 36")


def test_a_single_id_may_be_a_string():
    text = "T1\tDrug 0 3\tabc\nT12\tDrug 4 7\tdef\n"
    standoff = Standoff.parse(text)
    standoff.shift(0, 5, keep="T12")
    assert str(standoff) == text.replace("0 3", "5 8")
    standoff.remove("T12")
    assert str(standoff) == "T1\tDrug 5 8\tabc\n"


def test_what_is_removed_takes_along_what_needs_it():
    standoff = Standoff.parse(
        "T1\tDrug 0 7\taspirin\nT2\tADE 8 12\trash\nT3\tADE 13 17\titch\n"
        "E1\tHarm:T2 Cause:T1 Also:T3\nE2\tWorse:E1\nA1\tNegated E2\n"
        "#1\tAnnotatorNotes A1\twhy\nR1\tADE-Drug Arg1:T3 Arg2:T1\n"
        "*\tEquiv T1 T2 T3\n*\tEquiv T1 T2\nN1\tRef T2 X:1\trash\n"
    )
    kept = standoff.copy()
    kept.remove({"T1"})
    assert str(kept) == (
        "T2\tADE 8 12\trash\nT3\tADE 13 17\titch\nE1\tHarm:T2 Also:T3\nE2\tWorse:E1\n"
        "A1\tNegated E2\n#1\tAnnotatorNotes A1\twhy\n*\tEquiv T2 T3\nN1\tRef T2 X:1\trash\n"
    )
    kept = standoff.copy()
    kept.remove({"T2"})
    assert str(kept) == (
        "T1\tDrug 0 7\taspirin\nT3\tADE 13 17\titch\nR1\tADE-Drug Arg1:T3 Arg2:T1\n*\tEquiv T1 T3\n"
    )


def test_arguments_by_other_names_keep_the_order_listed():
    [relation] = Standoff.parse("R1\tX Arg2:T1 Arg1:T2\n").records(Relation)
    assert relation.ends == ("T2", "T1")
    [relation] = Standoff.parse("R1\tX From:T1 To:T2\n").records(Relation)
    assert relation.ends == ("T1", "T2")


def test_a_new_id_is_none_that_the_file_bears_or_names():
    standoff = Standoff.parse("T2\tDrug 0 x\tbroken\nR1\tX Arg1:T3 Arg2:T3\nA1\tNegated T4\n")
    assert standoff.add_textbound("Drug", [(0, 1)], "a").id == "T5"
    standoff.add(TextBound("T8", "Drug", ((0, 1),), "a"))
    assert standoff.next_id("T") == "T9"
    for broken in ("T2\tDrug 0 x\tbroken\n", " T2 \tDrug 0 1\ta\n"):
        assert Standoff.parse(broken).next_id("T") == "T3"
    assert Standoff.parse(f"T{'9' * 10_000}\tDrug 0 1\ta\n").next_id("T") == "T1"


def test_a_line_end_is_kept_as_it_was():
    standoff = Standoff.parse("T1\tDrug 0 2\ta\r\r\nT2\tDrug 5 6\tb\r")
    standoff.add_textbound("Drug", [(0, 1)], "a")
    assert str(standoff).endswith("\tb\r\nT3\tDrug 0 1\ta\r\n")
    standoff.shift(5, 1)
    assert str(standoff) == "T1\tDrug 0 2\ta\r\r\nT2\tDrug 6 7\tb\r\nT3\tDrug 0 1\ta\r\n"


def test_of_two_lines_with_one_id_each_can_be_changed():
    text = "T1\tDrug 0 1\ta\nT1\tDrug 2 3\tb\nA1\tNegated T1\n#1\tAnnotatorNotes A1\tx\n"
    standoff = Standoff.parse(text)
    standoff.edit({1: None})
    assert str(standoff) == text.replace("T1\tDrug 2 3\tb\n", "")
    standoff = Standoff.parse(text)
    standoff.edit({0: None})
    assert str(standoff) == "T1\tDrug 2 3\tb\n"
    standoff = Standoff.parse(text)
    standoff.edit({1: None}, {"T1": 1})
    assert str(standoff) == "T1\tDrug 0 1\ta\n"
    standoff = Standoff.parse(text)
    standoff.edit({1: TextBound("T1", "ADE", ((2, 4),), "bc")})
    assert str(standoff) == text.replace("Drug 2 3\tb", "ADE 2 4\tbc")


def test_a_long_chain_is_taken_out_at_once():
    chain = [f"E{i}\tX:E{i + 1}\n" for i in range(20_000)]
    standoff = Standoff.parse("".join(chain) + "T1\tDrug 0 1\ta\n")
    standoff.remove({"E20000"})
    assert str(standoff) == "T1\tDrug 0 1\ta\n"


def test_a_message_holds_nothing_that_a_terminal_obeys_and_is_short():
    standoff = Standoff.parse("R1\x1b[2J\tX Arg1:T1\nT1\tDrug " + "9" * 100_000 + "\ta\n")
    first, second = map(str, standoff.problems)
    assert "R1\\x1b[2J: a relation has two arguments" in first
    assert len(second) < 500
    assert second.endswith("in characters: line left out")


def test_a_problem_is_told_in_few_words_that_a_terminal_can_print():
    told = str(Problem("a.ann", 3, f"R1 names {chr(0) * 3000}, which is not a mention here"))
    assert told.startswith("a.ann:3: R1 names \\x00")
    assert told.endswith("which is not a mention here")
    assert told.isprintable()
    assert len(told) < 500


@pytest.mark.parametrize(
    "line", [" T1\tDrug 0 3\ttea", "t1\tDrug 0 3\ttea", "\tR1\tX Arg1:T1 Arg2:T2"]
)
def test_an_annotation_that_brat_would_not_see_is_an_error_and_stays_in_the_file(line):
    standoff = Standoff.parse(f"{line}\n")
    [problem] = standoff.problems
    assert problem.severity == "error"
    assert "expected a line that begins with its id" in str(problem)
    assert str(standoff) == f"{line}\n"


@pytest.mark.parametrize("line", ["note to self", " - T1 Drug", "t1\tlow", "~1\tx"])
def test_a_line_of_no_kind_is_a_warning(line):
    assert [p.severity for p in Standoff.parse(f"{line}\n").problems] == ["warning"]


@pytest.mark.parametrize(
    "record",
    [
        TextBound("T9", "Adverse Event", ((0, 4),), "Rash"),
        TextBound("T9", "", ((0, 4),), "Rash"),
        TextBound("T9", "Drug", ((4, 4),), ""),
        Relation("R9", "caused by", (("Arg1", "T1"), ("Arg2", "T1"))),
        Relation("R9", "", (("Arg1", "T1"), ("Arg2", "T1"))),
        Comment("#9", "AnnotatorNotes", "T1", "two\nlines"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(record):
    text = "T1\tADE 0 4\tRash\n#1\tAnnotatorNotes T1\tx\n"
    standoff = Standoff.parse(text)
    changes = (
        lambda: standoff.add(record),
        lambda: standoff.edit({0: TextBound("T1", "Drug", ((0, 4),), "Rash"), 1: record}),
        lambda: standoff.update(lambda _: record),
    )
    for change in changes:
        with pytest.raises(
            ValueError, match=f"{record.id}: .* cannot be read back; in brat a label"
        ):
            change()
        assert str(standoff) == text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_file_in_utf16_or_utf32_is_one_error_and_stays_as_it_is(encoding):
    # Those whose names end with the order of bytes have no mark: their NULs tell.
    content = SAMPLE.removeprefix("\ufeff").encode(encoding)
    wide = encoding[:6].upper()
    standoff = Standoff.from_bytes(content)
    [problem] = standoff.problems
    assert (problem.line, problem.severity) == (0, "error")
    told = f"looks like {wide}, not UTF-8: convert it with `iconv -f {wide} -t UTF-8`"
    assert told in problem.message
    assert all(line.record is None for line in standoff.lines)
    with pytest.raises(ValueError, match=f"T1 cannot be added to a file that looks like {wide}"):
        standoff.add(TextBound("T1", "Drug", ((0, 7),), "aspirin"))
    assert standoff.to_bytes() == content


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32"])
def test_a_mark_tells_a_wide_file_whose_letters_hold_few_nuls(encoding):
    assert wide_encoding(("\u836f" * 50).encode(encoding)) == encoding
    assert not wide_encoding(("\u836f" * 50).encode())


@pytest.mark.parametrize(
    "line",
    [
        "R1\tHas Arg1:T1 Arg2:T2\tR2\tHas Arg1:T2 Arg2:T1",
        "E1\tUse:T1 Of:T2\tE2\tUse:T2",
        "A1\tNegated T1\tA2 Negated T2",
        "*\tEquiv T1 T2\tT3",
    ],
)
def test_a_line_that_ran_into_another_is_told_and_kept(line: str):
    standoff = Standoff.parse(f"T1\tDrug 0 4\tdrug\nT2\tDrug 5 9\tpill\n{line}\n")
    [problem] = standoff.problems
    assert (problem.line, problem.severity) == (3, "warning")
    assert problem.message.startswith(f"{line.split(chr(9), 2)[2]!r} after the second tab")
    assert "on a line of its own" in problem.message
    assert standoff.lines[2].record is not None
    assert str(standoff).endswith(f"\n{line}\n")


@pytest.mark.parametrize(
    "line", ["R1\tHas Arg1:T1 Arg2:T2\t", "E1\tUse:T1 Of:T2 \t ", "N1\tReference T1 X:1\ta\tb"]
)
def test_blanks_at_the_end_of_a_line_are_nothing_to_tell(line: str):
    assert not Standoff.parse(f"T1\tDrug 0 4\tdrug\nT2\tDrug 5 9\tpill\n{line}\n\n").problems
