from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from clinical_ie.corpora.docbin import write_docs
from clinical_ie.doc import annotate, annotations_of
from clinical_ie.ensemble import join
from clinical_ie.training.fingerprint import START, fingerprint
from clinical_ie.training.start import initialized_from, started_from
from tests.conftest import ROOT, note, run_script

CONFIG = ROOT / "configs" / "train" / "minilm.cfg"


@pytest.fixture
def same(notes, tmp_path: Path) -> Path:
    write_docs(notes, tmp_path / "same.spacy")
    return tmp_path / "same.spacy"


@pytest.fixture
def changed(notes, tmp_path: Path):
    """Writes the notes with other annotations."""

    def write(change) -> Path:
        docs = []
        for doc in notes:
            copy = doc.copy()
            annotate(copy, change(annotations_of(doc)))
            docs.append(copy)
        write_docs(docs, tmp_path / "changed.spacy")
        return tmp_path / "changed.spacy"

    return write


def started(notes: Path, pipeline: Path):
    paths = {"paths.train": str(notes), "paths.dev": str(notes)}
    config = load_config(CONFIG, overrides=paths, interpolate=False)
    return started_from(config, str(pipeline), [notes])[0]


def weights(nlp, name: str) -> list:
    model = nlp.get_pipe(name).model
    shims = [shim for layer in model.walk() for shim in layer.shims]
    arrays = [layer.get_param(key) for layer in model.walk() for key in layer.param_names]
    return arrays + [p.detach().numpy() for shim in shims for p in shim._model.parameters()]


def are_equal(one, other, name: str) -> bool:
    pairs = zip(weights(one, name), weights(other, name), strict=True)
    return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_a_training_starts_with_all_that_a_pipeline_has_learned(same, learned, tmp_path, caplog):
    trained, nlp = spacy.load(learned), init_nlp(started(same, learned))
    [message] = caplog.messages
    assert message.startswith("of the config, these have no effect, since they are those of")
    assert "tok2vec.model.window = 256 (there: 32)" in message
    for name in ("tok2vec", "clinical_ner", "clinical_relations"):
        assert are_equal(nlp, trained, name)
    # There are no weights in the folder that the config names.
    where = ["--train", same, "--dev", same, "--start", learned, "--max-steps", 5]
    result = run_script("train.py", CONFIG, tmp_path / "out", *where)
    assert result.exit_code == 0, result.stderr
    made = spacy.load(tmp_path / "out" / "model-best")
    assert made.meta["performance"]["mentions_strict_f"] > 0.9
    assert made.meta["performance"]["relations_strict_f"] > 0.9
    again = run_script("train.py", CONFIG, tmp_path / "out", *where)
    assert "is this very run, finished before" in again.stdout


def test_it_learns_as_its_config_says(same, learned, tmp_path: Path):
    paths = {"paths.train": str(same), "paths.dev": str(same)}
    settings = {"learn_rate_scale": 0.0, "freeze_embeddings": True, "mask_share": 0.3}
    dotted = {f"components.tok2vec.model.{name}": value for name, value in settings.items()}
    dotted["components.clinical_relations.predicted_share"] = 0.25
    config = load_config(CONFIG, overrides=paths | dotted, interpolate=False)
    values, learning = started_from(config, str(learned), [same])
    assert learning.items() >= dotted.items()
    nlp = initialized_from(values, str(learned), learning, tmp_path)
    for name in ("tok2vec", "clinical_ner", "clinical_relations"):
        assert are_equal(nlp, spacy.load(learned), name)
    [shim] = nlp.get_pipe("tok2vec").model.layers[0].shims
    assert (shim.learn_rate_scale, shim.freeze_embeddings) == (0.0, True)
    assert not shim._model.get_input_embeddings().weight.requires_grad
    assert nlp.get_pipe("clinical_relations").predicted_share == 0.25
    # What is saved says so, too, and the copy of the pipeline is gone.
    own = nlp.config["components"]["tok2vec"]["model"]
    assert own.items() >= settings.items()
    assert own["window"] == 32
    assert not list(tmp_path.glob(".*"))


