"""pyarrow, which reads and writes Parquet; an extra of the package."""

from importlib import import_module
from typing import Any


def require_pyarrow() -> Any:
    """The module `pyarrow`, with `pyarrow.parquet` and `pyarrow.types` in it.

    RAISES (ValueError): It is not installed.
    """
    try:
        for name in ("pyarrow.parquet", "pyarrow.types"):
            import_module(name)
        return import_module("pyarrow")
    except ImportError as error:
        raise ValueError(
            f'Parquet needs pyarrow ({error}): pip install "clinical-ie[parquet]"'
        ) from error
