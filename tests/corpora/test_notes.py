from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.brat import Note, Standoff, list_notes, read_note
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.notes import (
    annotations_to_standoff,
    corpus_nlp,
    doc_to_standoff,
    note_to_annotations,
    note_to_doc,
)
from clinical_ie.doc import Annotations, Link, Mention, annotations_of

TEXT = "Aspirin caused rash.\nIt was stopped."


def read(ann: str, text: str = TEXT) -> tuple[Annotations, list[str]]:
    annotations, problems = note_to_annotations(Note("n", text, Standoff.parse(ann), []))
    return annotations, [str(problem) for problem in problems]


def test_event_ids_stand_for_their_triggers():
    annotations, problems = read(
        "R1\tADE-Drug Arg1:E2 Arg2:T1\t\n"
        "E2\tHarm:E1 \nE1\tHarm:T2 \n"
        "T1\tDrug 0 7\tAspirin\nT2\tADE 15 19\trash\n"
    )
    assert problems == []
    assert annotations.links == [Link("ADE-Drug", "T2", "T1")]


def test_what_is_wrong_is_told_by_file_and_line_and_the_rest_is_kept():
    annotations, problems = read(
        "T1\tDrug 0 7\tAspirin\n"
        "T1\tADE 15 19\trash\n"
        "T3\tADE 15 99\trash\n"
        "T4\tDrug 21 23\tHe\n"
        "R1\tADE-Drug Arg1:T3 Arg2:T1\n"
        "R2\tADE-Drug Arg1:E1 Arg2:T1\n"
        "E1\tLoop:E2\nE2\tLoop:E1\n"
    )
    assert [m.id for m in annotations.mentions] == ["T1", "T1~2", "T4"]
    assert annotations.links == []
    assert problems == [
        "n.ann:3: T3 ends at 99, the text has 36 characters: left out",
        "n.ann:4: T4 says 'He', its offsets cover 'It': offsets believed",
        "n.ann: the id T1 is used twice: now T1~2",
        "n.ann:5: R1 names T3, which is no mention here: left out",
        "n.ann:6: R2 names E1, which is no mention here: left out",
    ]


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


def test_no_mention_is_cut_by_a_sentence_boundary(maccrobat: Path):
    for path in list_notes(maccrobat / "dev"):
        doc, _ = note_to_doc(corpus_nlp(), read_note(path))
        starts = {sentence.start for sentence in doc.sents}
        for span in doc.spans["entities"]:
            assert not starts & set(range(span.start + 1, span.end))
