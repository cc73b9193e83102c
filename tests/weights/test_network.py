"""The only module that uses the network, with a folder as registry and a thread as hub."""

import hashlib
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clinical_ie.weights import Network, fetch_model
from clinical_ie.weights.network import SourceError
from clinical_ie.weights.table import HubSource

from .world import Lines, entry, make_wheel, sha256, table_of

SMALL = b'{"a": 1}'
LARGE = b"weights" * 1000
COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's protocol that downloads need, for a small file and a large one."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        return

    def _answer(self, with_body: bool) -> None:
        name = self.path.rsplit("/", 1)[-1]
        data = {"config.json": SMALL, "model.bin": LARGE, "": b""}.get(name)
        missing = int(name) if name.isdigit() else 404
        self.send_response(200 if data is not None else missing)
        blob = hashlib.sha1(f"blob {len(SMALL)}\0".encode() + SMALL).hexdigest()
        if name == "config.json":
            self.send_header("ETag", f'"{blob}"')
        elif name == "model.bin":
            self.send_header("X-Linked-Etag", f'"{sha256(LARGE)}"')
            self.send_header("X-Linked-Size", str(len(LARGE)))
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if with_body:
            self.wfile.write(data or b"")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # As an address, since pip would split a path at its blanks.
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    return folder


def source(**more: str) -> HubSource:
    return HubSource(kind="hub", repo="someone/tiny", **more)


def test_hub_files_are_identified_and_fetched(hub: str, tmp_path: Path) -> None:
    network = Network(hub)
    assert network.hub_problem() is None
    large = network.hub_identity(source(), "model.bin")
    assert (large.size, large.sha256, large.git_blob) == (len(LARGE), sha256(LARGE), None)
    small = network.hub_identity(source(), "config.json")
    assert small.sha256 is None
    assert small.git_blob is not None
    assert network.hub_download(source(), "model.bin", tmp_path).read_bytes() == LARGE
    with pytest.raises(SourceError, match="EntryNotFoundError, HTTP status 404"):
        network.hub_identity(source(), "absent.bin")


def test_a_model_without_hashes_comes_from_the_hub(hub: str, tmp_path: Path, lines: Lines) -> None:
    raw = entry({"config.json": SMALL, "model.bin": LARGE}, [source().model_dump()])
    for file in raw["files"]:
        file |= {"sha256": None, "size": None}
    model = table_of(tiny=raw).models["tiny"]
    fetch_model("tiny", model, tmp_path, Network(hub), lines)
    names = {path.name for path in (tmp_path / "tiny").iterdir()}
    assert names == {"config.json", "model.bin", "SHA256SUMS"}


def test_a_hub_out_of_reach_is_noticed_at_once_and_asked_once(
    hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network("http://127.0.0.1:9")
    started = time.monotonic()
    assert "cannot be reached" in str(network.hub_problem())
    monkeypatch.setattr(Network, "_probe", lambda self: pytest.fail("asked twice"))
    assert "cannot be reached" in str(network.hub_problem())
    assert time.monotonic() - started < 3


def test_a_proxy_that_forbids_the_hub_is_no_hub(hub: str) -> None:
    for status in (403, 407, 500, 502):
        told = f"answers with HTTP status {status}"
        assert Network(f"{hub}/{status}").hub_problem() == told
    # The hub itself may know no such page.
    assert Network(f"{hub}/404").hub_problem() is None


def test_a_hub_that_goes_away_is_given_up(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # huggingface_hub retries a lost connection many times, which is right but slow.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    network = Network(hub)
    assert network.hub_problem() is None
    network._endpoint = "http://127.0.0.1:9"
    with pytest.raises(SourceError, match="cannot be reached"):
        network.hub_identity(source(), "model.bin")
    assert "cannot be reached" in str(network.hub_problem())


@pytest.mark.usefixtures("no_way_out")
def test_offline_mode_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Network().hub_problem() == "not asked, because HF_HUB_OFFLINE is set"


def test_pip_fetches_one_exact_wheel(registry: Path, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(registry, f"tiny-data=={version}", {"tiny/a": version.encode()})
    target = tmp_path / "target"
    target.mkdir()
    wheel = Network().pip_download("tiny-data==1.0", target)
    assert wheel.name == "tiny_data-1.0-py3-none-any.whl"
    assert [path.name for path in target.iterdir()] == [wheel.name]
    with pytest.raises(SourceError, match=r"No matching distribution found for tiny-data==3\.0"):
        Network().pip_download("tiny-data==3.0", target)


def test_a_registry_out_of_reach_is_asked_once(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    network = Network()
    with pytest.raises(SourceError, match="the package registry cannot be reached"):
        network.pip_download("tiny-data==1.0", tmp_path)
    monkeypatch.setattr("subprocess.Popen", lambda *args, **kwargs: pytest.fail("asked twice"))
    with pytest.raises(SourceError, match="the package registry cannot be reached"):
        network.pip_download("tiny-data==1.0", tmp_path)


def test_no_pip_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho 'x: No module named pip' >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(SourceError, match="pip is not installed in this environment"):
        Network().pip_download("tiny-data==1.0", tmp_path)


def test_an_interrupt_leaves_no_pip_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    started: list[subprocess.Popen[str]] = []

    def interrupted(process: subprocess.Popen[str]) -> None:
        started.append(process)
        assert process.stderr is not None
        process.stderr.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Network().pip_download("tiny-data==1.0", tmp_path)
    assert [process.returncode for process in started] == [-9]


def test_stop_ends_what_runs_and_starts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    network = Network()
    reasons: list[str] = []

    def ask() -> None:
        try:
            network.pip_download("tiny-data==1.0", tmp_path)
        except SourceError as error:
            reasons.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    while not network._running:
        time.sleep(0.01)
    network.stop()
    thread.join(timeout=10)
    assert reasons == ["pip ended with status -15"]
    with pytest.raises(SourceError, match="stopped"):
        network.pip_download("tiny-data==1.0", tmp_path)
