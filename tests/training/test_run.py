import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import spacy
import torch
from spacy.cli.train import train as spacy_train
from spacy.training import Example
from spacy.util import load_config, load_model_from_config

from clinical_ie.corpora import reader
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.system import gpu
from clinical_ie.terminal import progress
from clinical_ie.training import fingerprint, run
from clinical_ie.training.fingerprint import is_trained
from tests.conftest import ROOT, build_tiny_bert, run_script
from tests.dependencies import PIPELINE_GROUPS, modules_of

CONFIG = ROOT / "configs" / "train" / "minilm.cfg"


@pytest.fixture(scope="module")
def files(tmp_path_factory, notes) -> Path:
    folder = tmp_path_factory.mktemp("training")
    write_docs(notes, folder / "notes.spacy")
    build_tiny_bert(folder / "encoder", max_pieces=256)
    return folder


def train(files: Path, config: Path, out: Path, *steps: object):
    notes = files / "notes.spacy"
    steps = steps or ["--max-steps", 2, "--eval-frequency", 1]
    where = ["--train", notes, "--dev", notes, "--encoder", files / "encoder"]
    return run_script("train.py", config, out, *where, *steps)


def saved_strings(pipeline: Path) -> list[str]:
    return json.loads((pipeline / "vocab" / "strings.json").read_text("utf8"))


def test_a_run_leaves_its_pipelines_and_log_and_replaces_an_older_one(files, tmp_path: Path):
    out = tmp_path / "seed-0"
    (out / "model-best" / "stale").mkdir(parents=True)
    result = train(files, CONFIG, out)
    assert result.exit_code == 0, result.stderr
    made = {"model-best", "model-last", "log.jsonl", "fingerprint.json"}
    assert {path.name for path in out.iterdir()} == made
    assert {path.name for path in tmp_path.iterdir()} == {"seed-0"}
    assert "100.0% of the training relations are candidates" in result.stdout
    assert "chosen on dev: mention bias" in result.stdout
    told = json.loads((out / "model-best" / "meta.json").read_text("utf8"))["clinical_ie"]
    assert told["candidate_ceiling"] == 1.0
    assert not (out / "model-best" / "stale").exists()
    docs = read_docs(files / "notes.spacy")
    labels = {mention.label_ for doc in docs for mention in doc.spans["entities"]}
    labels |= {relation.label for doc in docs for relation in doc._.relations}
    for name in ("model-best", "model-last"):
        assert saved_strings(out / name) == sorted(labels)
        assert load_config(out / name / "config.cfg")["paths"]["log"] is None

    # weasel repeats the command after training on another dataset or seed.
    made = out.stat().st_ino
    again = train(files, CONFIG, out)
    assert (again.exit_code, again.stderr) == (0, "")
    assert "is this very run, finished before" in again.stdout
    assert out.stat().st_ino == made


def test_the_last_step_is_evaluated_at_any_frequency(files, tmp_path: Path):
    # 100, the least that there is by default, is never reached.
    for at, steps in ((3, ["--eval-frequency", 2]), (2, [])):
        result = train(files, CONFIG, tmp_path / str(at), "--max-steps", at, *steps)
        assert result.exit_code == 0, result.stderr
        log = (tmp_path / str(at) / "log.jsonl").read_text("utf8").splitlines()
        assert [json.loads(line)["step"] for line in log] == [0, 2, 3][:at]


def test_the_training_notes_are_read_once(files, tmp_path: Path, monkeypatch):
    read = []

    def counted(path, vocab):
        read.append(path.name)
        return read_docs(path, vocab)

    monkeypatch.setattr(reader, "read_docs", counted)
    dev = tmp_path / "dev.spacy"
    shutil.copy(files / "notes.spacy", dev)
    values = run.run_values(CONFIG, files / "notes.spacy", dev, str(files / "encoder"), "2", "1")
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert read == ["notes.spacy", *["dev.spacy"] * 3]


