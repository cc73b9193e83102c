"""Messages of the commands on standard error, and their exit codes."""

import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

import typer

from .printable import printable

MAX_LISTED = 20


def run(main: Callable[..., None]) -> None:
    """Run a script's main function with the arguments of the command line."""
    show_anything()
    try:
        typer.run(main)
    except OSError as error:
        # For instance a full disk, where standard output goes.
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")


def show_anything() -> None:
    """Write characters that standard output cannot encode as escapes, instead of failing: on
    Windows, a pipe takes only the characters of one code page."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def tell(what: str, items: Sequence[str], limit: int | None = MAX_LISTED) -> None:
    """List items below a heading with their number; print nothing if there are none."""
    if not items:
        return
    typer.echo(f"{len(items)} {what}:", err=True)
    for item in items[:limit]:
        typer.echo(f"  {printable(item)}", err=True)
    if limit is not None and len(items) > limit:
        typer.echo(f"  … and {len(items) - limit} more", err=True)


def complain(command: str, problem: object) -> None:
    """Print what is wrong, on one line; it may quote labels and names from files."""
    typer.echo(f"{command}: {printable(' '.join(str(problem).split()))}", err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Exit with a message of one line."""
    complain("clinical-ie", message)
    raise typer.Exit(code)
