"""The same data gets the same numbers wherever it is scored."""

import json
from pathlib import Path

import pytest
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed
from typer.testing import CliRunner

from clinical_ie.__main__ import app
from clinical_ie.annotate import BratWriter
from clinical_ie.doc import Annotations, annotate
from clinical_ie.scoring.evaluation import evaluate

from .conftest import examples, pipeline_config, update_like_spacy_train


@pytest.mark.parametrize("protocol", ["one-to-one", "n2c2-2018"])
def test_training_evaluation_and_two_folders_agree(tiny_bert, notes, tmp_path: Path, protocol):
    fix_random_seed(0)
    nlp = load_model_from_config(
        Config(pipeline_config(tiny_bert, learn_rate_scale=0.5)), auto_fill=True
    )
    nlp.initialize(lambda: examples(nlp, notes))
    optimizer = Adam(0.01)
    # Learned by heart, so that there is something to score, whatever the machine's arithmetic.
    for _ in range(80):
        update_like_spacy_train(nlp, examples(nlp, notes), optimizer)
    docs = [doc.copy() for doc in notes]
    for number, doc in enumerate(docs):
        doc._.note_id = str(number)
    # What the pipeline finds in this one is wrong, since nothing is annotated there any more.
    annotate(docs[0], Annotations())
    found = evaluate(nlp, docs)
    for side, annotations in (("gold", found.gold), ("predicted", found.predicted)):
        with BratWriter(tmp_path / side) as writer:
            for name, of_note in annotations.items():
                writer.write(name, found.texts[name], of_note)
    folders = [str(tmp_path / side) for side in ("gold", "predicted")]
    result = CliRunner().invoke(app, ["score", *folders, "--protocol", protocol, "--json"])
    assert result.exit_code == 0
    scores = json.loads(result.stdout)
    counts = found.note_counts("end-to-end", protocol)
    for task in ("entities", "relations"):
        for mode in ("strict", "lenient"):
            total = [
                sum(getattr(c, name) for note in counts.values() for c in note[task][mode].values())
                for name in ("tp", "fp", "fn")
            ]
            micro = scores[task][mode]["micro"]
            assert [micro[name] for name in ("tp", "fp", "fn")] == total
    found_micro = scores["entities"]["strict"]["micro"]
    assert found_micro["fp"] > 0, "nothing wrong was predicted"
    assert found_micro["tp"] > 0, "nothing right was predicted"
    if protocol != "one-to-one":
        return
    assert scores["entities"] == found.scores["entities"]
    assert scores["relations"] == found.scores["relations"]
    # What `spacy train` prints at each evaluation.
    of_spacy = nlp.evaluate(examples(nlp, docs))
    for prefix, task in (("mentions", "entities"), ("relations", "relations")):
        for mode in ("strict", "lenient"):
            micro = scores[task][mode]["micro"]
            for letter, name in (("p", "precision"), ("r", "recall"), ("f", "f1")):
                assert of_spacy[f"{prefix}_{mode}_{letter}"] == micro[name]
