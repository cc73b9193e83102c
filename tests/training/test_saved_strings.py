import json
import shutil
from pathlib import Path

import pytest
import spacy

from clinical_ie.doc import annotations_of
from clinical_ie.training.saved_strings import forget_words


@pytest.fixture
def saved(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "saved"))


def strings_in(pipeline: Path) -> list[str]:
    return json.loads((pipeline / "vocab" / "strings.json").read_text("utf8"))


def test_a_pipeline_reads_as_before_without_the_words_of_its_notes(saved, learned, notes):
    words = {token.text for doc in notes for token in doc}
    assert forget_words(learned, saved)
    assert words & set(strings_in(learned))
    assert not words & set(strings_in(saved))
    assert "Reason-Drug" in strings_in(saved)
    texts = [doc.text for doc in notes]
    assert any(doc.spans["entities"] for doc in notes)
    before, after = (spacy.load(folder) for folder in (learned, saved))
    for old, new in zip(before.pipe(texts), after.pipe(texts), strict=True):
        assert annotations_of(old) == annotations_of(new)
        assert [(e.text, e.label_) for e in old.ents] == [(e.text, e.label_) for e in new.ents]
        assert [token.text for token in old] == [token.text for token in new]


def test_what_may_need_the_words_keeps_them_and_is_told(saved, caplog):
    nlp = spacy.load(saved)
    nlp.add_pipe("attribute_ruler", name="rules")
    nlp.to_disk(saved)
    before = strings_in(saved)
    assert not forget_words(saved)
    assert strings_in(saved) == before
    told = (
        "saved: vocab/strings.json keeps each word of the notes it was trained on, which rules may"
    )
    assert told in caplog.text


def test_words_that_have_vectors_stay(saved, caplog):
    nlp = spacy.load(saved)
    nlp.vocab.reset_vectors(width=2)
    nlp.vocab.set_vector("aspirin", [1.0, 0.0])
    nlp.to_disk(saved)
    assert not forget_words(saved)
    assert "aspirin" in strings_in(saved)
    assert "which the vectors of words may need" in caplog.text


@pytest.mark.parametrize("content", ["{}", "[]", '{"labels": 3}', "{not JSON"])
def test_what_is_no_pipeline_is_told(saved, content: str):
    (saved / "meta.json").write_text(content)
    with pytest.raises(ValueError, match=r"not a pipeline saved by spaCy|Expecting property name"):
        forget_words(saved)
