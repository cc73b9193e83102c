"""Build the wheels that an application installs."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.packaging import Arm, build_wheels, choose_arm, read_arm
from clinical_ie.terminal.console import complain, run


def main(
    out: Annotated[Path, typer.Argument(help="Where the wheels go")],
    arm: Annotated[list[str], typer.Option(help="NAME=PIPELINE_DIR; the best on dev is packaged")],
    version: Annotated[str, typer.Option(help="Version of the pipeline's wheel")] = "0.1.0",
) -> None:
    """Build wheels of the arm that did best on dev, and of the package that it needs."""
    try:
        arms = [_read(value) for value in arm]
        best = choose_arm(arms)
        before = {wheel.name for wheel in out.glob("*.whl")}
        wheels = build_wheels(best.path, out, version, Path(__file__).parents[1])
    except (OSError, RuntimeError, ValueError) as error:
        complain("package", error)
        raise typer.Exit(1) from None
    for candidate in arms:
        typer.echo(candidate.in_words())
    typer.echo(f"packaged {best.name}:")
    for wheel in wheels:
        typer.echo(f"  {wheel} ({wheel.stat().st_size / 1e6:.0f} MB)")
    if before & {wheel.name for wheel in wheels}:
        typer.echo(
            "they replace wheels of the same version, and pip keeps an installed version as it is: "
            f"to update it, run `pip install --force-reinstall --no-deps {out}/*.whl`"
        )
    if not best.dev_score:
        typer.echo(
            "package: this pipeline finds nothing right on dev: train it longer, or see whether "
            "dev has annotations",
            err=True,
        )


def _read(value: str) -> Arm:
    name, _, path = value.partition("=")
    if not name or not path:
        raise ValueError(f"--arm {value!r}: expected NAME=PIPELINE_DIR")
    return read_arm(name, Path(path))


if __name__ == "__main__":
    run(main)
