import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.lang.en import English
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import create_vocab

from clinical_ie.brat import Note, Standoff, list_notes, read_note, write_note
from clinical_ie.corpora import notes as notes_module
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc, read_brat
from clinical_ie.corpora.standoff_reading import LinkSettings, note_to_annotations
from clinical_ie.corpora.standoff_writing import annotations_to_standoff, doc_to_standoff
from clinical_ie.doc import Annotations, Link, Mention, annotate, annotations_of

TEXT = "Aspirin caused rash.\nIt was stopped."


def read(ann: str, text: str = TEXT, **settings: bool) -> tuple[Annotations, list[str]]:
    note = Note("n", text, Standoff.parse(ann), [])
    annotations, problems = note_to_annotations(note, LinkSettings(**settings))
    return annotations, [str(problem) for problem in problems]


def test_event_ids_stand_for_their_triggers():
    annotations, problems = read(
        "R1\tADE-Drug Arg1:E2 Arg2:T1\t\n"
        "E2\tHarm:E1 \nE1\tHarm:T2 \n"
        "T1\tDrug 0 7\tAspirin\nT2\tADE 15 19\trash\n"
    )
    assert problems == []
    assert annotations.links == [Link("ADE-Drug", "T2", "T1")]


def test_a_mention_without_its_text_is_told():
    told = "n.ann:1: T1 has no text after its offsets, its offsets cover 'Aspirin': left out"
    assert read("T1\tDrug 0 7\n")[1] == [told]


def test_what_is_wrong_is_told_by_file_and_line_and_the_rest_is_kept():
    annotations, problems = read(
        "T1\tDrug 0 7\tAspirin\n"
        "T1\tADE 15 19\trash\n"
        "T3\tADE 15 99\trash\n"
        "T4\tDrug 0 2\tIt\n"
        "T5\tDrug 21 23\tit\n"
        "R1\tADE-Drug Arg1:T3 Arg2:T1\n"
        "R2\tADE-Drug Arg1:E1 Arg2:T1\n"
        "E1\tLoop:E2\nE2\tLoop:E1\n"
        "E3\tHarm:T9\n"
        "A1\tNegated T8\n"
        "A2\tNegated E3\n"
        "A3\tSure R1\n"
        "R2\tADE-Drug Arg1:T5 Arg2:T1\n",
    )
    assert [m.id for m in annotations.mentions] == ["T1", "T1~2", "T5"]
    assert annotations.links == [Link("ADE-Drug", "T5", "T1")]
    assert problems == [
        "n.ann:2: the id T1 is used twice: this one is T1~2 from here on",
        "n.ann:3: T3 ends at 99, the text has 36 characters (that text is at 15 19): left out",
        "n.ann:4: T4 says 'It', its offsets cover 'As' (that text is at 21 23): left out",
        "n.ann:5: T5 says 'it', its offsets cover 'It': offsets kept",
        "n.ann:6: R1 names T3, which is not a mention here: left out",
        "n.ann:7: R2 names E1, which is not a mention here: left out",
        "n.ann:8: E1: its triggers form a circle through E1; expected the id of a text-bound "
        "annotation: left out",
        "n.ann:9: E2: its triggers form a circle through E2; expected the id of a text-bound "
        "annotation: left out",
        "n.ann:10: E3: its trigger T9 is not a mention here: left out",
        "n.ann:11: A1 names T8, not an annotation here: left out",
        "n.ann:12: A2 names E3, not an annotation here: left out",
        "n.ann:13: A3 names R1, not an annotation here: left out",
        "n.ann:14: the id R2 is used twice: references mean the first",
    ]


EVENTS = (
    "T1\tDrug 0 7\tAspirin\nT2\tADE 15 19\trash\nT3\tDrug 21 23\tIt\n"
    "E1\tHarm:T2 Cause:T1 Later:T7\n*\tEquiv T1 T3 T2\n"
)


def test_roles_and_equivalences_are_relations_when_asked():
    neither, problems = read(EVENTS)
    assert neither.links == []
    assert problems == ["n.ann:4: E1: its Later T7 is not a mention here: role left out"]
    roles, same_problems = read(EVENTS, roles=True)
    assert roles.links == [Link("Cause", "T2", "T1")]
    assert same_problems == problems
    assert read(EVENTS, equivalences=True)[0].links == [
        Link("Equiv", "T1", "T3"),
        Link("Equiv", "T1", "T2"),
        Link("Equiv", "T3", "T2"),
    ]


def test_what_hangs_on_a_mention_is_reached_from_its_span():
    ann = (
        "#1\tAnnotatorNotes E1\tsure?\tyes\n"
        "A1\tNegated T1\nA2\tCertainty E1 low\nA3\tCertainty R9\n"
        "T1\tADE 15 19;8 14\trash caused\nE1\tHarm:T1\nR9\tX Arg1:T1 Arg2:T1\n"
        "N1\tReference T1 UMLS:C0015230\tExanthema\n"
    )
    note = Note("n", TEXT, Standoff.parse(ann), [])
    doc, problems = note_to_doc(corpus_nlp(), note)
    assert problems == []
    [span] = doc.spans["entities"]
    assert span._.fragments == ((15, 19), (8, 14))
    assert span._.attributes == (("Negated", ""), ("Certainty", "low"))
    assert span._.normalizations == (("Reference", "UMLS:C0015230", "Exanthema"),)
    assert span._.comments == (("AnnotatorNotes", "sure?\tyes"),)
    after = Doc(doc.vocab).from_bytes(doc.to_bytes())
    [span] = after.spans["entities"]
    assert span._.attributes == (("Negated", ""), ("Certainty", "low"))
    assert annotations_of(after) == annotations_of(doc)


