"""What a checkpoint gives back to a pipeline of any layers, not only of PyTorch's."""

import random
import signal
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, Optimizer, fix_random_seed

from clinical_ie.training.checkpoint import Checkpoint
from tests.conftest import examples, note, pipeline_config, update_like_spacy_train


def begun(notes: list[Doc], seed: int, averages: bool) -> tuple[Language, Optimizer]:
    """A head on spaCy's own encoder, and an optimizer that may keep averages."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    # A component without a model.
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("clinical_ner")
    nlp.initialize(lambda: examples(nlp, notes))
    return nlp, Adam(0.01, use_averages=averages)


def after_a_step(nlp: Language, optimizer: Optimizer, notes: list[Doc]) -> tuple[object, ...]:
    """The weights after one more step, those that would be saved, and the next random numbers."""
    nlp.update(examples(nlp, notes), sgd=optimizer, drop=0.2)
    with nlp.use_params(optimizer.averages or {}):
        averaged = nlp.to_bytes()
    return nlp.to_bytes(), averaged, random.random(), np.random.normal(), float(torch.rand(1))


@pytest.mark.parametrize("averages", [True, False])
def test_the_next_step_is_the_same(notes: list[Doc], tmp_path: Path, averages: bool) -> None:
    nlp, optimizer = begun(notes, 0, averages)
    for _ in range(3):
        # An odd number of normal numbers: NumPy keeps the second of each pair for later.
        after_a_step(nlp, optimizer, notes)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    assert checkpoint.read() is None
    checkpoint.save(nlp, optimizer, {"step": 3})
    expected = after_a_step(nlp, optimizer, notes)
    found = checkpoint.read()
    assert found is not None
    assert found["progress"] == {"step": 3}
    nlp, optimizer = begun(notes, 1, averages)
    checkpoint.restore(found, nlp, optimizer)
    assert after_a_step(nlp, optimizer, notes) == expected
    assert list(tmp_path.iterdir()) == [checkpoint.path]


def test_ctrl_c_does_not_spoil_a_checkpoint(
    notes: list[Doc], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp, optimizer = begun(notes, 0, False)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    save = torch.save

    def interrupted(state: object, file: IO[bytes]) -> None:
        signal.raise_signal(signal.SIGINT)
        save(state, file)

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(nlp, optimizer, {"step": 3})
    assert list(tmp_path.iterdir()) == [checkpoint.path]
    assert checkpoint.read() is not None


def test_a_next_batch_without_candidates_is_the_same(
    tiny_bert: Path, notes: list[Doc], tmp_path: Path
) -> None:
    config = pipeline_config(tiny_bert, learn_rate_scale=0.5)
    nothing = [note("He was seen in May and went home.")]

    def begun_again() -> tuple[Language, Optimizer]:
        nlp = load_model_from_config(Config(config), auto_fill=True)
        nlp.initialize(lambda: examples(nlp, notes))
        return nlp, Adam(0.01)

    nlp, optimizer = begun_again()
    update_like_spacy_train(nlp, examples(nlp, notes), optimizer)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    checkpoint.save(nlp, optimizer, {})
    before = nlp.get_pipe("clinical_relations").model.to_bytes()
    update_like_spacy_train(nlp, examples(nlp, nothing), optimizer)
    # Its momentum moves on.
    assert nlp.get_pipe("clinical_relations").model.to_bytes() != before
    other, of_other = begun_again()
    found = checkpoint.read()
    assert found is not None
    checkpoint.restore(found, other, of_other)
    update_like_spacy_train(other, examples(other, nothing), of_other)
    assert other.to_bytes() == nlp.to_bytes()
