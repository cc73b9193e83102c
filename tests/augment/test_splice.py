import pytest
from spacy.tokens import Doc

from clinical_ie.augment.segment import Segment, segments_of
from clinical_ie.augment.source import Source
from clinical_ie.augment.splice import splice
from clinical_ie.brat import Note, Standoff
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import Annotations, Mention, annotations_of


def by_text(doc: Doc, text: str) -> Segment:
    return next(s for s in segments_of(doc, max_words=40)[0] if s.text == text)


def test_before_stays_after_shifts_and_relations_cross(train_docs: list[Doc]) -> None:
    doc = train_docs[0]
    segment = by_text(doc, "He took aspirin 81 mg daily for chest pain.")
    new = "For flu she had 2 g of tea."
    mentions = [
        Mention("T1", "Drug", ((23, 26),)),
        Mention("T2", "Strength", ((16, 19),)),
        Mention("T3", "Reason", ((4, 7),)),
    ]
    # This mention ends where the segment begins.
    before = Mention("T0", "Course", ((6, segment.start),))
    links = annotations_of(doc).links
    whole = Annotations([before, *annotations_of(doc).mentions], links)
    text, annotations = splice(doc.text, whole, segment, new, mentions)
    assert text == f"Brief course.\n{new} No rash was seen.\nHe left."
    covered = {m.id: text[m.start : m.end] for m in annotations.mentions}
    assert covered == {"T0": "course.\n", "T1": "tea", "T2": "2 g", "T3": "flu", "T4": "rash"}
    assert annotations.links == links


def test_every_segment_can_be_put_back_as_it_is(train_docs: list[Doc]) -> None:
    for doc in train_docs:
        for segment in segments_of(doc, max_words=40)[0]:
            whole = annotations_of(doc)
            text, annotations = splice(
                doc.text, whole, segment, segment.text, segment.annotations.mentions
            )
            assert (text, annotations) == (doc.text, whole)


def test_a_mention_that_would_be_torn_is_an_error(train_docs: list[Doc]) -> None:
    doc = train_docs[0]
    segment = by_text(doc, "No rash was seen.")
    torn = Annotations([Mention("T9", "Sign", ((segment.start + 3, segment.start + 12),))])
    with pytest.raises(ValueError, match=r"note-1: T9 \(Sign\)"):
        splice(doc.text, torn, segment, "All was fine.", [])


def test_a_term_as_long_as_the_old_one_stands_in_the_ann_too() -> None:
    ann = (
        "T1\tDrug 9 16\taspirin\nT2\tStrength 17 22\t81 mg\nE1\tDrug:T1\n"
        "R1\tStrength-Drug Arg1:T2 Arg2:E1\nA1\tDaily E1\nT3\tADE 24 28\tRash\n"
    )
    text = "She took aspirin 81 mg. Rash."
    doc, problems = note_to_doc(corpus_nlp(), Note("n", text, Standoff.parse(ann), []))
    assert [str(p) for p in problems if p.severity == "error"] == []
    source = Source.of(doc)
    segment = by_text(doc, "She took aspirin 81 mg.")
    mentions = segment.annotations.mentions
    new = source.with_rewrites([(segment, "She took heparin 87 mg.", mentions)], "n.aug1", {})
    assert new.text == "She took heparin 87 mg. Rash."
    expected = ann.replace("aspirin", "heparin").replace("81 mg", "87 mg")
    assert new.ann.decode() == str(doc_to_standoff(new.doc)) == expected
    annotations, problems = note_to_annotations(
        Note("n.aug1", new.text, Standoff.from_bytes(new.ann), [])
    )
    assert [str(p) for p in problems if p.severity == "error"] == []
    assert annotations == new.annotations


def test_an_ann_in_the_usual_form_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = "T1\tDrug 9 16\taspirin\nT2\tADE 18 22\tRash\nR1\tADE-Drug Arg1:T2 Arg2:T1\n"
    text = "She took aspirin. Rash."
    doc, _ = note_to_doc(corpus_nlp(), Note("n", text, Standoff.parse(ann), []))
    source, segment = Source.of(doc), by_text(doc, "She took aspirin.")
    read: list[bytes] = []
    from_bytes = Standoff.from_bytes
    monkeypatch.setattr(Standoff, "from_bytes", lambda x: read.append(x) or from_bytes(x))
    for name in ("one", "two"):
        mention = Mention("T1", "Drug", ((6, 9),))
        new = source.with_rewrites([(segment, "He is off tea.", [mention])], name, {})
        assert new.ann.decode().startswith("T1\tDrug 6 9\toff\nT2\tADE 15 19\tRash\nR1")
    assert read == [ann.encode()]


def test_of_another_term_its_flags_alone_stay() -> None:
    ann = (
        "T1\tDATE 5 15\t2014-03-02\nA1\tVal T1 2014-03-02\nA2\tmod T1 APPROX\n"
        "#1\tAnnotatorNotes T1\tis the second of March?\n"
        "T2\tPROBLEM 25 29\trash\nA3\tpolarity T2 NEG\nN1\tReference T2 UMLS:C0015230\trash\n"
        "#2\tAnnotatorNotes T2\tno doubt\n"
    )
    text = "Seen 2014-03-02 with no: rash."
    doc, problems = note_to_doc(corpus_nlp(), Note("n", text, Standoff.parse(ann), []))
    assert [str(p) for p in problems if p.severity == "error"] == []
    segment = by_text(doc, text)
    mentions = segment.annotations.mentions
    new = Source.of(doc).with_rewrites(
        [(segment, "Seen 2014-03-09 with no: Rash.", mentions)], "x", {}
    )
    lines = ann.replace("15\t2014-03-02", "15\t2014-03-09").replace("29\trash", "29\tRash")
    expected = [x for x in lines.splitlines() if not x.startswith(("A1\t", "#1\t"))]
    assert new.ann.decode().splitlines() == expected
    date, rash = new.annotations.mentions
    assert (date.attributes, date.comments) == ((("mod", "APPROX"),), ())
    assert rash == mentions[1]
    other = Source.of(doc).with_rewrites(
        [(segment, "Seen 2014-03-02 with no: itch.", mentions)], "x", {}
    )
    assert [x for x in other.ann.decode().splitlines() if x[0] in "NA#"] == [
        x for x in ann.splitlines() if x.startswith(("A", "#1"))
    ]
