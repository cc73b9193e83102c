"""Compressed files, by their names and by their first bytes."""

PACKED_ENDINGS = (".gz", ".bz2", ".xz", ".zst", ".zip")
_STARTS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}


def packed_as(content: bytes) -> str:
    """The kind of compression that a file has, by how it begins; "" for none that is known."""
    return next((kind for start, kind in _STARTS.items() if content.startswith(start)), "")
