import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from clinical_ie.system import processes
from clinical_ie.system.processes import is_running


def test_a_process_runs_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_running(process.pid)
        process.communicate(b"\n")
    assert not is_running(process.pid)
    assert not is_running(10**30)
    assert is_running(1)


@pytest.mark.parametrize(
    ("handle", "error", "answer", "runs"),
    [(7, 0, 0x102, True), (7, 0, 0, False), (None, 5, 0, True), (None, 87, 0, False)],
)
def test_windows_is_asked_without_a_signal(
    monkeypatch: pytest.MonkeyPatch, handle: int | None, error: int, answer: int, runs: bool
) -> None:
    """Signal 0 is Ctrl-C there."""
    closed = []

    class OpenProcess:
        def __call__(self, right: int, inherit: bool, process: int) -> int | None:
            assert process == 4321
            return handle

    kernel = SimpleNamespace(
        OpenProcess=OpenProcess(),
        WaitForSingleObject=lambda handle, seconds: answer,
        CloseHandle=closed.append,
    )
    monkeypatch.setattr(processes.ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(processes.ctypes, "get_last_error", lambda: error, raising=False)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal was sent"))
    monkeypatch.setattr(sys, "platform", "win32")
    assert is_running(4321) == runs
    assert [each.value for each in closed] == ([handle] if handle else [])
