import json
import os
from pathlib import Path

import pytest

from clinical_ie.system.hashing import hash_of
from clinical_ie.weights import folder as folder_module
from clinical_ie.weights.folder import STAMPS, UNRECORDED, ModelFolder, git_blob_of
from clinical_ie.weights.table import Model

from .world import entry, sha256, table_of

DATA = b"0123456789" * 100
MODEL = table_of(tiny=entry({"w.bin": DATA}, [{"kind": "hub", "repo": "a/b"}])).models["tiny"]
FILE = MODEL.files[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "tiny"
    place.mkdir()
    (place / "w.bin").write_bytes(DATA)
    return place


def stamp_of(place: Path) -> Path:
    return place.parent / STAMPS / "tiny.json"


def forbid_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    monkeypatch.setattr(folder_module, "sha256_of", refuse)


def test_a_stamped_file_is_not_hashed_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ModelFolder(place, MODEL).missing() == {}
    stamp = json.loads(stamp_of(place).read_text(encoding="utf8"))["w.bin"]
    assert stamp["sha256"] == sha256(DATA)
    assert stamp["size"] == len(DATA)
    forbid_hashing(monkeypatch)
    assert ModelFolder(place, MODEL).missing() == {}


def test_what_depends_on_the_weights_does_not_depend_on_their_times(place: Path) -> None:
    ModelFolder(place, MODEL).missing()
    before = hash_of([place])
    os.utime(place / "w.bin", ns=(1, 1))
    assert ModelFolder(place, MODEL).missing() == {}
    assert hash_of([place]) == before


def test_what_python_and_others_leave_in_a_folder_is_no_part_of_its_hash(place: Path) -> None:
    before = hash_of([place])
    for name in ("__pycache__/a.pyc", ".cache/b", ".DS_Store"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).touch()
    assert hash_of([place]) == before
    (place / "c").touch()
    assert hash_of([place]) != before


def test_a_flipped_byte_is_noticed(place: Path) -> None:
    ModelFolder(place, MODEL).missing()
    flipped = b"X" + DATA[1:]
    (place / "w.bin").write_bytes(flipped)
    status = (place / "w.bin").stat()
    os.utime(place / "w.bin", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    problem = ModelFolder(place, MODEL).problem(FILE)
    assert problem == f"has SHA-256 {sha256(flipped)} instead of {sha256(DATA)}"


def test_a_truncated_file_costs_no_hash(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "w.bin").write_bytes(DATA[:-1])
    forbid_hashing(monkeypatch)
    assert ModelFolder(place, MODEL).problem(FILE) == "has 999 bytes instead of 1,000"


def test_absent_files_and_folders_in_their_place(tmp_path: Path) -> None:
    assert ModelFolder(tmp_path / "none", MODEL).problem(FILE) == "is missing"
    (tmp_path / "w.bin").mkdir()
    assert ModelFolder(tmp_path, MODEL).problem(FILE) == "is not a file"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"w.bin": 3}', '{"w.bin": {"size": 1000}}'])
def test_a_spoiled_stamp_is_ignored(place: Path, text: str) -> None:
    stamp_of(place).parent.mkdir()
    stamp_of(place).write_text(text, encoding="utf8")
    assert ModelFolder(place, MODEL).missing() == {}


def test_a_new_hash_in_the_table_outdates_the_stamp(place: Path) -> None:
    ModelFolder(place, MODEL).missing()
    raw = MODEL.model_dump()
    raw["files"][0]["sha256"] = "0" * 64
    assert "w.bin" in ModelFolder(place, Model.model_validate(raw)).missing()


def test_a_recorded_hash_decides_from_then_on(place: Path) -> None:
    raw = MODEL.model_dump()
    raw["files"][0] |= {"sha256": None, "size": None}
    model = Model.model_validate(raw)
    file = model.files[0]
    assert ModelFolder(place, model).problem(file) == UNRECORDED
    ModelFolder(place, model).record(file, sha256(DATA))
    assert (place / "SHA256SUMS").read_text(encoding="utf8") == f"{sha256(DATA)}  w.bin\n"
    assert ModelFolder(place, model).problem(file) is None
    (place / "w.bin").write_bytes(b"else")
    assert "instead of" in str(ModelFolder(place, model).problem(file))


def test_sweep_leaves_only_what_was_checked(place: Path) -> None:
    work = place / ".parts"
    (work / "tmpabc").mkdir(parents=True)
    (work / "tmpabc" / "half.whl").write_bytes(b"x")
    (work / "half").write_bytes(b"x")
    (work / "0001.bin").write_bytes(b"x")
    ModelFolder(place, MODEL).sweep()
    assert sorted(p.name for p in place.rglob("*")) == [".parts", "0001.bin", "w.bin"]
    (work / "0001.bin").unlink()
    ModelFolder(place, MODEL).sweep()
    assert [p.name for p in place.iterdir()] == ["w.bin"]


def test_git_blob_is_gits(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello\n")
    assert git_blob_of(tmp_path / "x") == "ce013625030ba8dba906f756967f9e9ca394464a"