def test_a_doc_that_was_changed_is_written_with_the_rest_as_it_was():
    ann = (
        "T1\tDrug 0 7\tAspirin\r\n\r\nT2\tADE 15 19\trash\r\n#1\tAnnotatorNotes T2\tx\r\n"
        "R1\tADE-Drug Arg1:T2 Arg2:T1\r\n?? \r\nE1\tADE:T2 \r\n"
    )
    doc, _ = note_to_doc(corpus_nlp(), Note("n", TEXT, Standoff.parse(ann), []))
    before = annotations_of(doc)
    changed = Mention("T2", "Reason", ((15, 19),), comments=(("AnnotatorNotes", "x"),))
    new = Mention("new", "Drug", ((21, 23),), attributes=(("Negated", ""),))
    annotate(doc, Annotations([before.mentions[0], changed, new], [Link("X", "new", "T1")]))
    assert str(doc_to_standoff(doc)) == (
        "T1\tDrug 0 7\tAspirin\r\n\r\nT2\tReason 15 19\trash\r\n#1\tAnnotatorNotes T2\tx\r\n"
        "?? \r\nE1\tReason:T2\r\nT3\tDrug 21 23\tIt\r\nA1\tNegated T3\r\n"
        "R1\tX Arg1:T3 Arg2:T1\r\n"
    )
    annotate(doc, Annotations([before.mentions[0]]))
    assert str(doc_to_standoff(doc)) == "T1\tDrug 0 7\tAspirin\r\n\r\n?? \r\n"


@given(
    st.lists(
        st.tuples(st.sampled_from(["Drug", "ADE"]), st.integers(0, 30), st.integers(1, 5)),
        max_size=6,
    ),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4),
)
def test_annotations_pass_through_standoff(spans, pairs):
    mentions = [
        Mention(f"T{i}", label, ((start, start + n),))
        for i, (label, start, n) in enumerate(spans, start=1)
    ]
    links = [
        Link("X", mentions[a].id, mentions[b].id)
        for a, b in pairs
        if a < len(mentions) and b < len(mentions)
    ]
    annotations = Annotations(mentions, links)
    assert read(str(annotations_to_standoff(annotations, TEXT))) == (annotations, [])


def test_maccrobat_is_whole_after_a_trip_through_a_file(maccrobat: Path, tmp_path: Path):
    paths = list_notes(maccrobat / "dev")
    notes = [read_note(path, maccrobat) for path in paths]
    docs = [note_to_doc(corpus_nlp(), note)[0] for note in notes]
    write_docs(docs, tmp_path / "dev.spacy")
    again = read_docs(tmp_path / "dev.spacy")
    for path, note, before, after in zip(paths, notes, docs, again, strict=True):
        assert str(doc_to_standoff(after)).encode() == path.with_suffix(".ann").read_bytes()
        assert annotations_of(after) == annotations_of(before) == note_to_annotations(note)[0]
        assert [s.text for s in after.sents] == [s.text for s in before.sents]
        assert (after.text, after._.note_id) == (note.text, note.name)


def test_docs_are_read_into_the_vocabulary_that_is_given_an_empty_one_too(tmp_path: Path):
    write_docs([Doc(corpus_nlp().vocab, words=["a", "\n"])], tmp_path / "a.spacy")
    vocab = create_vocab("en", English.Defaults)
    assert len(vocab) == 0
    [doc] = read_docs(tmp_path / "a.spacy", vocab)
    assert doc.vocab is vocab
    assert doc[1].is_space


def test_no_mention_is_cut_by_a_sentence_boundary(maccrobat: Path):
    for path in list_notes(maccrobat / "dev"):
        doc, _ = note_to_doc(corpus_nlp(), read_note(path))
        starts = {sentence.start for sentence in doc.sents}
        for span in doc.spans["entities"]:
            assert not starts & set(range(span.start + 1, span.end))


def test_a_folder_is_read_in_one_call_and_a_broken_note_does_not_stop_the_others(tmp_path: Path):
    for name in ("a/1", "b"):
        write_note(tmp_path, name, TEXT, Standoff.parse("T1\tDrug 0 7\tAspirin\n"))
    write_note(tmp_path, "c", TEXT, Standoff.parse("T1\tDrug 0 7\tIbuprofen\n"))
    write_note(tmp_path, "d", TEXT, None)
    (tmp_path / "broken.txt").write_bytes(b"Caf\xe9")
    (tmp_path / "alone.ann").write_text("T1\tDrug 0 7\tAspirin\n")
    docs, problems = read_brat(str(tmp_path))
    assert [doc._.note_id for doc in docs] == ["a/1", "b", "c", "d"]
    assert [[span.text for span in doc.spans["entities"]] for doc in docs] == [
        ["Aspirin"],
        ["Aspirin"],
        [],
        [],
    ]
    assert [Path(problem.file).name for problem in problems] == ["alone.ann", "broken.txt", "c.ann"]
    assert "whole note left out" in problems[1].message
    with pytest.raises(FileNotFoundError):
        read_brat(tmp_path / "missing")


def test_what_nobody_thought_of_costs_one_note_of_a_folder(tmp_path: Path, monkeypatch):
    for name in ("a", "b"):
        write_note(tmp_path, name, TEXT, None)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text(TEXT)
    reading = notes_module.note_to_doc

    def crash(nlp: Language, note: Note, settings: LinkSettings | None):
        if note.name == "a":
            raise RuntimeError("damaged")
        return reading(nlp, note, settings)

    monkeypatch.setattr(notes_module, "note_to_doc", crash)
    docs, problems = read_brat(tmp_path)
    assert [doc._.note_id for doc in docs] == ["b"]
    assert [problem.message for problem in problems] == [
        "whole note left out: RuntimeError('damaged')",
        "whole note left out: its file name is not UTF-8; rename it",
    ]
