import os
from pathlib import Path

import pytest

from clinical_ie.annotate import run_log
from clinical_ie.annotate.run_log import RunLog


def unfinished(path: Path) -> Path:
    log = RunLog(path, {"input": "a"})
    log.start({})
    log.add("note", "Anna")
    log.close(finished=False)
    return path


def test_a_run_that_is_refused_keeps_no_lock(tmp_path: Path) -> None:
    path = unfinished(tmp_path / "log")
    # The caught error keeps the refused log alive.
    with pytest.raises(ValueError, match="another input") as refused:
        RunLog(path, {"input": "b"})
    assert RunLog(path, {"input": "a"}).notes.keys() == {"note"}
    assert refused.value


def test_a_log_is_removed_where_open_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which does not have this kind of lock either."""
    path = unfinished(tmp_path / "log")
    opened: list[int] = []
    real_open, real_unlink = os.open, os.unlink

    def open_(*args: object, **kwargs: object) -> int:
        opened.append(real_open(*args, **kwargs))
        return opened[-1]

    def unlink(place: Path) -> None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(opened[-1])
        real_unlink(place)

    monkeypatch.setattr(run_log, "HAS_LOCKS", False)
    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "unlink", unlink)
    RunLog.remove(path)
    assert len(opened) == 1
    assert not path.exists()
