"""A tiny encoder, corpus and pipeline, made in seconds, to check that a benchmark runs."""

import sys
from pathlib import Path

from spacy.tokens import DocBin
from spacy.util import load_model_from_config
from thinc.api import Adam, Config

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conftest import (
    build_tiny_bert,
    examples,
    pipeline_config,
    small_notes,
    update_like_spacy_train,
)

# For configs of the project's default size.
TINY_SETTINGS = {
    "components.tok2vec.model.width": 16,
    "components.tok2vec.model.window": 64,
    "components.tok2vec.model.context": 8,
}
_NOTES = small_notes()
TEXTS = [doc.text for doc in _NOTES]


def tiny_encoder(folder: Path) -> Path:
    """Save a BERT of two layers and 16 units."""
    return build_tiny_bert(folder / "tiny-bert", max_pieces=64)


def tiny_corpus(folder: Path) -> Path:
    """Save train, dev and test `.spacy` files with two notes each."""
    for number, doc in enumerate(_NOTES):
        doc._.note_id = str(number)
    for split in ("train", "dev", "test"):
        DocBin(docs=_NOTES, store_user_data=True).to_disk(folder / f"{split}.spacy")
    return folder


def tiny_pipeline(folder: Path) -> str:
    """Train a pipeline for a moment, and save it."""
    config = Config(pipeline_config(tiny_encoder(folder), learn_rate_scale=0.5))
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples(nlp, _NOTES))
    optimizer = Adam(0.01)
    for _ in range(20):
        update_like_spacy_train(nlp, examples(nlp, _NOTES), optimizer)
    nlp.to_disk(folder / "pipeline")
    return str(folder / "pipeline")
