import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from clinical_ie.annotate import run_log
from clinical_ie.annotate.run_log import RunLog, text_sum


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


def test_a_kill_while_a_run_goes_on_loses_no_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unfinished(tmp_path / "log")
    before = path.read_text("utf8")
    log = RunLog(path, {"input": "a"})
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(json, "dumps", Mock(side_effect=KeyboardInterrupt))
        log.start(log.notes)
    assert path.read_text("utf8") == before


def test_a_log_goes_on_after_the_last_note_that_is_still_valid(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = RunLog(path, {"input": "a"})
    log.start({})
    for name in "abcd":
        log.add(name, name)
    log.close(finished=False)
    with path.open("a", encoding="utf8") as file:
        file.write('["cut o')
    log = RunLog(path, {"input": "a"})
    valid = {name: log.notes[name] for name in "ac"}
    log.start(valid)
    log.add("b", "another text")
    log.close(finished=False)
    notes = RunLog(path, {"input": "a"}).notes
    assert notes == valid | {"b": text_sum("another text")}


def test_a_line_outlives_whatever_ends_the_run_after_it(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log", {"input": "a"})
    log.start({})
    for number in range(3):
        log.add(str(number), "Anna")
        # The file as it is now is what a kill would leave.
        (tmp_path / "left").write_bytes((tmp_path / "log").read_bytes())
        assert RunLog(tmp_path / "left", {"input": "a"}).notes == log.notes
        assert len(log.notes) == number + 1
    log.close(finished=True)


def test_a_run_that_was_killed_before_its_first_line_needs_no_remedy(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    log = RunLog(path, {"input": "a"})
    log.start(log.notes)
    log.add("note", "Anna")
    log.close(finished=False)
    assert RunLog(path, {"input": "a"}).notes.keys() == {"note"}


@pytest.mark.parametrize(
    "content", [b"\xff\xfe{\n", b"\0\0\n", b"5\n", b'{"input": "a"}\n5\n', b'{"other": "a"}\n']
)
def test_what_is_no_log_is_named_with_what_helps(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    told = f"{path}: not the log of an unfinished run; --overwrite starts over"
    with pytest.raises(ValueError, match=re.escape(told)):
        RunLog(path, {"input": "a"})
    assert path.read_bytes() == content


def test_a_log_is_its_owners_alone(tmp_path: Path) -> None:
    # Names of notes may contain those of patients.
    assert stat.S_IMODE(unfinished(tmp_path / "log").stat().st_mode) == 0o600
