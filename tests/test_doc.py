import copy
from itertools import combinations

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example

from clinical_ie.brat import Standoff
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import (
    Annotations,
    Link,
    Mention,
    Relation,
    annotate,
    annotations_of,
    first_new_number,
    register_extensions,
    scored_mentions,
    set_mentions,
    spans_of,
    unique_ids,
)

NLP = spacy.blank("en")
TEXT = "aspirin 10mg caused a rash"
ANNOTATIONS = Annotations(
    [
        Mention("T1", "Drug", ((0, 7),)),
        Mention("T2", "Strength", ((9, 12),), 0.25),
        Mention("T3", "ADE", ((22, 26),)),
        Mention("T4", "Reason", ((22, 26),)),
        Mention("T5", "Finding", ((22, 26), (13, 19))),
    ],
    [Link("ADE-Drug", "T3", "T1", 0.5), Link("Reason-Drug", "T4", "T1")],
)


@pytest.fixture
def doc() -> Doc:
    doc = spacy.blank("en")(TEXT)
    assert annotate(doc, ANNOTATIONS) == []
    doc._.standoff = Standoff.parse("# kept\n")
    doc._.note_id = "n1"
    doc._.provenance = {"source": "n0"}
    return doc


def test_equal_nested_and_split_mentions_all_stand(doc):
    assert annotations_of(doc) == ANNOTATIONS
    assert [(s.text, s.label_, s.id_) for s in doc.spans["entities"]] == [
        ("aspirin", "Drug", "T1"),
        ("10mg", "Strength", "T2"),
        ("rash", "ADE", "T3"),
        ("rash", "Reason", "T4"),
        ("caused a rash", "Finding", "T5"),
    ]
    assert [e.label_ for e in doc.ents] == ["Drug", "Strength", "Finding"]


def test_everything_survives_docbin_bytes_and_other_vocabularies(doc):
    binned = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    [from_bin] = DocBin().from_bytes(binned).get_docs(spacy.blank("en").vocab)
    from_bytes = Doc(spacy.blank("en").vocab).from_bytes(doc.to_bytes())
    for other in (from_bin, from_bytes):
        assert annotations_of(other) == ANNOTATIONS
        assert str(other._.standoff) == "# kept\n"
        assert (other._.note_id, other._.provenance) == ("n1", {"source": "n0"})


def test_relations_hold_members_of_the_group(doc):
    relation = doc._.relations[0]
    assert relation.head in list(doc.spans["entities"])
    assert (relation.head.text, relation.tail.text, relation.score) == ("rash", "aspirin", 0.5)
    stranger = Span(doc, 0, 3, label="Drug")
    with pytest.raises(ValueError, match="must be members"):
        doc._.relations = [Relation(stranger, relation.tail, "x")]


def test_a_mention_taken_away_takes_its_relations(doc):
    doc.spans["entities"] = [s for s in doc.spans["entities"] if s.id_ != "T3"]
    assert [r.label for r in doc._.relations] == ["Reason-Drug"]


def test_a_mention_taken_away_leaves_the_others_what_is_theirs(doc):
    mentions = [
        Mention("T1", "Drug", ((0, 7),), 0.9),
        Mention("T2", "Reason", ((0, 3), (4, 7)), 0.2),
        Mention("T3", "Form", ((0, 7),), 0.4),
    ]
    annotate(doc, Annotations(mentions))
    group = doc.spans["entities"]
    kept = [span for span in group if span.label_ != "Drug"]
    for spans in (kept, kept[::-1]):
        doc.spans["entities"] = SpanGroup(
            doc, name="entities", attrs=dict(group.attrs), spans=spans
        )
        found = {m.id: (m.label, m.fragments, m.score) for m in annotations_of(doc).mentions}
        assert found == {m.id: (m.label, m.fragments, m.score) for m in mentions[1:]}


def test_spans_of_other_software_are_read_too():
    doc = spacy.blank("en")(TEXT)
    doc.spans["entities"] = [Span(doc, 0, 1, label="Drug"), Span(doc, 1, 2, label="Strength")]
    assert [(m.id, m.label, m.score) for m in annotations_of(doc).mentions] == [
        ("T1", "Drug", 1.0),
        ("T2", "Strength", 1.0),
    ]


