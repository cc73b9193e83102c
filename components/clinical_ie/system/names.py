"""Which file names the operating system allows."""

import os
import unicodedata
from pathlib import Path

ON_WINDOWS = os.name == "nt"
# Reserved with any extension, too.
_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)
}


def suits_system(name: str) -> bool:
    """Whether this system allows a file of this name, as far as known."""
    return not ON_WINDOWS or suits_windows(name)


def suits_windows(name: str) -> bool:
    """Whether Windows allows a file of this name, which may have folders but no extension.

    Windows silently writes `a:b` into a hidden stream of a file `a`, and `con` to the terminal.
    """
    *folders, _ = parts = name.split("/")
    return not (
        any(sign in '<>:"|?*\\' or sign < " " for sign in name)
        or any(part.partition(".")[0].rstrip().lower() in _DEVICES for part in parts)
        # Windows drops these characters at the end of a folder's name.
        or any(folder.endswith((" ", ".")) for folder in folders)
    )


def ignores_case(folder: Path) -> bool:
    """Whether file names are case-insensitive here; the folder's own name must have a letter."""
    return folder.with_name(folder.name.swapcase()).exists()


def folded(name: str) -> str:
    """A key that is equal for names of the same file where case is ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
