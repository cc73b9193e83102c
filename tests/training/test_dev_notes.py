import re

import spacy
from spacy.language import Language
from spacy.training import Example

from clinical_ie.doc import scored_mentions
from clinical_ie.terminal import progress
from clinical_ie.training.dev_notes import DevNotes, scores_on


def test_an_evaluation_tells_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    nlp = spacy.blank("en")
    notes = DevNotes(
        lambda nlp: (Example(nlp.make_doc(text), nlp.make_doc(text)) for text in ("Anna.", "Omar."))
    )
    with notes.shown(nlp):
        scores = nlp.evaluate(notes(nlp))
    told = capsys.readouterr().err
    assert re.findall(r"evaluate: \d of \d", told) == [f"evaluate: {n} of 2" for n in (0, 1, 2)]
    # The pipeline is unchanged afterwards.
    assert "pipe" not in vars(nlp)
    assert nlp.evaluate(notes(nlp))["token_acc"] == scores["token_acc"] == 1.0
    assert "evaluate" not in capsys.readouterr().err


def test_a_pipeline_that_only_relates_is_scored_on_the_gold_mentions(notes):
    """No component of it finds any."""
    seen = []

    @Language.component("look")
    def look(doc):
        seen.append([mention.text for mention in scored_mentions(doc)[0]])
        return doc

    expected = [[mention.text for mention in scored_mentions(doc)[0]] for doc in notes]
    related = spacy.blank("en")
    related.add_pipe("look")
    reader = DevNotes(lambda nlp: [Example(nlp.make_doc(doc.text), doc) for doc in notes])
    related.evaluate(reader(related))
    scores_on(notes, related, lambda: None)
    assert seen == expected * 2
    # One that finds mentions gets none.
    related.add_pipe("entity_ruler").add_patterns([{"label": "Drug", "pattern": "no such word"}])
    seen.clear()
    related.evaluate(reader(related))
    scores_on(notes, related, lambda: None)
    assert not any(seen)


def test_dev_notes_without_an_annotation_are_told_once(notes, caplog):
    nlp = spacy.blank("en")
    for docs, n_told in ((notes, 0), ([nlp("No pain.")], 1)):
        reader = DevNotes(lambda nlp, docs=docs: [Example(nlp.make_doc(d.text), d) for d in docs])
        reader(nlp)
        reader(nlp)
        told = [
            message for message in caplog.messages if "no dev note has an annotation" in message
        ]
        assert len(told) == n_told


def test_dev_notes_that_are_learned_from_are_told_once(notes, caplog):
    nlp = spacy.blank("en")
    notes[1]._.note_id = "the\x1bsecond"
    others = ["Nothing of this is in dev.", "", f"  {notes[1].text}\n"]
    learned = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in others]
    docs = [*notes, nlp.make_doc("")]
    for known, n_told in ((learned[:2], 0), (learned, 1)):
        reader = DevNotes(lambda nlp: [Example(nlp.make_doc(d.text), d) for d in docs], known)
        reader(nlp)
        reader(nlp)
        told = [message for message in caplog.messages if "word for word" in message]
        assert len(told) == n_told
    assert f"1 of the {len(docs)} dev notes" in told[0]
    assert "(the\\x1bsecond)" in told[0]
