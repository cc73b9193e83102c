"""Which notes a pipeline is scored on."""

from pathlib import Path

import pytest

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
