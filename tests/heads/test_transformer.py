"""The heads on top of the component of spacy-transformers."""

from pathlib import Path

import pytest
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed

from tests.conftest import examples, pipeline_config, update_like_spacy_train

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
SPANS = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 32, "stride": 24}


@pytest.fixture
def nlp(tiny_bert: Path, notes: list[Doc]) -> Language:
    fix_random_seed(0)
    config = pipeline_config(tiny_bert)
    config["nlp"]["pipeline"][0] = "transformer"
    del config["components"]["tok2vec"]
    for head in config["components"].values():
        head["model"]["tok2vec"] = dict(LISTENER)
    config["components"]["transformer"] = {
        "factory": "transformer",
        "model": {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(tiny_bert),
            "tokenizer_config": {"use_fast": True},
            "get_spans": SPANS,
        },
    }
    nlp = load_model_from_config(Config(config), auto_fill=True)
    nlp.initialize(lambda: examples(nlp, notes))
    return nlp


def test_they_learn_from_it(nlp: Language, notes: list[Doc]) -> None:
    batch, sgd = examples(nlp, notes), Adam(0.01)
    first = update_like_spacy_train(nlp, batch, sgd)
    for _ in range(30):
        last = update_like_spacy_train(nlp, batch, sgd)
    assert all(last[head] < first[head] / 2 for head in ("clinical_ner", "clinical_relations"))


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
def test_a_head_says_where_it_has_not_read_the_note(
    nlp: Language, notes: list[Doc], head: str
) -> None:
    """Otherwise its listener would return zeros, and the head would silently find nothing."""
    with pytest.raises(ValueError, match=f"{head}: .*`transformer`.* has not seen the Doc"):
        nlp.get_pipe(head)(nlp.make_doc(notes[0].text))
    assert not len(nlp.get_pipe(head)(nlp.make_doc("")))


def test_notes_without_a_token_are_read_and_learned_from_like_any(
    nlp: Language, notes: list[Doc]
) -> None:
    assert not any(doc.spans["entities"] for doc in nlp.pipe(["", ""]))
    empty = examples(nlp, [nlp.make_doc("")] * 2)
    sgd = Adam(0.01)
    losses = update_like_spacy_train(nlp, empty, sgd)
    assert (losses["clinical_ner"], losses["clinical_relations"]) == (0.0, 0.0)
    losses = update_like_spacy_train(nlp, [*empty, *examples(nlp, notes)], sgd)
    assert losses["clinical_ner"] > 0