def test_components_of_other_pipelines_stay_what_they_are(same, learned, tmp_path: Path):
    other = spacy.blank("en")
    other.add_pipe("entity_ruler", name="rules").add_patterns([{"label": "A", "pattern": "b"}])
    other.to_disk(tmp_path / "other")
    paths = {"paths.train": str(same), "paths.dev": str(same)}
    config = load_config(CONFIG, overrides=paths, interpolate=False)
    config["components"]["rules"] = {"source": str(tmp_path / "other")}
    config["nlp"]["pipeline"] = ["rules", *config["nlp"]["pipeline"]]
    values, learning = started_from(config, str(learned), [same])
    nlp = initialized_from(values, str(learned), learning, tmp_path)
    assert nlp.get_pipe("rules").patterns == [{"label": "A", "pattern": "b"}]
    assert are_equal(nlp, spacy.load(learned), "tok2vec")


def test_a_run_from_an_installed_pipeline_depends_on_its_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "en_installed" / "en_installed-1.0").mkdir(parents=True)
    (tmp_path / "en_installed" / "__init__.py").touch()
    weights = tmp_path / "en_installed" / "en_installed-1.0" / "model"
    weights.write_bytes(b"before")
    before = fingerprint(CONFIG, {START: "en_installed"})
    assert fingerprint(CONFIG, {START: "en_installed"}) == before
    weights.write_bytes(b"after")
    assert fingerprint(CONFIG, {START: "en_installed"}) != before


def test_a_head_starts_anew_if_a_label_is_unknown(changed, learned, caplog):
    def rename(found):
        found.mentions = [
            mention._replace(label={"Drug": "Device"}.get(mention.label, mention.label))
            for mention in found.mentions
        ]
        return found

    nlp = init_nlp(started(changed(rename), learned))
    assert are_equal(nlp, spacy.load(learned), "tok2vec")
    assert set(nlp.get_pipe("clinical_ner").labels) >= {"Device"}
    assert ["Strength", "Device"] in nlp.get_pipe("clinical_relations").cfg["type_pairs"]
    ner, relations, _ = caplog.messages
    assert ner.startswith("clinical_ner: trained from the beginning, on the encoder of")
    assert ner.endswith("does not know Device")
    assert "Strength-Drug (Strength, Device)" in relations


def test_fewer_labels_are_no_reason_to_start_anew(changed, learned, caplog):
    def only_drugs(found):
        found.mentions = [mention for mention in found.mentions if mention.label == "Drug"]
        found.links = []
        return found

    nlp = init_nlp(started(changed(only_drugs), learned))
    [message] = caplog.messages
    assert message.startswith("of the config")
    assert set(nlp.get_pipe("clinical_ner").labels) > {"Drug"}
    assert are_equal(nlp, spacy.load(learned), "clinical_ner")


def test_the_share_of_candidates_is_that_of_the_new_notes(notes, learned, tmp_path: Path):
    """The head that goes on learning knows that of the notes it was trained on before."""
    far = note(
        f"Aspirin, {'as the patient said, ' * 20}81 mg.",
        ("Drug", "Aspirin"),
        ("Strength", "81 mg"),
        links=(("Strength-Drug", 1, 0),),
    )
    write_docs([*notes, far], tmp_path / "more.spacy")
    where = ["--train", tmp_path / "more.spacy", "--dev", tmp_path / "more.spacy"]
    steps = ["--start", learned, "--max-steps", 1]
    result = run_script("train.py", CONFIG, tmp_path / "out", *where, *steps)
    assert result.exit_code == 0, result.stderr
    assert "83.3% of the training relations are candidates" in result.stdout


def test_a_pipeline_without_one_shared_encoder_is_refused(same, learned, tmp_path: Path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "other")
    where = ["--train", same, "--dev", same, "--max-steps", 2]
    result = run_script("train.py", CONFIG, tmp_path / "out", *where, "--start", tmp_path / "other")
    assert result.exit_code == 1
    assert "both it and the config need a component tok2vec" in result.stderr
    assert "has sentencizer" in result.stderr
    join({name: spacy.load(learned) for name in "ab"}).to_disk(tmp_path / "joined")
    result = run_script(
        "train.py", CONFIG, tmp_path / "out", *where, "--start", tmp_path / "joined"
    )
    assert result.exit_code == 1
    assert "is an ensemble: start from one of its members" in result.stderr
    for both in ([], ["--start", "x", "--encoder", "y"]):
        result = run_script("train.py", CONFIG, tmp_path / "out", *where, *both)
        assert (result.exit_code, result.stderr) == (1, "train: give either --encoder or --start\n")