def test_new_mentions_drop_old_relations(doc):
    set_mentions(doc, [Span(doc, 0, 1, label="Drug", span_id="T1")], [0.5])
    assert doc._.relations == []


PLACES = [(20, 99), (-3, 2), (-9, -3), (4, 4), (0, 0), (5, 2)]


@pytest.mark.parametrize("scores", [[], [1.0], [1.0, 1.0, 1.0]])
def test_each_span_needs_a_score(doc, scores):
    spans = [Span(doc, 0, 1, label="Drug"), Span(doc, 1, 2, label="Strength")]
    with pytest.raises(ValueError, match=f"{len(scores)} scores for 2 spans"):
        set_mentions(doc, spans, scores)


def test_an_extension_of_the_same_name_is_not_replaced_without_a_word(caplog):
    before = Doc.remove_extension("relations")
    Doc.set_extension("relations", default=None)
    register_extensions()
    assert "Doc._.relations: clinical_ie replaces another extension of this name" in caplog.text
    assert Doc.get_extension("relations") == before


@pytest.mark.parametrize("fragments", [*((place,) for place in PLACES), ()])
def test_what_has_no_text_is_given_back(fragments):
    outside = Mention("T9", "Drug", fragments, comments=(("Note", "unsure"),))
    doc = spacy.blank("en")(TEXT)
    lost = annotate(doc, Annotations([outside, ANNOTATIONS.mentions[0]], [Link("x", "T9", "T1")]))
    assert lost == [outside]
    assert [m.id for m in annotations_of(doc).mentions] == ["T1"]
    assert "details" not in doc.spans["entities"].attrs
    assert doc._.relations == []


def test_ids_are_made_unique():
    assert unique_ids(["T1", "", "T1", "T2", "T2"]) == ["T1", "T2~2", "T1~2", "T2", "T2~3"]
    assert unique_ids(["a", "a~2", "a", "a"]) == ["a", "a~2", "a~3", "a~4"]


@pytest.mark.timeout(20)
def test_many_equal_ids():
    """To try all numbers for each of them would take minutes."""
    assert unique_ids(["a"] * 50_000)[-1] == "a~50000"


@given(st.text("ab. \n\u00e9"), st.data())
def test_a_mention_takes_the_tokens_that_it_touches(text, data):
    doc = NLP(text)
    pairs = list(combinations(range(len(text) + 1), 2))
    borders = data.draw(st.lists(st.sampled_from(pairs))) if pairs else []
    mentions = [Mention(f"T{i}", "X", (pair,)) for i, pair in enumerate(borders)]
    outside = Mention("T", "X", ((0, len(text) + 1),))
    *spans, lost = spans_of(doc, [*mentions, outside])
    assert lost is None
    for (start, end), span in zip(borders, spans, strict=True):
        touched = [token.i for token in doc if token.idx < end and token.idx + len(token) > start]
        if touched:
            assert [token.i for token in span] == touched
        else:
            assert text[start:end] == " " == span[-1].whitespace_
            assert len(span) == 1


def test_a_doc_with_nothing_but_ents_gives_those():
    doc = NLP(TEXT)
    doc.set_ents([Span(doc, 0, 1, label="Drug")])
    assert annotations_of(doc) == Annotations([Mention("T1", "Drug", ((0, 7),))])
    assert annotations_of(NLP(TEXT)) == Annotations()


def test_flat_mentions_have_no_white_space_at_their_ends():
    doc = NLP("dose:\n 10 mg\n\n daily")
    annotate(doc, Annotations([Mention("T1", "Dose", ((5, 13),)), Mention("T2", "X", ((12, 14),))]))
    assert [span.text for span in doc.spans["entities"]] == ["\n 10 mg\n\n ", "\n\n "]
    assert [(ent.text, ent.label_, ent.id_) for ent in doc.ents] == [("10 mg", "Dose", "T1")]


def test_the_ner_of_spacy_finds_its_way_to_flat_mentions():
    doc = NLP("dose:\n 10 mg daily")
    annotate(doc, Annotations([Mention("T1", "Dose", ((5, 13),))]))
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner")
    example = Example(NLP.make_doc(doc.text), doc)
    nlp.initialize(lambda: [example])
    assert len(ner.moves.get_oracle_sequence(example)) == len(doc)


