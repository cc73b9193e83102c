"""The wheels, installed in an environment without the project."""

import json
import re
import socket
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest
import spacy
from spacy.util import load_config

from clinical_ie import packaging
from clinical_ie.doc import annotations_of
from clinical_ie.packaging import Arm, build_wheels, choose_arm, read_arm
from tests.conftest import ROOT, run_script

READ = """
import json, sys, spacy
from clinical_ie.doc import annotations_of
import clinical_ie
assert {root!r} not in clinical_ie.__file__, clinical_ie.__file__
doc = spacy.load("en_clinical_ie")(sys.stdin.read())
found = annotations_of(doc)
print(json.dumps([
    [[m.id, m.label, m.fragments, round(m.score, 4)] for m in found.mentions],
    [[r.label, r.head, r.tail, round(r.score, 4)] for r in found.links],
]))
"""


WEIGHTS = """
[training]

[training.score_weights]
mentions_strict_f = 0.5
mentions_strict_p = 0.0
relations_strict_f = 0.5
"""


def write_meta(folder: Path, mentions: float, relations: float) -> Path:
    folder.mkdir()
    performance = {"mentions_strict_f": mentions, "relations_strict_f": relations}
    (folder / "meta.json").write_text(json.dumps({"performance": performance}))
    (folder / "config.cfg").write_text(WEIGHTS)
    return folder


def test_the_arm_that_did_best_on_dev_is_taken(tmp_path: Path):
    first = read_arm("no_aug", write_meta(tmp_path / "a", 0.5, 0.4))
    second = read_arm("with_aug", write_meta(tmp_path / "b", 0.7, 0.3))
    assert first.dev_score == pytest.approx(0.45)
    assert choose_arm([first, second]) == second
    assert choose_arm([second, Arm("equal", tmp_path, second.dev_score)]) == second


def test_a_score_on_dev_says_what_it_is_the_sum_of(tmp_path: Path):
    """Without relations, an F1 of 81 % on mentions gives a score of 40.5."""
    arm = read_arm("no_aug", write_meta(tmp_path / "a", 0.81, 0.0))
    assert arm.in_words() == (
        "no_aug: 40.50 on dev, weighted as in training: 0.5 * 81.00 (mentions_strict_f) + "
        "0.5 * 0.00 (relations_strict_f)"
    )


def test_the_scores_are_those_that_training_chose_by(tmp_path: Path):
    """spaCy's own `ner` has other scores."""
    folder = write_meta(tmp_path / "a", 0.5, 0.4)
    (folder / "config.cfg").write_text(
        "[training]\n[training.score_weights]\nents_f = 1.0\nents_p = null\n"
    )
    (folder / "meta.json").write_text('{"performance": {"ents_f": 0.625}}')
    assert read_arm("no_aug", folder).dev_score == 0.625
    # spaCy writes null for a score that could not be computed.
    (folder / "meta.json").write_text('{"performance": {"ents_f": null}}')
    assert read_arm("no_aug", folder).dev_score == 0.0
    (folder / "meta.json").write_text('{"performance": {}}')
    with pytest.raises(ValueError, match="ents_f"):
        read_arm("no_aug", folder)


