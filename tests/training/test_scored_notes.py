"""Which notes a pipeline is scored on."""

from pathlib import Path

import pytest
import spacy

from clinical_ie.corpora.docbin import write_docs
from clinical_ie.training.scored_notes import notes_to_score


def test_dev_stands_in_where_there_is_no_test_note(notes, tmp_path: Path):
    test, dev, none = (tmp_path / f"{name}.spacy" for name in ("test", "dev", "none"))
    write_docs(notes[:1], test)
    write_docs(notes, dev)
    write_docs([], none)
    for gold, fallback, expected, n_notes in [
        (test, dev, test, 1),
        (none, dev, dev, 4),
        (tmp_path / "missing.spacy", dev, dev, 4),
    ]:
        path, docs = notes_to_score(gold, fallback)
        assert (path, len(docs)) == (expected, n_notes)
    for gold, fallback in [(none, None), (none, none)]:
        with pytest.raises(FileNotFoundError, match=r"none\.spacy: no notes to score on"):
            notes_to_score(gold, fallback)


def test_that_there_is_nothing_to_score_against_is_told(notes, tmp_path: Path, caplog):
    gold = tmp_path / "test.spacy"
    write_docs(notes[:1], gold)
    notes_to_score(gold, None)
    assert not caplog.messages
    write_docs([spacy.blank("en")("No pain."), spacy.blank("en")("")], gold)
    notes_to_score(gold, None)
    assert caplog.messages == [
        f"{gold}: no note has an annotation: there is nothing to score against"
    ]
