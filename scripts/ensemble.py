"""Join trained pipelines to one that averages their scores."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from spacy.util import load_config

from clinical_ie.annotate import load_pipeline
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.encoder.ensemble import is_ensemble
from clinical_ie.ensemble import join
from clinical_ie.report.terminal import table_console
from clinical_ie.system.gpu import gpu_errors_in_one_line
from clinical_ie.system.workplace import replace_folder, workplace
from clinical_ie.terminal.console import complain, run
from clinical_ie.terminal.progress import progress_bar
from clinical_ie.training.calibrate import PASSES, calibrate_pipeline
from clinical_ie.training.dev_notes import scores_on
from clinical_ie.training.saved_strings import forget_words

_SHOWN = {
    "NER strict": "mentions_strict_f",
    "NER lenient": "mentions_lenient_f",
    "RE strict": "relations_strict_f",
}


def main(
    out: Annotated[Path, typer.Argument(help="Folder for the joined pipeline")],
    member: Annotated[list[str], typer.Option(help="A trained pipeline; two or more")],
    dev: Annotated[Path, typer.Option(help="Notes that choose bias and thresholds, .spacy")],
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
) -> None:
    """Join pipelines that were trained with the same labels: the scores of all are averaged.

    The result is loaded, evaluated and run like any pipeline, in the time of all together.
    """
    try:
        with gpu_errors_in_one_line("fewer members"):
            _join(out, member, dev, gpu_id)
    except (OSError, ValueError) as error:
        complain("ensemble", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("ensemble: interrupted; nothing was written", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"pipeline in {out}")


def _join(out: Path, names: list[str], dev: Path, gpu_id: int) -> None:
    """Join the members, print their scores, and save the result.

    RAISES (OSError, ValueError): Something given cannot be used.
    """
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))}: named twice; every member counts once")
    if out.exists() and not _is_made_here(out):
        raise ValueError(f"{out} exists and would be replaced: name another folder")
    docs = read_docs(dev)
    members = {name: load_pipeline(name, gpu_id) for name in names}
    joined = join(members)
    table = Table(title=f"F1 on the {len(docs)} notes of {dev}, one-to-one, end-to-end")
    table.add_column("")
    for column in _SHOWN:
        table.add_column(column, justify="right")
    with progress_bar() as bar:
        task = bar.add_task("ensemble", total=(len(members) + 1 + PASSES) * len(docs))
        on_note = partial(bar.advance, task)
        for name, nlp in members.items():
            _add_row(table, name, scores_on(docs, nlp, on_note))
        calibrate_pipeline(joined, docs, on_note)
        scores = scores_on(docs, joined, on_note)
    _add_row(table, "all together", scores)
    table_console().print(table)
    joined.meta["performance"] = {
        name: value for name, value in scores.items() if isinstance(value, float)
    }
    with workplace(out.parent, "ensemble") as folder:
        joined.to_disk(folder / out.name)
        forget_words(folder / out.name)
        (folder / out.name).chmod(0o700)
        replace_folder(folder / out.name, out)


def _is_made_here(folder: Path) -> bool:
    """Whether a folder holds an ensemble, and nothing that no pipeline has."""
    if not (folder / "config.cfg").is_file():
        return False
    config = load_config(folder / "config.cfg", interpolate=False)
    parts = {"config.cfg", "meta.json", "tokenizer", "vocab", *config["components"]}
    return is_ensemble(config) and {path.name for path in folder.iterdir()} <= parts


def _add_row(table: Table, name: str, scores: dict[str, Any]) -> None:
    found = (scores.get(key) for key in _SHOWN.values())
    table.add_row(name, *("" if value is None else f"{100 * value:.2f}" for value in found))


if __name__ == "__main__":
    run(main)
