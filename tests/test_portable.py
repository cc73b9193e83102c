"""The package works without what systems other than Linux lack."""

import ast
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from weasel.util import commands

from clinical_ie import packaging
from clinical_ie.corpora import parallel
from clinical_ie.encoder import reading
from clinical_ie.relations import model
from clinical_ie.training.run import train_pipeline

from .conftest import ROOT

# PyTorch and other packages check the system's name; this one checks which modules exist.
WINDOWS = """
import importlib, multiprocessing, os, pkgutil, sys
import spacy, torch, transformers
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("fork", "fchmod", "getuid", "register_at_fork", "sched_getaffinity", "sysconf"):
    delattr(os, name)
multiprocessing.set_start_method("spawn")

import clinical_ie
for module in pkgutil.walk_packages(clinical_ie.__path__, "clinical_ie."):
    importlib.import_module(module.name)
from clinical_ie.__main__ import app
app(sys.argv[1:])
"""


def test_notes_are_annotated_without_what_windows_lacks(learned: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("He took aspirin 81 mg daily for chest pain.")
    places = (learned, tmp_path / "in", tmp_path / "out")
    command = [sys.executable, "-c", WINDOWS, "annotate", *places]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Drug 8 15\taspirin" in (tmp_path / "out" / "a.ann").read_text()


def test_tables_are_shown_where_not_every_sign_can_be(tmp_path: Path) -> None:
    (tmp_path / "\u8bb0.txt").write_text("aspirin \u2265 5 mg", encoding="utf8")
    (tmp_path / "\u8bb0.ann").write_text("T1\t\u836f 0 5\taspir\n", encoding="utf8")
    for command in (
        ["-m", "clinical_ie", "score", tmp_path, tmp_path, "--by-document"],
        [ROOT / "scripts" / "convert.py", tmp_path, tmp_path / "all.spacy"],
    ):
        result = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert result.returncode == 0, result.stderr
        assert "\\u8" in result.stdout


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda p: p.stem)
def test_every_script_shows_any_sign(script: Path) -> None:
    assert script.read_text(encoding="utf8").endswith("\n    run(main)\n")


def test_a_run_is_placed_where_paths_cannot_tell_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Path.is_mount() fails on Windows with Python 3.11."""

    def is_mount(self: Path) -> bool:
        raise NotImplementedError("Path.is_mount() is unsupported on this system")

    monkeypatch.setattr(Path, "is_mount", is_mount)
    (tmp_path / "out" / "other").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds 'other', which was not made by a training run"):
        train_pipeline(tmp_path / "no.cfg", tmp_path / "out", {}, -1)


def test_bfloat16_is_measured_where_the_clock_of_threads_is_coarse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the clock steps of Windows, everything takes 0 s, and bfloat16 would always be chosen."""
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        ratio = reading._measured()
    assert ratio > 0


def test_double_precision_is_asked_for_where_it_is() -> None:
    assert model._exactest(torch.device("mps")) is torch.float32
    assert model._exactest(torch.device("cpu")) is torch.float64


def test_no_more_processes_than_windows_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class EnoughError(Exception):
        pass

    def pool(n_process: int, *_: object, **__: object) -> None:
        asked.append(n_process)
        raise EnoughError

    monkeypatch.setattr(parallel, "WorkerPool", pool)
    for on_windows in (True, False):
        monkeypatch.setattr(parallel, "ON_WINDOWS", on_windows)
        for n_process in (4, 100):
            with pytest.raises(EnoughError):
                list(parallel.ordered_map(abs, range(9), n_process))
    assert asked == [4, 61, 4, 100]


def test_the_words_of_a_failed_build_are_told_whatever_their_encoding() -> None:
    program = "import sys; sys.stdout.buffer.write(b'broken \\xff\\x81'); sys.exit(1)"
    with pytest.raises(RuntimeError, match="failed: broken"):
        packaging._run(["-c", program])


def test_seeds_are_read_as_weasel_hands_them_over_on_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = importlib.util.spec_from_file_location("table", ROOT / "scripts" / "table.py")
    assert spec
    assert spec.loader
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    for windows in (False, True):
        monkeypatch.setattr(commands, "is_windows", windows)
        assert table._parse_seeds(commands.split_command("table.py --seeds '0 1'")[-1]) == [0, 1]


def test_what_is_written_is_the_same_bytes_on_every_system() -> None:
    """By default, Python writes text with the system's encoding and line ends."""
    unclear = []
    for path in [*(ROOT / "components").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if not (isinstance(call, ast.Call) and _names_a_text_file(call)):
                continue
            said = {keyword.arg for keyword in call.keywords}
            if not {"encoding", "newline"} <= said:
                unclear.append(f"{path}:{call.lineno}")
    assert unclear == []


def _names_a_text_file(call: ast.Call) -> bool:
    """Whether a call opens or writes a text file; those in `/proc` do not count."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    modes = {arg.value for arg in call.args if isinstance(arg, ast.Constant)}
    opened = name in {"open", "fdopen"} and modes & {"w", "a", "x", "r+", "w+"}
    return bool(opened) or (name == "write_text" and "/proc/" not in ast.unparse(call))
