"""What the package must do without, on systems other than Linux."""

import subprocess
import sys
from pathlib import Path

# PyTorch and the others go by the system's name; this package, by what is there.
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
