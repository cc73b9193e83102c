"""Bring models into place: check what is there, fetch the rest from the first source that works."""

import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ..system.workplace import claimed
from .folder import UNRECORDED, ModelFolder, sha256_of
from .network import Network, SourceError
from .progress import Reporter
from .sources import fetch_from, vouch
from .table import HubSource, Model, Table, WeightFile


class FetchError(Exception):
    """A model cannot be fetched; the message has each source's reason, and the remedy."""


def model_problems(name: str, model: Model, out_dir: Path) -> dict[str, str]:
    """Check a model's folder, without using the network.

    name (str): The model's name, and that of its folder.
    model (Model): Its entry in the table.
    out_dir (Path): The folder of model folders.
    RETURNS (dict[str, str]): What is wrong, by file name; empty if all is right.
    """
    missing = ModelFolder(out_dir / name, model).missing()
    return {key: problem for key, (_, problem) in missing.items()}


def fetch_model(
    name: str, model: Model, out_dir: Path, network: Network, reporter: Reporter
) -> None:
    """Make sure that a model's files are in place and right; the network is used only if not.

    name (str): The model's name, and that of its folder.
    model (Model): Its entry in the table.
    out_dir (Path): The folder of model folders.
    network (Network): Access to the network, and what is known of it in this run.
    reporter (Reporter): Receives messages and progress.
    RAISES (FetchError): No source gives the right bytes. Incomplete files are removed; parts that
        were checked stay for the next run. Or the folder cannot be used.
    """
    path = out_dir / name
    with ExitStack() as stack:
        try:
            try:
                stack.enter_context(claimed(path))
            except BlockingIOError:
                reporter.line(f"{name}: another run is at work on it; waiting for its end")
                stack.enter_context(claimed(path, wait=True))
            _fetch(ModelFolder(path, model), network, reporter)
        except OSError as error:
            raise FetchError(f"{name}: {error}") from error


def _fetch(folder: ModelFolder, network: Network, reporter: Reporter) -> None:
    """Fetch what is missing, in a folder that no other run is working in."""
    name, model = folder.path.name, folder.model
    folder.sweep()
    _adopt(folder, network, reporter)
    missing = folder.missing()
    if not missing:
        folder.discard_work()
        reporter.line(f"{name}: in place ({model.size_text}, {model.licence})")
        return
    for file, problem in missing.values():
        if (folder.path / file.name).exists():
            reporter.line(f"{name}: {file.name} {problem}; it is fetched again")
    started = time.monotonic()
    reasons = []
    try:
        for source in model.sources:
            wanted = [file for file, _ in missing.values()]
            reporter.line(f"{name}: fetching {_listed(wanted)} from {source.label}")
            try:
                fetch_from(source, wanted, folder, network, reporter)
            except (SourceError, OSError) as error:
                # An OSError means a full or read-only disk, and says so.
                reasons.append(f"{source.label}: {error}")
                reporter.line(f"{name}: {reasons[-1]}")
            missing = folder.missing()
            if not missing:
                break
    finally:
        folder.sweep()
    if missing:
        raise FetchError(_remedy(name, folder, [file for file, _ in missing.values()], reasons))
    folder.discard_work()
    seconds = time.monotonic() - started
    reporter.line(f"{name}: fetched in {seconds:.1f} s ({model.size_text}, {model.licence})")


def fetch_models(
    table: Table, names: Iterable[str], out_dir: Path, network: Network, reporter: Reporter
) -> list[FetchError]:
    """Bring several models into place; one that cannot be fetched does not stop the others.

    table (Table): The table of weights.
    names (Iterable[str]): Names of models in it.
    out_dir (Path): The folder of model folders.
    network (Network): Access to the network.
    reporter (Reporter): Receives messages and progress.
    RETURNS (list[FetchError]): One error for each model that is not in place.
    """
    errors = []
    for name in names:
        try:
            fetch_model(name, table.models[name], out_dir, network, reporter)
        except FetchError as error:
            errors.append(error)
    return errors


def _adopt(folder: ModelFolder, network: Network, reporter: Reporter) -> None:
    """Record the hashes of files that have none yet, since a user put them there by hand.

    They are checked against the hub. If that cannot be reached, they are accepted as they are,
    since a machine without the hub has no other way to get such a model.
    """
    name = folder.path.name
    for file, problem in folder.missing().values():
        if problem != UNRECORDED:
            continue
        place = folder.path / file.name
        digest = sha256_of(place)
        if (reason := network.hub_problem()) is not None:
            reporter.line(f"{name}: {file.name} is taken as found, unchecked: the hub {reason}")
        else:
            hub = next(source for source in folder.model.sources if isinstance(source, HubSource))
            try:
                vouch(network.hub_identity(hub, hub.path_of(file.name)), place, digest, file)
            except SourceError as error:
                reporter.line(f"{name}: {file.name} is not taken as found: {hub.label} {error}")
                continue
        folder.record(file, digest)


def _remedy(name: str, folder: ModelFolder, files: list[WeightFile], reasons: list[str]) -> str:
    """RETURNS (str): One line: what is missing, what was tried, what a user can do."""
    by_hand = "; ".join(
        f"{folder.path / file.name} (SHA-256 "
        + (folder.expected(file) or "not known, recorded at the first download")
        + ")"
        for file in files
    )
    tried = "; ".join(reasons)
    return f"{name}: no source gives {_listed(files)}. Tried: {tried}. Put by hand: {by_hand}"


def _listed(files: list[WeightFile]) -> str:
    return files[0].name if len(files) == 1 else f"{len(files)} files"
