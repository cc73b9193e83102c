"""What the commands say on standard error, and how they end."""

import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import NoReturn

import typer

MAX_LISTED = 20


def run(main: Callable[..., None]) -> None:
    """Run a script's function by the words of the command line."""
    show_anything()
    typer.run(main)


def show_anything() -> None:
    """Have signs that standard output has no room for written as escapes, where they would end the
    command: a pipe of Windows takes those of one region's languages."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def tell(what: str, items: Sequence[str], limit: int | None = MAX_LISTED) -> None:
    """List items under their number and what they are; nothing where there are none."""
    if not items:
        return
    typer.echo(f"{len(items)} {what}:", err=True)
    for item in items[:limit]:
        typer.echo(f"  {item}", err=True)
    if limit is not None and len(items) > limit:
        typer.echo(f"  … and {len(items) - limit} more", err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """End with one line."""
    typer.echo(f"clinical-ie: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
