import pytest
from spacy.tokens import Doc

from clinical_ie.augment.segment import Segment, segments_of
from clinical_ie.augment.splice import splice
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
    text, annotations = splice(doc.text, annotations_of(doc), segment, new, mentions)
    assert text == f"Brief course.\n{new} No rash was seen.\nHe left."
    covered = {m.id: text[m.start : m.end] for m in annotations.mentions}
    assert covered == {"T1": "tea", "T2": "2 g", "T3": "flu", "T4": "rash"}
    assert annotations.links == annotations_of(doc).links


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
