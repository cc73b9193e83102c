import errno
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from clinical_ie.system import workplace as places
from clinical_ie.system.workplace import (
    claimed,
    copy_folder,
    replace_folder,
    workplace,
    write_whole,
)


def test_it_is_closed_to_others_and_gone_afterwards(tmp_path: Path) -> None:
    with workplace(tmp_path / "new", "x") as folder:
        assert folder.parent == tmp_path / "new"
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(KeyError), workplace(tmp_path / "new", "x"):
        raise KeyError
    assert not list((tmp_path / "new").iterdir())


def test_a_full_disk_is_told_with_its_place(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    told = rf"No space left on device: '{tmp_path}/new'"
    with pytest.raises(OSError, match=told), workplace(tmp_path / "new", "x"):
        raise full
    # Others say themselves what is wrong with what.
    for other in (OSError("a.txt: is a pipe"), FileNotFoundError(errno.ENOENT, "no", "b.txt")):
        before = str(other)
        with pytest.raises(OSError, match=re.escape(before)), workplace(tmp_path / "new", "x"):
            raise other
        assert str(other) == before


def test_a_folder_that_is_read_only_is_named_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(prefix: str, dir: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/{prefix}abc")

    monkeypatch.setattr(places.tempfile, "TemporaryDirectory", refuse)
    told = rf"Permission denied: '{tmp_path}'$"
    with pytest.raises(PermissionError, match=told), workplace(tmp_path, "x"):
        pass


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    with workplace(tmp_path, "x") as first, workplace(tmp_path, "x") as second:
        assert first.is_dir()
        assert second.is_dir()
        # Process 1 is always running; about processes of other machines, nothing is known.
        mine = f"-{os.getpid()}-"
        other_run = tmp_path / first.name.replace(mine, "-1-")
        other_machine = tmp_path / f".x-elsewhere{mine}abc"
        for folder in (other_run, other_machine):
            folder.mkdir()
        with workplace(tmp_path, "x"), workplace(tmp_path, "other"):
            pass
        assert other_run.is_dir()
        assert other_machine.is_dir()


def test_what_is_in_use_stays_under_any_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("a")
    paths = Path("a"), tmp_path / "a", Path("link"), Path("..") / tmp_path.name / "a"
    for first, second in itertools.permutations(paths, 2):
        with workplace(first, "x") as folder, workplace(second, "x"):
            assert folder.is_dir()


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from clinical_ie.system.workplace import workplace\n"
        "with workplace(Path(sys.argv[1]), 'x') as f:\n (f / 'note').write_text('a')\n"
        " time.sleep(60)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    while not list(tmp_path.glob("*/note")):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (left,) = tmp_path.iterdir()
    with workplace(tmp_path, "other"):
        assert left.is_dir()
    with workplace(tmp_path, "x"):
        assert not left.is_dir()


@pytest.mark.parametrize("private", [True, False])
def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path: Path, private: bool) -> None:
    path = tmp_path / "new" / "a.json"
    write_whole(path, "first", private=private)
    assert path.read_text() == "first"
    assert (path.stat().st_mode & 0o077 == 0) == private
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "second \ud800", private=private)
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_two_writers_of_a_file_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    real_open = os.fdopen

    def open_(*args: Any, **kwargs: Any) -> IO[str]:
        """Another writer comes and goes before this one has written anything."""
        monkeypatch.setattr(os, "fdopen", real_open)
        write_whole(path, "second")
        assert path.read_text() == "second"
        return real_open(*args, **kwargs)

    monkeypatch.setattr(os, "fdopen", open_)
    write_whole(path, "first")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_for_one_process_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with claimed(folder), pytest.raises(BlockingIOError, match="another run is at work here"):
        claimed(folder).__enter__()
    with claimed(folder):
        folder.rename(tmp_path / "moved")
        # The path is a different folder now.
        folder.mkdir()
        with claimed(folder):
            pass
    assert folder.is_dir()


def test_a_claimed_folder_that_stays_empty_is_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with claimed(folder, 0o700):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.parent.exists()
    with claimed(folder):
        (folder / "file").touch()
    assert (folder / "file").exists()
    with claimed(tmp_path / "new"):
        pass
    assert folder.exists()


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    place = tmp_path / "place"
    for number in "12":
        new = tmp_path / "new"
        new.mkdir()
        (new / number).touch()
        # Left by a killed run.
        (tmp_path / "place.old").mkdir()
        replace_folder(new, place)
        assert {path.name for path in place.iterdir()} == {number}
        assert {path.name for path in tmp_path.iterdir()} == {"place"}


def test_what_is_not_copied_of_a_folder_is_told_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "kept").touch()
    (source / "left.pyc").touch()
    copy_folder(source, tmp_path / "copy", "*.pyc")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["kept"]
    for name in ("a", "b"):
        (source / name).symlink_to("nowhere")
    with pytest.raises(OSError, match=r"[ab] could not be copied: .*No such file") as told:
        copy_folder(source, tmp_path / "other")
    assert str(told.value).endswith("(and 1 more like it)")


def test_a_folder_that_was_moved_while_its_lock_was_awaited_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "claimed"
    lock = places.lock

    def after_a_move(descriptor: int, *, wait: bool) -> None:
        monkeypatch.setattr(places, "lock", lock)
        folder.rename(tmp_path / "moved")
        lock(descriptor, wait=wait)

    monkeypatch.setattr(places, "lock", after_a_move)
    with claimed(folder):
        assert folder.is_dir()
        with pytest.raises(BlockingIOError), claimed(folder):
            pass
