from collections import Counter
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, Span

from clinical_ie.augment.segment import (
    Layout,
    bare_doc,
    places_in,
    segment_at,
    segment_of,
    segment_to_doc,
    segments_of,
)
from clinical_ie.augment.source import sources_of
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.doc import Annotations, Link, Mention, annotate, annotations_of
from clinical_ie.text.columns import _WORDS
from tests.conftest import note


def test_one_segment_for_each_run_that_is_asked_for(train_docs: list[Doc]) -> None:
    segments, skipped = segments_of(train_docs[0], max_words=40)
    assert [segment.text for segment in segments] == [
        "He took aspirin 81 mg daily for chest pain.",
        "He took aspirin 81 mg daily for chest pain. No rash was seen.",
        "No rash was seen.",
    ]
    assert not skipped
    assert [len(segment.annotations.links) for segment in segments] == [2, 3, 0]
    assert segments[0].bound == {"T1"}
    assert segments[1].bound == frozenset()


def test_a_mention_that_one_outside_echoes_is_known() -> None:
    doc = note(
        "Took aspirin 81 mg. Aspirin was given, for ASPIRIN too.",
        ("Drug", "aspirin"),
        ("Strength", "81 mg"),
        ("Drug", "Aspirin"),
        ("Reason", "ASPIRIN"),
        links=(("IDENTICAL", 0, 2), ("Strength-Drug", 1, 2), ("Reason-Drug", 3, 0)),
    )
    first, second = (s for s in segments_of(doc, max_words=40)[0] if len(s.text) < 40)
    assert (first.bound, first.echoed) == ({"T1", "T2"}, {"T1"})
    # "aspirin" with another label is a different thing.
    assert (second.bound, second.echoed) == ({"T3", "T4"}, {"T3"})
    assert segment_of(segment_to_doc(corpus_nlp(), first)) == first


def test_mentions_are_counted_from_the_start_of_the_segment(train_docs: list[Doc]) -> None:
    for doc in train_docs:
        for segment in segments_of(doc, max_words=40)[0]:
            assert doc.text[segment.start : segment.end] == segment.text
            terms = {m.id: doc.text[m.start : m.end] for m in annotations_of(doc).mentions}
            for mention in segment.annotations.mentions:
                assert segment.text[mention.start : mention.end] == terms[mention.id]


def test_docs_of_other_software_have_sentences_and_names_too() -> None:
    docs = []
    for _ in range(2):
        doc = spacy.blank("en")("He had pain. It went.\nRash was seen.")
        doc.set_ents([Span(doc, 2, 3, "Sign"), Span(doc, 8, 9, "ADE")])
        docs.append(Doc(doc.vocab).from_bytes(doc.to_bytes()))
    assert list(sources_of(docs, Path("x.spacy"))) == ["note-1", "note-2"]
    found = [segment.text for segment in segments_of(docs[0], max_words=40)[0]]
    assert found == ["He had pain.", "Rash was seen."]


def test_no_mention_crosses_a_border() -> None:
    doc = note("Pain here. And there it was. Then nothing.", ("Sign", "Pain"), ("Sign", "nothing"))
    halves = Annotations([Mention("T1", "Sign", ((0, 4), (15, 20)))])
    annotate(doc, halves)
    segments, skipped = segments_of(doc, max_words=40)
    assert not segments
    assert skipped == Counter({"mention in several pieces": 1})


def test_no_mention_is_cut_where_other_software_has_a_sentence_begin_inside_it() -> None:
    doc = spacy.blank("en")("He had chest pain. It grew.")
    for token in doc:
        token.is_sent_start = token.i in (0, 3, 5)
    doc.spans["entities"] = [
        Span(doc, start, end, label="Sign") for start, end in [(2, 4), (2, 3), (3, 4)]
    ]
    assert [s.text for s in segments_of(doc, max_words=40)[0]] == ["He had chest pain."]


def test_a_mention_over_a_line_break_is_one_piece() -> None:
    doc = note("Had chest\npain then.", ("Sign", "pain"))
    annotate(doc, Annotations([Mention("T1", "Sign", ((4, 9), (10, 14)))]))
    [segment], _ = segments_of(doc, max_words=40)
    assert segment.annotations.mentions == [Mention("T1", "Sign", ((4, 14),))]


def test_long_and_nested_segments_are_counted() -> None:
    doc = note("A history of flu. Then came a very long tale of woe and pain.", ("Sign", "pain"))
    annotate(
        doc,
        Annotations(
            [
                Mention("T1", "History", ((2, 16),)),
                Mention("T2", "Sign", ((13, 16),)),
                Mention("T3", "Sign", ((56, 60),)),
            ]
        ),
    )
    segments, skipped = segments_of(doc, max_words=5, nested=False)
    assert not segments
    assert skipped == Counter({"longer than max_words": 1, "nested mentions": 1})
    [plain], skipped = segments_of(doc, max_words=11, nested=False, max_term_words=1)
    assert plain.text == "Then came a very long tale of woe and pain."
    assert skipped == Counter({"longer term than max_term_words": 1})


def test_a_segment_survives_as_a_doc(train_docs: list[Doc]) -> None:
    for doc in train_docs:
        for segment in segments_of(doc, max_words=40)[0]:
            for as_doc in (segment_to_doc(corpus_nlp(), segment), bare_doc(segment)):
                restored = Doc(as_doc.vocab).from_bytes(as_doc.to_bytes())
                assert restored.text == segment.text
                assert segment_of(restored) == segment


def test_texts_of_segments_are_not_kept(train_docs: list[Doc]) -> None:
    for segment in segments_of(train_docs[0], max_words=40)[0]:
        assert segment_of(bare_doc(segment)).text not in _WORDS.values()


def test_a_doc_of_its_own_is_one_segment() -> None:
    doc = note("Took aspirin.", ("Drug", "aspirin"))
    segment = segment_of(doc)
    assert (segment.start, segment.end, segment.bound) == (0, 13, frozenset())


def test_a_relation_asks_for_the_sentences_between_its_ends() -> None:
    doc = note("Took aspirin. Ate well. Then had a rash.", ("Drug", "aspirin"), ("ADE", "rash"))
    doc_annotations = Annotations(
        [Mention("T1", "Drug", ((5, 12),)), Mention("T2", "ADE", ((35, 39),))],
        [Link("ADE-Drug", "T2", "T1")],
    )
    annotate(doc, doc_annotations)
    texts = [segment.text for segment in segments_of(doc, max_words=40)[0]]
    assert doc.text in texts


def test_a_note_twice_as_long_takes_twice_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: Counter[str] = Counter()

    def end(mention: Mention) -> int:
        looked_at[note_id] += 1
        return mention.fragments[0][1]

    monkeypatch.setattr(Mention, "end", property(end))
    for note_id, n in (("short", 50), ("long", 100)):
        text = "He took aspirin for pain. " * n
        starts = list(range(0, len(text), 26))
        drugs = [Mention(f"T{i}", "Drug", ((at + 8, at + 15),)) for i, at in enumerate(starts)]
        signs = [Mention(f"S{i}", "Sign", ((at + 20, at + 24),)) for i, at in enumerate(starts)]
        links = [Link("Reason-Drug", f"S{i}", f"T{i}") for i in range(n)]
        annotations = Annotations(drugs + signs, links)
        found, _ = places_in(note_id, text, annotations, starts, 40, True, None)
        layout = Layout(annotations)
        segments = [segment_at(note_id, text, layout, x.start, x.end) for x in found]
        assert [len(segment.annotations.links) for segment in segments] == [1] * n
    assert looked_at["long"] <= 2 * looked_at["short"]