def test_a_list_of_the_same_spans_keeps_what_is_known_of_them(doc):
    mentions = [
        ANNOTATIONS.mentions[0]._replace(attributes=(("Negated", ""),), score=0.5),
        *ANNOTATIONS.mentions[1:],
    ]
    annotate(doc, Annotations(mentions, ANNOTATIONS.links))
    for stored in (doc, Doc(doc.vocab).from_bytes(doc.to_bytes())):
        stored.spans["entities"] = list(stored.spans["entities"])[::-1]
        assert annotations_of(stored).mentions == mentions[::-1]
        assert [link.label for link in annotations_of(stored).links] == ["ADE-Drug", "Reason-Drug"]
        span = stored.spans["entities"][0]
        assert span._.fragments == mentions[-1].fragments
        assert stored.spans["entities"][-1]._.attributes == (("Negated", ""),)


def test_a_mention_that_moved_has_the_characters_of_its_tokens(doc):
    spans = list(doc.spans["entities"])
    doc.spans["entities"] = [*spans[:4], Span(doc, 2, 4, label="Finding", span_id="T5")]
    assert annotations_of(doc).mentions[4] == Mention("T5", "Finding", ((10, 19),))


def test_the_scores_of_spancat_are_read():
    doc = spacy.blank("en")(TEXT)
    spans = [Span(doc, 0, 1, label="Drug"), Span(doc, 1, 2, label="Strength")]
    doc.spans["entities"] = SpanGroup(doc, name="entities", spans=spans)
    doc.spans["entities"].attrs["scores"] = np.array([0.25, 0.75])
    assert [m.score for m in annotations_of(doc).mentions] == [0.25, 0.75]
    assert scored_mentions(doc)[1] == [0.25, 0.75]


def test_what_is_done_to_the_relations_is_done_to_the_doc(doc):
    relations = doc._.relations
    first = relations[0]
    relations.append(Relation(first.tail, first.head, "back"))
    assert [r.label for r in doc._.relations] == ["ADE-Drug", "Reason-Drug", "back"]
    del doc._.relations[0]
    doc._.relations += [first]
    assert [r.label for r in doc._.relations] == ["Reason-Drug", "back", "ADE-Drug"]
    doc._.relations.sort(key=lambda relation: relation.label)
    assert [r.label for r in doc._.relations] == ["ADE-Drug", "Reason-Drug", "back"]
    relations = doc._.relations
    with pytest.raises(ValueError, match="must be members"):
        relations.append(Relation(Span(doc, 0, 3, label="Drug"), first.tail, "x"))
    assert len(relations) == len(doc._.relations) == 3
    assert copy.copy(relations) == list(relations)


def test_what_cannot_be_done_to_the_relations_is_undone(doc):
    relations = doc._.relations
    first, other = relations[0], doc._.relations
    for wrong in ((first.head, first.tail, "x", 1.0), None):
        with pytest.raises(TypeError, match="is not a clinical_ie"):
            relations.append(wrong)
    relations *= 2
    assert len(relations) == len(doc._.relations) == 4
    # A list that was read before would take the others away again.
    with pytest.raises(ValueError, match="changed elsewhere"):
        other.append(first)
    assert len(other) == 2
    doc._.relations = []
    with pytest.raises(ValueError, match="changed elsewhere"):
        relations.pop()
    assert not doc._.relations
    relations = doc._.relations
    for n in (1, 2):
        relations.append(first)
        assert len(doc._.relations) == n


@pytest.mark.parametrize(
    ("head", "tail", "n"), [("T1", "T9", "no"), ("T2", "T1", "2"), ("", "T1", "no")]
)
def test_a_relation_of_an_id_that_names_no_mention_is_refused(doc, head, tail, n):
    mentions = [Mention("T1", "A", ((0, 3),)), Mention("T2", "B", ((4, 6),))]
    mentions.append(mentions[1]._replace(label="C"))
    before = annotations_of(doc)
    with pytest.raises(ValueError, match=f"R from {head} to {tail}: {n} mentions have the id"):
        annotate(doc, Annotations(mentions, [Link("R", head, tail)]))
    assert annotations_of(doc) == before
    # One that lies outside the text takes its relations along.
    lost = Mention("T3", "A", ((500, 503),))
    assert annotate(doc, Annotations([mentions[0], lost], [Link("R", "T1", "T3")])) == [lost]
    assert not doc._.relations


