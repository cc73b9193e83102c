"""Mentions edited on the Doc: the `.ann` file changes by exactly that edit."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, Span

from clinical_ie.brat import Note, Standoff
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.standoff_reading import LinkSettings
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import Relation, annotations_of
from tests.conftest import run_script

TEXT = "Took 20mg aspirin today for chest or pain."
ANN = (
    "T1\tStrength 5 7\t20\n"
    "T2\tDrug 10 17\taspirin\n"
    "T3\tReason 28 33;37 41\tchest pain\n"
    "A1\tNeg T1\n"
    "N1\tReference T2 RxNorm:1191\taspirin\n"
    "#1\tAnnotatorNotes T2\tcheck\n"
    "R1\tS Arg1:T1 Arg2:T2\n"
    "R2\tWhy Arg1:T2 Arg2:T3\n"
)


@pytest.fixture
def doc() -> Doc:
    doc, problems = note_to_doc(corpus_nlp(), Note("n", TEXT, Standoff.parse(ANN), []))
    assert not problems
    return doc


def today(doc: Doc) -> Span:
    return doc.char_span(18, 23, label="Date")


def lines_without(*starts: str) -> str:
    return "".join(line for line in ANN.splitlines(True) if not line.startswith(starts))


def test_the_same_spans_assigned_anew_change_nothing(doc):
    doc.spans["entities"] = list(doc.spans["entities"])
    assert str(doc_to_standoff(doc)) == ANN


def test_a_span_more_comes_at_the_end(doc):
    doc.spans["entities"].append(today(doc))
    assert str(doc_to_standoff(doc)) == f"{ANN}T4\tDate 18 23\ttoday\n"
    assert annotations_of(doc).mentions[2].fragments == ((28, 33), (37, 41))
    assert doc.spans["entities"][2]._.fragments == ((28, 33), (37, 41))


def test_a_span_in_the_place_of_another_is_a_new_one(doc):
    doc.spans["entities"][0] = today(doc)
    expected = lines_without("T1", "A1", "R1") + "T4\tDate 18 23\ttoday\n"
    assert str(doc_to_standoff(doc)) == expected


def test_a_list_with_one_less_and_one_more(doc):
    spans = list(doc.spans["entities"])
    doc.spans["entities"] = [*spans[1:], today(doc)]
    expected = lines_without("T1", "A1", "R1") + "T4\tDate 18 23\ttoday\n"
    assert str(doc_to_standoff(doc)) == expected


@pytest.mark.parametrize("assign", [False, True])
def test_borders_and_label_may_change_and_what_hangs_on_it_stays(doc, assign):
    old = doc.spans["entities"][1]
    new = Span(doc, old.start, old.end + 1, label="Medication", span_id=old.id_)
    if assign:
        spans = list(doc.spans["entities"])
        doc.spans["entities"] = [spans[0], new, spans[2]]
    else:
        doc.spans["entities"][1] = new
    changed = ANN.replace("T2\tDrug 10 17\taspirin", "T2\tMedication 10 23\taspirin today")
    assert str(doc_to_standoff(doc)) == changed
    assert [relation.label for relation in doc._.relations] == ["S", "Why"]
    assert doc._.relations[0].tail.label_ == "Medication"


def test_another_order_is_no_change(doc):
    doc.spans["entities"] = list(doc.spans["entities"])[::-1]
    assert str(doc_to_standoff(doc)) == ANN


def test_spans_of_other_software_have_names_of_their_own(doc):
    del doc.spans["entities"]
    doc.ents = [today(doc)]
    assert str(doc_to_standoff(doc)) == "T1\tDate 18 23\ttoday\n"


def read(ann: str, **links: bool) -> Doc:
    note = Note("n", TEXT, Standoff.parse(ann), [])
    return note_to_doc(corpus_nlp(), note, LinkSettings(**links))[0]


EVENTS = (
    "T1\tStrength 5 7\t20\n"
    "T2\tDrug 10 17\taspirin\n"
    "T3\tDate 18 23\ttoday\n"
    "E1\tDrug:T2 Dose:T1 When:T3 Dose:T1\n"
    "A1\tSure E1\n"
    "*\tSame T1 T2 T3\n"
)


@pytest.mark.parametrize("label", ["Dose", "When"])
def test_a_role_that_is_no_relation_any_more_goes(label):
    doc = read(EVENTS, roles=True)
    stored = Doc(doc.vocab).from_bytes(doc.to_bytes())
    stored._.relations.remove(next(r for r in stored._.relations if r.label == label))
    left = {"Dose": " When:T3 Dose:T1", "When": " Dose:T1 Dose:T1"}[label]
    expected = EVENTS.replace(" Dose:T1 When:T3 Dose:T1", left)
    assert str(doc_to_standoff(stored)) == expected


def test_a_role_with_another_label_becomes_a_relation():
    doc = read(EVENTS, roles=True)
    first, *others = doc._.relations
    doc._.relations = [*others, Relation(first.head, first.tail, "Why")]
    expected = EVENTS.replace("T2 Dose:T1", "T2") + "R1\tWhy Arg1:T2 Arg2:T1\n"
    assert str(doc_to_standoff(doc)) == expected


def test_events_that_were_not_read_as_relations_stay():
    doc = read(EVENTS)
    assert doc._.relations == []
    assert str(doc_to_standoff(doc)) == EVENTS
    doc._.relations = []
    assert str(doc_to_standoff(doc)) == EVENTS


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ((("T1", "T2"), ("T1", "T3")), "*\tSame T2 T3\n"),
        ((("T1", "T2"),), "*\tSame T1 T3\n*\tSame T2 T3\n"),
        ((("T1", "T2"), ("T1", "T3"), ("T2", "T3")), ""),
        ((), "*\tSame T1 T2 T3\n"),
    ],
)
def test_pairs_of_an_equivalence_that_are_gone_are_taken_out_of_it(gone, left):
    doc = read(EVENTS, equivalences=True)
    doc._.relations = [r for r in doc._.relations if (r.head.id_, r.tail.id_) not in gone]
    assert str(doc_to_standoff(doc)) == EVENTS.replace("*\tSame T1 T2 T3\n", left)


def test_what_is_found_anew_is_not_taken_for_what_people_annotated():
    """New predictions get new ids, so that E1 of the file does not refer to another T2."""
    found = read(EVENTS)
    head = spacy.blank("en").add_pipe("clinical_ner")
    head.cfg["labels"] = ["Drug"]
    head.set_annotations([found], [([(0, 1, 0), (2, 3, 0)], [0.5, 0.5])])
    ids = {mention.id for mention in annotations_of(found).mentions}
    assert ids
    assert not ids & {"T1", "T2", "T3"}
    exported = doc_to_standoff(found)
    assert "E1" not in str(exported)
    assert len(annotations_of(found).mentions) == str(exported).count("\nT") + 1


def test_a_part_of_a_note_has_lines_of_its_own(doc):
    part = doc[5:].as_doc(copy_user_data=True)
    assert "aspirin" not in str(doc_to_standoff(part))


def test_export_leaves_out_a_note_whose_label_brat_cannot_hold(tmp_path: Path):
    docs = [corpus_nlp()("Rash seen.") for _ in range(2)]
    for doc, label in zip(docs, ("Adverse Event", "ADE"), strict=True):
        doc.spans["entities"] = [doc.char_span(0, 4, label=label)]
    write_docs(docs, tmp_path / "x.spacy")
    result = run_script("export.py", tmp_path / "x.spacy", tmp_path / "out")
    assert result.exit_code == 1
    assert "note-1: left out: T1: 'T1\\tAdverse Event 0 4\\tRash' cannot be" in result.stderr
    assert "rename or remove it" in result.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["note-2.ann", "note-2.txt"]
    result = run_script("export.py", tmp_path / "none.spacy", tmp_path / "out")
    assert result.exit_code == 1
    assert "none.spacy: no such file" in result.stderr
