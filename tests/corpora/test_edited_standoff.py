"""Edits of a file whose ids, or types of events, are unusual."""

from clinical_ie.brat import Note, Standoff
from clinical_ie.corpora.standoff_reading import LinkSettings, note_to_annotations
from clinical_ie.corpora.standoff_writing import edit_standoff
from clinical_ie.doc import Annotations, Link, Mention

TEXT = "aspirin caused a rash"


def test_a_relation_to_a_second_mention_with_an_id_gives_that_one_a_new_id():
    standoff = Standoff.parse("T1\tDrug 0 7\taspirin\nT1\tADE 17 21\trash\n")
    old, _ = note_to_annotations(Note("n", TEXT, standoff, []))
    new = Annotations(old.mentions, [Link("ADE-Drug", "T1~2", "T1")])
    edit_standoff(standoff, new, TEXT, TEXT, LinkSettings())
    assert str(standoff).splitlines() == [
        "T1\tDrug 0 7\taspirin",
        "T2\tADE 17 21\trash",
        "R1\tADE-Drug Arg1:T2 Arg2:T1",
    ]


def test_an_event_with_a_type_of_its_own_keeps_it():
    standoff = Standoff.parse("T1\tDrug 0 7\taspirin\nE1\tTake:T1\n")
    new = Annotations([Mention("T1", "Med", ((0, 7),))])
    edit_standoff(standoff, new, TEXT, TEXT, LinkSettings())
    assert str(standoff) == "T1\tMed 0 7\taspirin\nE1\tTake:T1\n"