def test_a_part_of_a_doc_is_not_told_what_the_whole_is(doc):
    part = doc[2:].as_doc(copy_user_data=True)
    assert part._.relations == []
    assert doc_to_standoff(part) is None or "aspirin" not in str(doc_to_standoff(part))


def test_merged_docs_are_told_what_is_lost_and_no_text_is_shown(doc):
    with pytest.warns(UserWarning, match="W101") as warned:
        merged = Doc.from_docs([doc, doc])
    assert not any("# kept" in str(warning.message) for warning in warned)
    assert len(annotations_of(merged).mentions) == 2 * len(ANNOTATIONS.mentions)


def test_merged_tokens_leave_mentions_where_they_are(doc, tmp_path):
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    assert annotations_of(doc) == ANNOTATIONS
    assert [r.head.text for r in doc._.relations] == ["rash", "rash"]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1 : len(doc)])
    assert annotations_of(doc) == ANNOTATIONS
    assert scored_mentions(doc)[1] == [1.0, 0.25, 1.0, 1.0, 1.0]
    doc._.relations = [*doc._.relations]
    assert annotations_of(doc) == ANNOTATIONS
    write_docs([doc], tmp_path / "x.spacy")
    [stored] = read_docs(tmp_path / "x.spacy")
    assert annotations_of(stored) == ANNOTATIONS


def test_a_merge_and_a_split_that_make_up_for_each_other_leave_mentions_where_they_are(tmp_path):
    doc = NLP("severe pain when walking aspirin 20mg today")
    mentions = [Mention("T1", "Drug", ((25, 32),)), Mention("T2", "Date", ((38, 43),))]
    annotate(doc, Annotations(mentions))
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[4], ["2", "0"], heads=[doc[4], doc[4]])
    write_docs([doc], tmp_path / "x.spacy")
    [stored] = read_docs(tmp_path / "x.spacy")
    assert [span.text for span in stored.spans["entities"]] == ["aspirin", "today"]
    assert annotations_of(stored).mentions == mentions


def test_a_split_and_a_merge_of_its_parts_with_others_leave_offsets_and_score():
    doc = Doc(NLP.vocab, words=["took", "xmorphine", "daily"])
    mention = Mention("T1", "Drug", ((6, 14),), 0.75)
    annotate(doc, Annotations([mention]))
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[1], ["x", "morphine"], heads=[doc[0], doc[0]])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    assert annotations_of(doc).mentions == [mention]
    assert scored_mentions(doc)[1] == [0.75]


def test_a_merge_behind_the_last_mention_leaves_one_around_it_where_it_is(doc):
    annotate(doc, Annotations([Mention("T1", "A", ((0, 21),)), Mention("T2", "B", ((8, 10),))]))
    doc._.relations = [Relation(*doc.spans["entities"], "R")]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:5])
    assert doc._.relations[0].head.text == "aspirin 10mg caused a"


@pytest.mark.parametrize("assign", [False, True])
def test_a_token_that_a_mention_cuts_through_can_be_split(doc, assign, tmp_path):
    if assign:
        doc.spans["entities"] = list(doc.spans["entities"])
    cut = next(token for token in doc if token.idx <= 9 < token.idx + len(token))
    with doc.retokenize() as retokenizer:
        pieces = [cut.text[:1], cut.text[1:]]
        retokenizer.split(cut, pieces, heads=[cut, cut])
    assert annotations_of(doc) == ANNOTATIONS
    write_docs([doc], tmp_path / "x.spacy")
    [stored] = read_docs(tmp_path / "x.spacy")
    assert annotations_of(stored) == ANNOTATIONS


def test_relations_can_be_set_after_tokens_were_merged(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1 : len(doc)])
    doc._.relations.pop()
    assert [relation.label for relation in doc._.relations] == ["ADE-Drug"]


def test_new_ids_come_after_those_of_the_ann():
    doc = spacy.blank("en")("aspirin")
    doc._.standoff = Standoff.parse("T5\tDrug 0 7\taspirin\n")
    assert first_new_number(doc) == 6
