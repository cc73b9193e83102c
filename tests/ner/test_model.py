"""The entity head's own layers."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed

from clinical_ie.ner import model as ner_model
from tests.conftest import examples


@pytest.fixture
def labeler(notes: list[Doc]) -> Model:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    head = nlp.add_pipe("clinical_ner")
    nlp.initialize(lambda: examples(nlp, notes))
    return head.model


@contextmanager
def widths(labeler: Model) -> Iterator[list[int]]:
    """How many tokens the hidden layer is given at once."""
    given: list[int] = []
    hidden = labeler.shims[0]._model.hidden
    hook = hidden.register_forward_pre_hook(lambda _, inputs: given.append(len(inputs[0])))
    yield given
    hook.remove()


def test_a_long_note_is_scored_in_parts_unless_it_is_learned_from(labeler, monkeypatch):
    doc = Doc(spacy.blank("en").vocab, words=[str(number) for number in range(50)])
    [whole] = labeler.predict([doc])
    monkeypatch.setattr(ner_model, "TOKENS_AT_ONCE", 16)
    with widths(labeler) as given:
        [in_parts] = labeler.predict([doc])
    assert max(given) <= 16
    np.testing.assert_allclose(in_parts, whole, atol=1e-5)
    # Dropout in training would otherwise be drawn once for each part.
    with widths(labeler) as given:
        labeler.begin_update([doc])
    assert given == [50]


def test_dropout_is_for_learning_only(labeler, notes):
    labeler.attrs["dropout_rate"] = 0.5
    first, second = (labeler.begin_update(notes[:1])[0][0] for _ in range(2))
    assert not np.allclose(first, second)
    first, second = (labeler.predict(notes[:1])[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_before_it_has_learned_anything_it_finds_nothing(labeler, notes):
    assert max(scores.max() for scores in labeler.predict(notes)) < 0
