"""Score trained pipelines on gold notes, end-to-end and on gold entities; the paper's table."""

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.annotate import BratWriter, load_pipeline
from clinical_ie.corpora.formats import format_named
from clinical_ie.report.metrics import arm_metrics
from clinical_ie.report.predictions import write_predictions
from clinical_ie.report.tables import tables_markdown
from clinical_ie.report.terminal import arm_tables, table_console
from clinical_ie.scoring.evaluation import Evaluation, evaluate
from clinical_ie.system.workplace import check_folder, write_whole
from clinical_ie.terminal.console import complain, run, tell
from clinical_ie.terminal.progress import progress_bar
from clinical_ie.training.scored_notes import notes_to_score


def main(
    gold: Annotated[Path, typer.Argument(help="The notes to score on, a .spacy file")],
    out: Annotated[Path, typer.Argument(help="The folder for <arm>.json and table.md")],
    arm: Annotated[list[str], typer.Option(help="NAME=PIPELINE, once for each row of the table")],
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
    fallback_dev: Annotated[
        Path | None, typer.Option(help="Scored instead if GOLD is missing or empty")
    ] = None,
    corpus_format: Annotated[
        str, typer.Option("--format", help="Format of the corpus; selects the paper's rows")
    ] = "brat",
) -> None:
    """Evaluate one or more pipelines on the same notes."""
    try:
        format_named(corpus_format)
        arms_given = [_parse_arm(value) for value in arm]
        pipelines = dict(arms_given)
        if len(pipelines) < len(arms_given):
            raise ValueError("two --arm have the same name; each names a row and a file")
        check_folder(out)
        scored, docs = notes_to_score(gold, fallback_dev)
        if scored != gold:
            typer.echo(f"evaluate: NO TEST NOTES in {gold}: scoring on {scored.stem}", err=True)
        # All arms before the first file, so that the files always come from the same evaluation.
        evaluations = {}
        arms = {}
        for name, pipeline in pipelines.items():
            nlp = load_pipeline(pipeline, gpu_id)
            with progress_bar() as bar:
                # Two passes: end-to-end, then with the gold mentions given.
                task = bar.add_task(name, total=2 * len(docs))
                evaluations[name] = evaluate(nlp, docs, partial(bar.advance, task))
            arms[name] = arm_metrics(
                evaluations[name],
                split=scored.stem,
                fallback=scored != gold,
                pipeline={"name": nlp.meta["name"], "version": nlp.meta["version"]},
                corpus_format=corpus_format,
            )
        left_out = []
        for name, evaluation in evaluations.items():
            left_out += _write_brat(evaluation, out / "predictions" / name)
            write_predictions(evaluation, out / "predictions" / f"{name}.jsonl")
            write_whole(out / f"{name}.json", json.dumps(arms[name], indent=2) + "\n")
        write_whole(out / "table.md", tables_markdown(arms))
    except (OSError, ValueError) as error:
        complain("evaluate", error)
        raise typer.Exit(1) from None
    tell("notes are scored, but brat cannot express what was found in them", left_out)
    console = table_console()
    for table in arm_tables(arms):
        console.print(table)


def _parse_arm(value: str) -> tuple[str, str]:
    name, equals, pipeline = value.partition("=")
    if not equals or not pipeline or not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"--arm {value!r}: expected NAME=PIPELINE, with a NAME fit for a file")
    return name, pipeline


def _write_brat(evaluation: Evaluation, folder: Path) -> list[str]:
    """Write the predictions, and return the notes that cannot be written, each with the reason."""
    # Predictions of an earlier run on other notes must not remain.
    shutil.rmtree(folder, ignore_errors=True)
    left_out = []
    with BratWriter(folder) as writer:
        for name, annotations in evaluation.predicted.items():
            try:
                writer.write(name, evaluation.texts[name], annotations)
            except ValueError as error:
                # A label or name that only other formats take.
                left_out.append(f"{folder.name}, {name}: {error}")
    return left_out


if __name__ == "__main__":
    run(main)
