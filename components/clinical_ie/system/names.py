"""Which names a file can have, by the rules of the system that it is written on."""

import os
import unicodedata
from pathlib import Path

ON_WINDOWS = os.name == "nt"
# With any ending, too.
_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)
}


def suits_system(name: str) -> bool:
    """Whether there can be a file by this name on this system, as far as is known of it."""
    return not ON_WINDOWS or suits_windows(name)


def suits_windows(name: str) -> bool:
    """Whether Windows has a file by this name, with folders and without its ending.

    It writes `a:b` into a hidden part of a file `a`, and `con` to the terminal, without a word.
    """
    *folders, _ = parts = name.split("/")
    return not (
        any(sign in '<>:"|?*\\' or sign < " " for sign in name)
        or any(part.partition(".")[0].rstrip().lower() in _DEVICES for part in parts)
        # It leaves these signs away.
        or any(folder.endswith((" ", ".")) for folder in folders)
    )


def ignores_case(folder: Path) -> bool:
    """Whether `a` and `A` are one file in a folder whose own name has a letter."""
    return folder.with_name(folder.name.swapcase()).exists()


def folded(name: str) -> str:
    """What is the same for all names that mean one file where case is ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