def test_calibration_tells_how_far_it_is(files, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    result = train(files, CONFIG, tmp_path / "out")
    told = [int(number) for number in re.findall(r"calibrate: (\d+) of 40", result.stderr)]
    assert told == list(range(1, 41))


def test_a_saved_pipeline_says_what_it_reaches_and_can_be_trained_on(
    files, tmp_path: Path, monkeypatch
):
    calibrate = run.calibrate_pipeline

    def after_another_score(nlp, *args):
        nlp.meta["performance"]["mentions_strict_f"] = 0.987
        return calibrate(nlp, *args)

    monkeypatch.setattr(run, "calibrate_pipeline", after_another_score)
    assert train(files, CONFIG, tmp_path / "out").exit_code == 0
    nlp = spacy.load(tmp_path / "out" / "model-best")
    notes = [Example(nlp.make_doc(doc.text), doc) for doc in read_docs(files / "notes.spacy")]
    scores = nlp.evaluate(notes)
    told = nlp.meta["performance"]
    for task in ("mentions", "relations"):
        assert told[f"{task}_strict_f"] == pytest.approx(scores[f"{task}_strict_f"])
    assert nlp.config["paths"]["log"] is None
    sgd = nlp.resume_training()
    nlp.update(notes, sgd=sgd)


def test_what_spacy_itself_trained_can_be_trained_on(files, tmp_path: Path):
    notes = str(files / "notes.spacy")
    steps = {"training.max_steps": 1, "training.eval_frequency": 1}
    overrides = {"paths.train": notes, "paths.dev": notes} | steps
    overrides["paths.encoder"] = str(files / "encoder")
    spacy_train(CONFIG, tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-best")
    assert nlp.config["training"]["optimizer"]["learn_rate"]["total_steps"] == 1
    nlp.resume_training()
    # Values that refer to others remain references.
    assert nlp.config["training"]["seed"] == "${system.seed}"


def test_a_pipeline_of_a_config_is_initialized_without_a_training_run(files):
    """`spacy debug data` and `spacy debug model` do this."""
    config = load_config(CONFIG, {"paths.encoder": str(files / "encoder"), "training.max_steps": 7})
    nlp = load_model_from_config(config, auto_fill=True)
    notes = [Example(nlp.make_doc(doc.text), doc) for doc in read_docs(files / "notes.spacy")]
    sgd = nlp.initialize(lambda: notes)
    nlp.update(notes, sgd=sgd)
    assert nlp.config["training"]["optimizer"]["learn_rate"]["total_steps"] == 7


def test_a_pipeline_of_relations_alone_is_trained(files, tmp_path: Path, caplog):
    config = load_config(CONFIG)
    config["nlp"]["pipeline"] = ["tok2vec", "clinical_relations"]
    del config["components"]["clinical_ner"]
    config.to_disk(tmp_path / "relations.cfg")
    result = train(files, tmp_path / "relations.cfg", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    # Nothing predicts mentions there.
    assert re.search(
        r"chosen on dev: relation threshold 0\.\d\d on given mentions$", result.stdout, re.M
    )
    message = "training.score_weights.mentions_strict_f counts nothing: this pipeline has no such"
    assert message in caplog.text
    assert "relations_strict_f counts" not in caplog.text


def test_a_run_without_its_pipeline_is_none(files, tmp_path: Path):
    assert train(files, CONFIG, tmp_path / "out").exit_code == 0
    values = {"paths.train": str(files / "notes.spacy")}
    stamp = tmp_path / "out" / "fingerprint.json"
    made_from = fingerprint.fingerprint(CONFIG, values)
    stamp.write_text(json.dumps(fingerprint.stamp_of(tmp_path / "out", made_from)))
    assert is_trained(CONFIG, tmp_path / "out", values)
    shutil.rmtree(tmp_path / "out" / "model-best")
    assert not is_trained(CONFIG, tmp_path / "out", values)


@pytest.mark.parametrize("at", ["out", "out.part", "."])
def test_what_no_run_has_made_is_not_replaced(files, tmp_path: Path, at, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / at / "other" / "thesis.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("precious")
    result = train(files, CONFIG, Path(at.removesuffix(".part")))
    assert result.exit_code == 1
    assert "holds 'other', which was not made by a training run" in result.stderr
    assert kept.read_text() == "precious"
    result = train(files, CONFIG, kept)
    assert result.exit_code == 1
    assert "thesis.txt is a file; name a folder" in result.stderr


@pytest.mark.filterwarnings("ignore:invalid value encountered", "ignore:overflow encountered")
def test_a_training_that_diverges_is_told_in_one_line(files, tmp_path: Path):
    config = tmp_path / "steep.cfg"
    config.write_text(CONFIG.read_text().replace("initial_rate = 0.002", "initial_rate = 1e30"))
    result = train(files, config, tmp_path / "out", "--max-steps", 50, "--eval-frequency", 3)
    assert result.exit_code == 1, result.exception
    assert "is no longer a number: lower initial_rate" in result.stderr.splitlines()[-1]


def test_a_file_without_notes_is_told(files, tmp_path: Path):
    write_docs([], tmp_path / "empty.spacy")
    where = ["--train", tmp_path / "empty.spacy", "--dev", files / "notes.spacy"]
    result = run_script(
        "train.py", CONFIG, tmp_path / "out", *where, "--encoder", files / "encoder"
    )
    assert result.exit_code == 1
    assert "empty.spacy holds no notes" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_notes_in_no_batch_are_told(files, tmp_path: Path, caplog):
    config = tmp_path / "some.cfg"
    text = CONFIG.read_text().replace(
        "size = 700\ndiscard_oversize = false", "size = 8\ndiscard_oversize = true"
    )
    config.write_text(text.replace("dropout = 0.1", "dropout = 0"))
    result = train(files, config, tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "training notes are in no batch, and not learned from" in caplog.text


def test_spacys_own_components_train_on_the_same_notes(files, tmp_path: Path):
    out = tmp_path / "seed-0"
    result = train(files, CONFIG.with_stem("stock"), out)
    assert result.exit_code == 0, result.stderr
    nlp = spacy.load(out / "model-best")
    labels = ["ADE", "Drug", "Reason", "Strength"]
    assert sorted(nlp.get_pipe("ner").labels) == saved_strings(out / "model-best") == labels
    for doc in nlp.pipe(doc.text for doc in read_docs(files / "notes.spacy")):
        assert {ent.label_ for ent in doc.ents} <= set(labels)


DISCARDING = "size = 1\ndiscard_oversize = true"
NOTHING_LEFT = 'frozen_components = ["tok2vec", "clinical_ner", "clinical_relations"]'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[paths]", "[paths", "no section headers"),
        ("hidden = 256", "hiden = 256", "unexpected argument"),
        ("window = 256", "window = 2560", "window = 2560"),
        ("predicted_share = 0.5", "predicted_share = 5.0", "predicted_share = 5.0"),
        ('lang = "en"', 'lang = "zz"', "Can't import language zz"),
        ("mask_share = 0.15", "mask_share = .15", "tok2vec.model.mask_share = .15: text in place"),
        ("max_distance = 60", 'max_distance = "60"', "relations.max_distance = 60: text in place"),
        ("batch_size = 16", "batch_size = 0", "nlp.batch_size = 0: must be 1 or more"),
        ("frozen_components = []", NOTHING_LEFT, "no component is left to train"),
        ("annotating_components = []", 'annotating_components = ["ner"]', "components: ner is not"),
        ("_strict_f = 0.5", "_strict_f = 0.0", "training.score_weights: all are 0 or null"),
        ("dropout = 0.1", "dropuot = 0.1", "training.dropuot: there is no such setting; did you m"),
        ("batch_size = 16", "batch_sizes = 16", "nlp.batch_sizes: there is no such setting"),
        ("mask_share = 0.15", "mask_share = NaN", "mask_share = nan: must be a finite number"),
        ("initial_rate = 0.002", 'initial_rate = "0.002"', "initial_rate = 0.002: text in place"),
        (
            "[initialize.tokenizer]",
            "[initialize.components.ner]",
            "components.ner: there is no such",
        ),
        ('["tok2vec", "clinical_ner"', '["clinical_ner", "tok2vec"', "no component before it in"),
        ("size = 700\ndiscard_oversize = false", DISCARDING, "it made no batch of all"),
    ],
)
def test_a_config_that_cannot_be_is_one_line_and_leaves_nothing(files, tmp_path, old, new, told):
    config = tmp_path / "bad.cfg"
    config.write_text(CONFIG.read_text().replace(old, new))
    result = train(files, config, tmp_path / "out")
    assert result.exit_code == 1
    [line] = result.stderr.strip().splitlines()
    assert line.startswith(f"train: {config}: ")
    assert told in line
    assert {path.name for path in tmp_path.iterdir()} == {"bad.cfg"}


@pytest.mark.parametrize(
    ("saved", "told"), [(True, "the best so far is in"), (False, "no pipeline was saved yet")]
)
def test_an_interrupted_run_names_a_pipeline_that_is_there_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: bool, told: str
):
    def interrupted(config, out: Path, overrides, gpu_id):
        if saved:
            (tmp_path / "out.part" / "model-best").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train_pipeline", interrupted)
    where = ["--train", "a.spacy", "--dev", "a.spacy", "--encoder", "e", "--max-steps", 2]
    result = run_script("train.py", CONFIG, tmp_path / "out", *where)
    assert (result.exit_code, told in result.stderr) == (130, True)


def test_missing_notes_are_told(files, tmp_path: Path):
    where = ["--train", "nope.spacy", "--dev", "nope.spacy", "--encoder", files / "encoder"]
    result = run_script("train.py", CONFIG, tmp_path / "out", *where)
    assert result.exit_code == 1
    assert "nope.spacy: no such file" in result.stderr


def test_the_code_that_a_run_depends_on_is_there_and_goes_into_its_fingerprint():
    """A name of a file that no longer exists would be ignored."""
    package = ROOT / "components" / "clinical_ie"
    code = [package / part for part in fingerprint._MODEL_CODE]
    assert all(path.exists() for path in code)
    run_by_it = modules_of({"name": "train", "script": ["python scripts/train.py"]})
    for module in run_by_it:
        # The annotation layer and its parts.
        if (ROOT / module).parent == package and not module.endswith("__init__.py"):
            assert ROOT / module in code
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["entry-points"]
    for group in (*PIPELINE_GROUPS, "spacy_readers"):
        for target in groups[group].values():
            module = package.parent / f"{target.split(':')[0].replace('.', '/')}.py"
            assert any(module.is_relative_to(path) for path in code), module


def test_a_finished_run_is_known_by_all_that_it_depends_on(files, tmp_path: Path):
    config, notes, out = tmp_path / "a.cfg", tmp_path / "notes.spacy", tmp_path / "out"
    shutil.copy(CONFIG, config)
    shutil.copy(files / "notes.spacy", notes)
    values = {"paths.train": str(notes), "paths.encoder": str(files / "encoder"), "system.seed": 1}
    (out / "model-best").mkdir(parents=True)
    (out / "model-best" / "meta.json").write_text("{}")
    assert not is_trained(config, out, values)
    stamp = fingerprint.stamp_of(out, fingerprint.fingerprint(config, values))
    (out / "fingerprint.json").write_text(json.dumps(stamp), encoding="utf8")
    assert is_trained(config, out, values)
    assert not is_trained(config, out, {**values, "system.seed": 2})
    weights = out / "model-best" / "model"
    weights.write_bytes(b"1234")
    assert not is_trained(config, out, values)
    weights.unlink()
    for path in (config, notes):
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert not is_trained(config, out, values)
        path.write_bytes(content)
    assert is_trained(config, out, values)


def test_a_run_is_not_one_of_notes_that_came_after_it_began(files, tmp_path: Path, monkeypatch):
    notes, calibrate = tmp_path / "notes.spacy", run.calibrate_pipeline
    shutil.copy(files / "notes.spacy", notes)
    values = run.run_values(CONFIG, notes, files / "notes.spacy", str(files / "encoder"), "1", "1")

    def after_a_change(nlp, *args):
        write_docs(read_docs(notes)[1:], notes)
        return calibrate(nlp, *args)

    monkeypatch.setattr(run, "calibrate_pipeline", after_a_change)
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert not is_trained(CONFIG, tmp_path / "out", values)
    shutil.copy(files / "notes.spacy", notes)
    assert is_trained(CONFIG, tmp_path / "out", values)


def test_a_gpu_that_cannot_be_used_is_told_in_one_line(files, tmp_path: Path, monkeypatch):
    def failing(*args):
        raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    monkeypatch.setattr(gpu, "require_gpu", failing)
    steps = "--max-steps", 2, "--eval-frequency", 1, "--gpu-id", 5
    result = train(files, CONFIG, tmp_path / "out", *steps)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"train: {CONFIG}: --gpu-id 5 cannot be used: cudaError")
    assert result.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["_hidden", "_check_encoder"])
def test_a_gpu_whose_memory_is_full_is_told_in_one_line(files, tmp_path: Path, monkeypatch, when):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    if when == "_hidden":
        monkeypatch.setattr("clinical_ie.encoder.shim._hidden", full)
    else:
        monkeypatch.setattr("transformers.BertModel.forward", full)
    result = train(files, CONFIG, tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == (
        f"train: {CONFIG}: less of batch_pieces or training.batcher.size may help: "
        "CUDA out of memory. Tried to allocate 2.00 GiB.\n"
    )
    assert not any(tmp_path.iterdir())
