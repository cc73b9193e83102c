"""Edits of a Doc whose file states the same in lines of other kinds, or whose tokens are merged."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from clinical_ie.augment.source import Source
from clinical_ie.brat import Note, Standoff
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.standoff_reading import LinkSettings
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import Annotations, Link, Mention, annotate, annotations_of
from clinical_ie.relation_list import Relation

TEXT = "Took 20mg aspirin today.\nShe was well and had no pain."
MENTIONS = "T1\tStrength 5 7\t20\nT2\tDrug 10 17\taspirin\nT3\tReason 49 53\tpain\n"
ANN = MENTIONS + "E1\tDrug:T2 Dose:T1\n*\tEquiv T1 T3\n"
ALL = LinkSettings(roles=True, equivalences=True)


def read(ann: str, settings: LinkSettings | None = None) -> Doc:
    return note_to_doc(corpus_nlp(), Note("n", TEXT, Standoff.parse(ann), []), settings)[0]


def test_new_relations_are_written_whatever_other_lines_state() -> None:
    doc = read(ANN)
    strength, drug, reason = doc.spans["entities"]
    ends = ((drug, strength, "Dose"), (strength, reason, "Equiv"), (reason, drug, "New"))
    doc._.relations = [Relation(*each) for each in ends]
    written = str(doc_to_standoff(doc))
    assert written == ANN + (
        "R1\tDose Arg1:T2 Arg2:T1\nR2\tEquiv Arg1:T1 Arg2:T3\nR3\tNew Arg1:T3 Arg2:T2\n"
    )
    assert annotations_of(read(written)) == annotations_of(doc)


@pytest.mark.parametrize("rewritten", [False, True])
def test_relations_that_are_taken_off_are_taken_off_their_lines(rewritten: bool) -> None:
    doc = read(ANN, ALL)
    assert [relation.label for relation in doc._.relations] == ["Dose", "Equiv"]
    if rewritten:
        # As the augmenter does, which reads the file again only where it has to.
        doc = Source.of(doc).with_rewrites([], "n.aug1", {}).doc
    assert str(doc_to_standoff(doc)) == ANN
    doc._.relations = []
    assert str(doc_to_standoff(doc)) == MENTIONS + "E1\tDrug:T2\n"


@pytest.mark.parametrize("assigned", [False, True])
def test_merged_tokens_move_no_mention(assigned: bool) -> None:
    doc = read(ANN)
    if assigned:
        doc.spans["entities"] = list(doc.spans["entities"])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:4])
    assert [token.text for token in doc][:3] == ["Took", "20mg aspirin", "today"]
    assert str(doc_to_standoff(doc)) == ANN


def test_a_new_mention_stays_where_it_is_when_tokens_are_merged() -> None:
    doc = read(ANN)
    doc.spans["entities"].append(doc.char_span(18, 23, label="Date", span_id="T9"))
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:5])
    assert str(doc_to_standoff(doc)) == ANN + "T4\tDate 18 23\ttoday\n"


def test_a_relation_to_one_of_two_with_its_id_is_no_ones():
    doc = spacy.blank("en")("aspirin caused a bad rash")
    mentions = [Mention("T1", "Drug", ((0, 7),)), Mention("T2", "ADE", ((17, 25),))]
    annotate(doc, Annotations(mentions, [Link("ADE-Drug", "T2", "T1")]))
    group = doc.spans["entities"]
    # The mention was cut in two, and both parts have its id.
    doc.spans["entities"] = [
        group[0],
        Span(doc, 3, 4, label="ADE", span_id="T2"),
        Span(doc, 4, 5, label="ADE", span_id="T2"),
    ]
    assert annotations_of(doc).links == []
    assert doc._.relations == []
