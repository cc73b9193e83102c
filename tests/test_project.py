"""The workflow: its documentation, and a complete run on a tiny corpus."""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from weasel.cli.document import project_document
from weasel.cli.run import check_rerun, project_run
from weasel.util import load_project_config, parse_config_overrides

from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.synthetic import write_corpus
from tests.conftest import ROOT, build_tiny_bert
from tests.dependencies import modules_of, with_modules

PROJECT = (ROOT / "project.yml").read_text(encoding="utf8")
CONFIG = yaml.safe_load(PROJECT)
COMMANDS = {command["name"]: command for command in CONFIG["commands"]}


def test_readme_has_the_table_that_weasel_makes(tmp_path: Path):
    for name in ("README.md", "project.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    project_document(tmp_path, tmp_path / "README.md")
    fresh, ours = (
        # An asset is a link only where the file exists.
        re.sub(r"\[(`assets/[^`]+`)\]\([^)]*\)", r"\1", (folder / "README.md").read_text("utf8"))
        for folder in (tmp_path, ROOT)
    )
    assert ours == fresh, "README.md is stale: run `weasel document . --output README.md`"


GIVEN = re.compile(r'--vars\.\w+ (?:"[^"]*"|[-\w./]+)')


@pytest.mark.parametrize("name", ["README.md", "benchmarks/RESULTS.md", "project.yml"])
def test_weasel_takes_the_values_that_are_shown_for_values(name: str):
    shown = GIVEN.findall((ROOT / name).read_text(encoding="utf8"))
    assert shown
    for given in shown:
        option, value = shlex.split(given)
        [(key, taken)] = parse_config_overrides([option, value], env_var=None).items()
        assert key.removeprefix("vars.") in CONFIG["vars"]
        assert str(taken) == value


def test_errors_that_were_not_foreseen_show_no_note():
    assert not typer.Typer().pretty_exceptions_show_locals
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = map(Requirement, extras["optional-dependencies"]["project"])
    [typers] = [each for each in needed if each.name == "typer"]
    # The last version that shows the values of variables by default.
    assert "0.22.0" not in typers.specifier


def test_deps_name_every_module_that_a_step_runs():
    assert with_modules(PROJECT) == PROJECT, "run `python -m tests.dependencies --write`"


@pytest.mark.parametrize("name", COMMANDS)
def test_deps_name_the_scripts_and_configs_of_a_step(name):
    line = " ".join(COMMANDS[name]["script"])
    for path in re.findall(r"(?:scripts|configs)/\S+", line):
        assert path in COMMANDS[name]["deps"]
    assert COMMANDS[name]["help"].endswith(".")


def test_the_steps_that_load_a_pipeline_depend_on_its_parts():
    for name in ("train", "train-augmented", "train-seeds", "evaluate", "package"):
        for room in ("encoder/transformer", "ner/tags", "relations/candidates", "doc"):
            assert f"components/clinical_ie/{room}.py" in modules_of(COMMANDS[name])


def test_the_steps_that_make_docs_depend_on_the_tokenizer():
    """It is found by its name, so no import leads to it."""
    for name in COMMANDS.keys() - {"demo", "models", "report"}:
        assert "components/clinical_ie/text/tokenizer.py" in COMMANDS[name]["deps"], name


OVERRIDES = {
    "vars.dataset": "tiny",
    "vars.encoder": "tiny",
    "vars.augment_config": "rules",
    "vars.n_augmented": 2,
    "vars.max_steps": 4,
    "vars.eval_frequency": 2,
    "vars.seeds": "0 1",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a corpus of seven notes and an encoder of two layers."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("project.yml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("configs", "scripts", "components"):
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    (folder / "assets").mkdir()
    shutil.copy(ROOT / "assets" / "models.yml", folder / "assets")
    write_corpus(folder / "assets" / "tiny", 0, {"train": 4, "dev": 1, "test": 2})
    build_tiny_bert(folder / "assets" / "models" / "tiny", max_pieces=256)
    return folder


# These steps check by themselves whether there is something to do.
ALWAYS = {"convert", "models", "train", "train-augmented", "train-seeds"}


def reruns(project: Path) -> set[str]:
    """The steps of the workflows that would run again; steps outside of workflows never ran."""
    config = load_project_config(project, overrides=OVERRIDES)
    of_workflows = {name for steps in config["workflows"].values() for name in steps}
    commands = [command for command in config["commands"] if command["name"] in of_workflows]
    return {command["name"] for command in commands if check_rerun(project, command)}


# About three minutes on two idle cores, and up to five times as long on busy ones.
@pytest.mark.timeout(2400)
@pytest.mark.slow
def test_the_whole_workflow(project: Path, monkeypatch: pytest.MonkeyPatch):
    project_run(project, "all", overrides=OVERRIDES)
    assert len(read_docs(project / "corpus/tiny/train.spacy")) == 4
    assert len(read_docs(project / "corpus/tiny/augmented.spacy")) == 2
    assert (project / "corpus/tiny/augmented/journal.sqlite").is_file()
    assert list((project / "corpus/tiny/augmented/brat").rglob("*.ann"))
    for arm in ("no_aug", "with_aug"):
        assert (project / f"training/tiny/{arm}/seed-0/model-best/meta.json").is_file()
        metrics = json.loads((project / f"metrics/tiny/{arm}.json").read_text())
        assert metrics["protocol"] == "one-to-one"
        for task in ("entities", "relations"):
            for mode in ("strict", "lenient"):
                micro = metrics[task][mode]["micro"]
                assert {"tp", "fp", "fn", "precision", "recall", "f1"} <= micro.keys()
    assert "one-to-one" in (project / "metrics/tiny/table.md").read_text()
    assert (project / "report/tiny/index.html").is_file()
    assert {path.name.split("-")[0] for path in (project / "packages").iterdir()} == {
        "clinical_ie",
        "en_clinical_ie",
    }

    models = [project / f"training/tiny/no_aug/seed-{seed}/model-best" for seed in (0, 1)]
    before = models[0].stat().st_mtime_ns
    project_run(project, "table", overrides=OVERRIDES)
    assert models[0].stat().st_mtime_ns == before, "seed 0 was trained by `all`"
    assert models[1].is_dir()
    seeds = json.loads((project / "metrics/tiny/seeds.json").read_text())
    assert [table["arms"]["with_aug"]["seeds"] for table in seeds["tables"]] == [[0, 1]] * 4
    text = (project / "metrics/tiny/seeds.md").read_text()
    named = set(re.findall(r"(?:protocol|setting): ([\w -]+);", text))
    assert named == {"one-to-one", "n2c2-2018", "gold entities", "end-to-end"}

    # There are new runs, and the page shows all of them.
    assert reruns(project) == ALWAYS | {"report"}
    project_run(project, "report", overrides=OVERRIDES)
    assert reruns(project) == ALWAYS
    project_run(project, "train", overrides=OVERRIDES)
    assert models[0].stat().st_mtime_ns == before, "nothing has changed"
    encoder = project / "components/clinical_ie/encoder/windows.py"
    original = encoder.read_text()
    encoder.write_text(original + "\n# changed\n")
    assert reruns(project) == ALWAYS | {"evaluate", "package"}
    encoder.write_text(original)
    changes: dict[str, set[str]] = {
        "scripts/evaluate.py": {"evaluate"},
        "configs/train/minilm.cfg": set(),
        "configs/augment/rules.cfg": {"augment"},
    }
    for path, steps in changes.items():
        file = project / path
        original = file.read_text()
        file.write_text(original + "\n# changed\n")
        assert reruns(project) == ALWAYS | steps
        file.write_text(original)
    # For the same notes, convert writes identical files.
    project_run(project, "convert", overrides=OVERRIDES)
    assert reruns(project) == ALWAYS


@pytest.mark.slow
def test_a_file_that_an_option_names_is_looked_at_each_time(project: Path):
    shutil.copytree(project / "assets/tiny/train", project / "assets/listed/train")
    notes = sorted(path.stem for path in (project / "assets/listed/train").glob("*.txt"))
    ids = project / "dev ids.txt"
    options = {
        "vars.dataset": "listed",
        "vars.convert_options": "--processes 1 --dev-ids 'dev ids.txt'",
    }
    for listed in (notes[:1], notes[1:3]):
        ids.write_text("\n".join(listed))
        project_run(project, "convert", overrides=options)
        dev = read_docs(project / "corpus/listed/dev.spacy")
        assert [doc._.note_id for doc in dev] == listed


def test_a_missing_dataset_is_told_at_once(project: Path, capfd: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stopped:
        project_run(project, "convert", overrides={"vars.dataset": "nowhere"})
    assert stopped.value.code == 1
    assert "assets/nowhere/train: no such folder" in capfd.readouterr().err
    assert not (project / "corpus" / "nowhere").exists()


def test_what_a_gpu_needs_can_be_installed_beside_what_is_pinned():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    named = re.findall(r"`(cuda\d+)`|\[(cuda\d+)\]", (ROOT / "README.md").read_text("utf8"))
    assert {"".join(each) for each in named} == {"cuda12", "cuda13"}
    # spaCy's own extra `cuda12x` takes none that was built for NumPy 2.
    assert "spacy[cuda" not in (ROOT / "README.md").read_text("utf8")
    for extra in map("".join, named):
        [wanted] = map(Requirement, extras["optional-dependencies"][extra])
        assert wanted.specifier.contains(pinned[wanted.name])
