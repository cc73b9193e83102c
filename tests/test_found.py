"""Components of spaCy beside this project's, in one pipeline."""

import pickle

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span

from clinical_ie import found
from clinical_ie.annotate.texts import run_texts
from clinical_ie.doc import Annotations, Mention, annotate, annotations_of
from clinical_ie.rules import new_mentions

RULES = [{"label": "How_often", "pattern": "daily"}, {"label": "Drug", "pattern": "aspirin"}]


@pytest.fixture
def nlp(learned) -> Language:
    found._tell.cache_clear()
    return spacy.load(learned)


def test_mentions_in_the_flat_view_alone_are_told_once(nlp, notes, caplog):
    text = notes[0].text
    plain = run_texts(nlp, [text])
    nlp.add_pipe("entity_ruler").add_patterns(RULES)
    assert "How_often" in {ent.label_ for ent in nlp(text).ents}
    assert run_texts(nlp, [text, text]) == plain * 2
    [message] = caplog.messages
    assert "'How_often' to doc.ents alone" in message


def test_the_remedy_that_is_named(nlp, notes, caplog):
    settings = {
        "spans_key": "entities",
        "spans_filter": {"@misc": "clinical_ie.new_mentions.v1"},
        "overwrite": False,
        "annotate_ents": True,
        "ents_filter": {"@misc": "spacy.prioritize_existing_ents_filter.v1"},
    }
    plain = annotations_of(nlp(notes[0].text))
    rules = nlp.add_pipe("span_ruler", before="clinical_relations", config=settings)
    # The head finds aspirin, too.
    rules.add_patterns([*RULES, {"label": "Drug", "pattern": "took aspirin"}])
    doc = nlp(notes[0].text)
    more = found.found_in(doc)
    assert not caplog.messages
    assert [m.label for m in more.mentions if m not in plain.mentions] == ["How_often"]
    assert {link[:3] for link in plain.links} <= {link[:3] for link in more.links}
    assert sorted((ent.text, ent.label_) for ent in doc.ents) == sorted(
        (span.text, span.label_) for span in doc.spans["entities"]
    )


def test_of_matches_that_overlap_the_longest_is_new():
    doc = spacy.blank("en")("severe chest pain and pain in a leg")
    places = [("A", 0, 2), ("A", 1, 3), ("A", 0, 3), ("B", 1, 2), ("A", 4, 5), ("A", 3, 6)]
    matches = [Span(doc, start, end, label=label) for label, start, end in places]
    assert [(span.label_, span.text) for span in new_mentions([], set(matches))] == [
        ("A", "severe chest pain"),
        ("B", "chest"),
        ("A", "and pain in"),
    ]
    kept = new_mentions([Span(doc, 2, 3, label="A")], matches)
    assert [(span.label_, span.text) for span in kept] == [
        ("A", "severe chest"),
        ("B", "chest"),
        ("A", "and pain in"),
    ]


def test_a_mention_that_is_not_whole_tokens_is_in_the_flat_view(nlp, caplog):
    doc = nlp.make_doc("pain \n gone by")
    # With white space at its end, within a token, and only the blank between two.
    places = [(0, 6), (8, 10), (11, 12)]
    mentions = [Mention(f"T{at}", "AB"[at % 2], (place,)) for at, place in enumerate(places)]
    annotate(doc, Annotations(mentions))
    assert len(doc.ents) == 2
    assert found.found_in(doc).mentions == mentions
    assert not caplog.messages


def test_a_note_without_mentions_has_a_group_even_without_the_entity_head(nlp):
    nlp.disable_pipe("clinical_ner")
    nlp.add_pipe("entity_ruler", before="clinical_relations").add_patterns(RULES)
    for text, n in (("He took aspirin.", 1), ("No drug.", 0), ("", 0)):
        assert len(nlp(text).spans["entities"]) == len(nlp(text).ents) == n


def test_merged_tokens_are_written_anew_by_the_remedy_that_is_named(nlp, notes):
    plain = annotations_of(nlp(notes[0].text))
    nlp.add_pipe("merge_entities")
    doc = nlp(notes[0].text)
    with pytest.raises(IndexError, match="E035"):
        doc.to_bytes()
    annotate(doc, annotations_of(doc))
    assert annotations_of(pickle.loads(pickle.dumps(doc))) == plain
