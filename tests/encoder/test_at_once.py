"""How many wordpieces go through the transformer at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language

from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder import reading
from clinical_ie.encoder.reading import pieces_at_once
from clinical_ie.encoder.shim import EncoderShim

SETTINGS = "components.tok2vec.model"
LONG = "He took aspirin 81 mg daily. " * 20


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """An item for each pass through a transformer: whether it is for training."""
    made: list[bool] = []
    read = EncoderShim.read

    def counted(shim: EncoderShim, inputs: Any, is_train: bool, recompute: bool) -> Any:
        made.append(is_train)
        return read(shim, inputs, is_train, recompute)

    monkeypatch.setattr(EncoderShim, "read", counted)
    return made


def encoder_of(nlp: Language) -> Any:
    return nlp.get_pipe("tok2vec").model.layers[0]


def test_it_is_chosen_when_loading(learned: Path, passes):
    used = []
    for pieces in (64, 1024):
        nlp = spacy.load(learned, config={f"{SETTINGS}.batch_pieces": pieces})
        encoder_of(nlp).predict([corpus_nlp()(LONG)])
        used.append(len(passes))
        passes.clear()
    assert used[0] > used[1] > 0


def test_a_window_is_no_longer_than_the_encoder_reads(learned: Path):
    with pytest.raises(ValueError, match=r"window = 4096: .* takes 8 to 64 wordpieces"):
        spacy.load(learned, config={f"{SETTINGS}.window": 4096})("x")


def test_a_cpu_reads_as_much_as_its_threads_can_use(monkeypatch):
    for threads, at_once in ((1, 1024), (2, 2048), (64, 4096)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert pieces_at_once(4096, torch.device("cpu")) == at_once
        # What memory allows is never exceeded, and a GPU takes all of it.
        assert pieces_at_once(256, torch.device("cpu")) == 256
        assert pieces_at_once(4096, torch.device("cuda")) == 4096


def test_a_note_is_learned_in_one_pass_where_it_is_read_in_several(
    learned: Path, passes, monkeypatch
):
    encoder = encoder_of(spacy.load(learned, config={f"{SETTINGS}.batch_pieces": 1024}))
    doc = corpus_nlp()(LONG)
    (together,) = encoder.predict([doc])
    monkeypatch.setattr(reading, "_PIECES_ON_CPU", 64 // torch.get_num_threads())
    (apart,) = encoder.predict([doc])
    encoder.begin_update([doc])
    # Of several passes, each would be computed twice.
    assert passes.count(True) == 1
    assert len(passes) > 3
    assert np.allclose(together, apart, atol=1e-5)