def test_a_missing_pipeline_is_told(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no trained pipeline"):
        read_arm("no_aug", tmp_path / "nope")


@pytest.mark.parametrize(
    "content",
    ["{not JSON", "[]", '{"performance": null}', '{"performance": {"mentions_strict_f": "x"}}'],
)
def test_a_damaged_pipeline_is_told_by_file(tmp_path: Path, content: str):
    (tmp_path / "meta.json").write_text(content)
    with pytest.raises(ValueError, match=r"meta\.json: .*`weasel run train` makes a new one"):
        read_arm("no_aug", tmp_path)


def test_a_version_that_is_none_is_told_before_anything_is_built(tmp_path: Path):
    with pytest.raises(ValueError, match=r"'next'; expected a version such as 0\.1\.0"):
        build_wheels(tmp_path, tmp_path / "out", "next", ROOT)
    assert not list(tmp_path.iterdir())


def test_the_script_refuses_in_one_line(tmp_path: Path):
    for arm, message in [
        ("no_aug", "--arm 'no_aug': expected NAME=PIPELINE_DIR"),
        (f"a={tmp_path}", "no trained pipeline"),
        (f"a={write_meta(tmp_path / 'bad', 0.1, 0.2)}", "/bad: not a pipeline saved by spaCy"),
    ]:
        done = run_script("package.py", tmp_path / "out", "--arm", arm)
        assert (done.exit_code, done.stdout) == (1, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_a_pipeline_that_finds_nothing_is_told(tmp_path: Path, monkeypatch):
    wheel = tmp_path / "en_clinical_ie-0.1.0-py3-none-any.whl"
    wheel.touch()
    monkeypatch.setattr("clinical_ie.packaging.build_wheels", lambda *_: [wheel])
    for mentions, told in [(0.0, "finds nothing right on dev"), (0.1, "")]:
        folder = write_meta(tmp_path / str(mentions), mentions, 0.0)
        done = run_script("package.py", tmp_path, "--arm", f"a={folder}")
        assert done.exit_code == 0
        assert told in done.stderr
        assert bool(done.stderr) == bool(told)


def test_a_build_that_fails_is_told_by_its_last_words():
    with pytest.raises(RuntimeError, match=r"`python -m no_such` failed: .* named no_such"):
        packaging._run(["-m", "no_such"])


def test_a_build_for_which_there_is_no_room_is_told_as_that():
    # As in the error that `shutil` raises, once for each file.
    told = "Error: [('a', 'b', '[Errno 28] No space left on device')" + " more words" * 200
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device$"):
        packaging._run(["-c", f"import sys; sys.exit({told!r})"])


def test_a_wheel_that_pip_would_not_install_again_is_told(tmp_path: Path, monkeypatch):
    folder = write_meta(tmp_path / "a", 0.5, 0.4)
    out = tmp_path / "out"
    out.mkdir()

    def built(pipeline: Path, out: Path, version: str, project: Path) -> list[Path]:
        wheel = out / f"en_clinical_ie-{version}-py3-none-any.whl"
        wheel.touch()
        return [wheel]

    monkeypatch.setattr("clinical_ie.packaging.build_wheels", built)
    for version, told in [("0.1.0", False), ("0.1.0", True), ("0.1.1", False)]:
        done = run_script("package.py", out, "--arm", f"a={folder}", "--version", version)
        assert ("pip install --force-reinstall" in done.stdout) == told


def test_a_wheel_tells_nothing_of_this_machine_and_no_registry_is_asked_for_it(
    tmp_path: Path, monkeypatch
):
    nlp = spacy.blank("en")
    nlp.config["paths"] |= {
        "train": "/home/anna/mine/train.spacy",
        "dev": "corpus/anna-clinic/dev.spacy",
        # It may be gone by now, and looks like a name on the hub.
        "augmented": "anna/augmented.spacy",
        "encoder": "bionlp/bluebert",
    }
    nlp("Anna").vocab.strings.add("anna")
    nlp.to_disk(tmp_path / "trained")
    # As in a pipeline that was trained from another one.
    config = load_config(tmp_path / "trained" / "config.cfg")
    config["components"]["tok2vec"] = {"model": {"name": "assets/anna/encoder"}}
    # And where a head has an encoder of its own.
    config["components"]["head"] = {"model": {"tok2vec": {"name": "/home/anna/encoder"}}}
    config["corpora"]["train"]["path"] = "../anna/train.spacy"
    config.to_disk(tmp_path / "trained" / "config.cfg")
    project = tmp_path / "project"
    (project / "components" / "clinical_ie").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md"):
        (project / name).write_text((ROOT / name).read_text("utf8"), "utf8")
    with socket.create_server(("127.0.0.1", 0)) as registry:
        registry.settimeout(0)
        for name in ("PIP_DISABLE_PIP_VERSION_CHECK", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{registry.getsockname()[1]}/simple")
        # This registry never answers, and each try would take 15 seconds.
        monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        wheels = build_wheels(tmp_path / "trained", tmp_path / "out", " 1.2.3 ", project)
        with pytest.raises(BlockingIOError):
            registry.accept()
    assert [wheel.name for wheel in wheels] == [
        "clinical_ie-0.1.0-py3-none-any.whl",
        "en_clinical_ie-1.2.3-py3-none-any.whl",
    ]
    with zipfile.ZipFile(wheels[1]) as wheel:
        contents = {name: wheel.read(name) for name in wheel.namelist()}
    assert not [name for name, content in contents.items() if b"anna" in content]
    assert [wheel.stat().st_mode & 0o777 for wheel in wheels] == [0o600, 0o600]
    config = contents["en_clinical_ie/en_clinical_ie-1.2.3/config.cfg"]
    assert b'train = "train.spacy"\ndev = "dev.spacy"\n' in config
    assert b'encoder = "bionlp/bluebert"\n' in config
    # The folder itself stays as it was.
    assert "/home/anna" in (tmp_path / "trained" / "config.cfg").read_text("utf8")


@pytest.mark.slow
def test_the_wheels_give_what_the_trained_folder_gave(learned, notes, tmp_path: Path):
    (tmp_path / "packages").mkdir()
    for name in ("en_clinical_ie-1.0.0", "other-1.0"):
        (tmp_path / "packages" / f"{name}-py3-none-any.whl").touch()
    words = (learned / "vocab" / "strings.json").read_text("utf8")
    assert "Lisinopril" in words
    wheels = build_wheels(learned, tmp_path / "packages", "1.2.3", ROOT)
    with zipfile.ZipFile(wheels[1]) as wheel:
        [strings] = [name for name in wheel.namelist() if name.endswith("strings.json")]
        assert "Drug" in json.loads(wheel.read(strings))
        assert b"Lisinopril" not in wheel.read(strings)
    # The folder itself stays as it was.
    assert (learned / "vocab" / "strings.json").read_text("utf8") == words
    assert [wheel.name.split("-")[0] for wheel in wheels] == ["clinical_ie", "en_clinical_ie"]
    (tmp_path / "packages" / "other-1.0-py3-none-any.whl").unlink()
    assert {path.name for path in (tmp_path / "packages").iterdir()} == {w.name for w in wheels}

    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *wheels]
    subprocess.run(install, check=True, cwd=tmp_path)
    # Far longer than the encoder's limit of 64 wordpieces.
    text = "\n\n".join(gold.text for gold in notes) * 5
    result = subprocess.run(
        [python, "-c", READ.format(root=str(ROOT))],
        input=text,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    expected = annotations_of(spacy.load(learned)(text))
    mentions, links = json.loads(result.stdout)
    assert [[m[0], m[1], m[2]] for m in mentions] == [
        [m.id, m.label, [list(piece) for piece in m.fragments]] for m in expected.mentions
    ]
    assert [m[3] for m in mentions] == pytest.approx([m.score for m in expected.mentions], abs=1e-3)
    assert [r[:3] for r in links] == [[r.label, r.head, r.tail] for r in expected.links]
    assert mentions
    assert links

    # The snippet for applications in README.md.
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    [snippet] = re.findall(r"<!-- snippet -->\n```python\n(.*?)```", readme, flags=re.DOTALL)
    run = subprocess.run([python, "-c", snippet], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    help_text = subprocess.run(
        [python.with_name("clinical-ie"), "--help"], capture_output=True, text=True, check=True
    )
    assert "annotate" in help_text.stdout
