"""What the commands say on standard error, and how they end."""

from collections.abc import Sequence
from typing import NoReturn

import typer

MAX_LISTED = 20


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
