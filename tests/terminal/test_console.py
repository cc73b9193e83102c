"""The messages of the scripts."""

import subprocess
import sys
from pathlib import Path

import pytest

from clinical_ie.terminal.console import complain

SCRIPT = """
from rich.console import Console
from clinical_ie.terminal.console import run

def main() -> None:
    Console().print("counts")

run(main)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_standard_output_is_told_in_one_line(tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text(SCRIPT)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, str(script)], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.stderr == "count: [Errno 28] No space left on device\n"
    assert done.returncode == 1


def test_what_is_wrong_is_one_line_that_the_terminal_does_not_obey(capsys) -> None:
    complain("score", ValueError("a label\n  \x1b]0;owned\x07"))
    assert capsys.readouterr().err == "score: a label \\x1b]0;owned\\x07\n"
