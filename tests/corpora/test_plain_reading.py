"""Reading by columns finds the same as reading line by line, whatever the file contains."""

import re

from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import Note, Problem, Standoff, list_notes, read_note
from clinical_ie.corpora.docbin import pack
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.doc import Annotations, Link, Mention
from tests.brat.test_properties import pairs

TEXT = "Aspirin 81 mg for chest pain,\nor arm pain."
PLAIN = """\
T1	Drug 0 7	Aspirin
T2	Strength 8 13	81 mg
T3	Reason 18 28	chest pain
T4	Reason 33 36;24 28	arm pain
T5	Reason 24 32	pain, or
E1	Prescription:T1 Dose:T2
E2	Finding:T3{blank}
R1	Strength-Drug Arg1:T2 Arg2:E1{tab}
R2	Reason-Drug Arg1:T3 Arg2:T1
A1	Negated T3
A2	Certainty E1 high
M1	Historic R1
N1	Reference T1 RxNorm:1191	aspirin
#1	AnnotatorNotes T3	left or right?
#2	AnnotatorNotes A1	sure?
*	Equiv T1 E1
""".format(blank=" ", tab="\t")  # brat itself writes trailing white space in such lines.


def both_ways(text: str, ann: str) -> list[tuple[Annotations, list[Problem]]]:
    """The result of reading by columns, if possible, and of reading line by line."""
    found = []
    for by_line in (False, True):
        standoff = Standoff.parse(ann)
        if by_line:
            assert standoff.lines or not ann
        found.append(note_to_annotations(Note("note", text, standoff, list(standoff.problems))))
    return found


def test_every_kind_of_line_has_its_columns():
    assert Standoff.parse(PLAIN).columns is not None
    by_columns, by_line = both_ways(TEXT, PLAIN)
    assert by_columns == by_line
    annotations, problems = by_columns
    assert not problems
    assert annotations.links == [
        Link("Strength-Drug", "T2", "T1"),
        Link("Reason-Drug", "T3", "T1"),
    ]
    assert annotations.mentions == [
        Mention(
            "T1",
            "Drug",
            ((0, 7),),
            attributes=(("Certainty", "high"),),
            normalizations=(("Reference", "RxNorm:1191", "aspirin"),),
        ),
        Mention("T2", "Strength", ((8, 13),)),
        Mention(
            "T3",
            "Reason",
            ((18, 28),),
            attributes=(("Negated", ""),),
            comments=(("AnnotatorNotes", "left or right?"),),
        ),
        Mention("T4", "Reason", ((33, 36), (24, 28))),
        Mention("T5", "Reason", ((24, 32),)),
    ]


def test_lines_that_were_edited_have_no_columns():
    standoff = Standoff.parse(PLAIN)
    standoff.remove(["T2"])
    assert standoff.columns is None
    assert "T2" not in str(standoff)


def test_docs_are_the_same_in_every_byte():
    # Fields, and the details of two mentions, in another order than their lines.
    ann = "#1\tNote T2\tsure?\nA1\tNegated T2\nA2\tOld T1\nT2\tReason 18 28\tchest pain\n"
    for lines in (PLAIN, ann + "T1\tDrug 0 7\tAspirin\n", "*\tEquiv T1 T1\nT1\tDrug 0 7\tAspirin"):
        by_columns, by_line = Standoff.parse(lines), Standoff.parse(lines)
        assert by_line.lines
        assert by_columns.columns is not None
        docs = [
            note_to_doc(corpus_nlp(), Note("note", TEXT, standoff, []))[0]
            for standoff in (by_columns, by_line)
        ]
        assert pack(docs[0]) == pack(docs[1])


SIGNS = "TERA1234 \t\n\r:;\ufeff\u00a0²\udce8x"
CHANGES = st.tuples(
    st.integers(0, len(PLAIN)), st.integers(0, 2), st.text(st.sampled_from(SIGNS), max_size=3)
)


@given(changes=st.lists(CHANGES, max_size=3))
def test_a_changed_file_is_read_alike_both_ways(changes):
    ann = PLAIN
    for place, length, new in changes:
        ann = ann[:place] + new + ann[place + length :]
    by_columns, by_line = both_ways(TEXT, ann)
    assert by_columns == by_line


@given(pair=pairs())
def test_a_file_with_nothing_but_plain_ends_is_read_alike_both_ways(pair):
    ann = re.sub(r"\s*\n\s*", "\n", (pair.ann or b"").decode()).lstrip("\n")
    by_columns, by_line = both_ways(pair.text, ann)
    assert by_columns == by_line


def test_real_files_are_read_alike_both_ways(maccrobat):
    n_plain = 0
    for path in list_notes(maccrobat):
        note = read_note(path)
        n_plain += note.standoff.columns is not None
        by_columns, by_line = both_ways(note.text, str(note.standoff))
        assert by_columns == by_line
    assert n_plain == len(list_notes(maccrobat))
