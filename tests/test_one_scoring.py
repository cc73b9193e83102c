"""The same data gets the same numbers wherever it is scored."""

import json
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

from clinical_ie.__main__ import app
from clinical_ie.annotate import BratWriter
from clinical_ie.doc import Annotations, annotate
from clinical_ie.scoring.evaluation import evaluate

from .conftest import examples


@pytest.mark.parametrize("protocol", ["one-to-one", "n2c2-2018"])
def test_training_evaluation_and_two_folders_agree(learned, notes, tmp_path: Path, protocol):
    # The pipeline has memorized the notes, so there is something to score on any machine.
    nlp = spacy.load(learned)
    docs = [doc.copy() for doc in notes]
    for number, doc in enumerate(docs):
        doc._.note_id = str(number)
    # Without annotations, every prediction in this note is wrong.
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
    # The scores that `spacy train` prints at each evaluation.
    of_spacy = nlp.evaluate(examples(nlp, docs))
    for prefix, task in (("mentions", "entities"), ("relations", "relations")):
        for mode in ("strict", "lenient"):
            micro = scores[task][mode]["micro"]
            for letter, name in (("p", "precision"), ("r", "recall"), ("f", "f1")):
                assert of_spacy[f"{prefix}_{mode}_{letter}"] == micro[name]
