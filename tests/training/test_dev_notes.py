import re

import spacy
from spacy.training import Example

from clinical_ie.terminal import progress
from clinical_ie.training.dev_notes import DevNotes


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
