"""Train a pipeline by a config."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.terminal.console import complain, run
from clinical_ie.training.fingerprint import START, is_trained
from clinical_ie.training.length import AUTO
from clinical_ie.training.run import TrainingError, part_of, run_values, train_pipeline


def main(
    config: Annotated[Path, typer.Argument(help="A config of configs/train")],
    out: Annotated[Path, typer.Argument(help="Folder for model-best, model-last and log.jsonl")],
    train: Annotated[Path, typer.Option(help="Training notes, .spacy")],
    dev: Annotated[Path, typer.Option(help="Notes that choose the best step, .spacy")],
    encoder: Annotated[
        str | None, typer.Option(help="A folder of weights, or a name on the hub")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="In place of --encoder: a trained pipeline, to go on with what it knows"),
    ] = None,
    augmented: Annotated[Path | None, typer.Option(help="More training notes, .spacy")] = None,
    times: Annotated[
        int | None, typer.Option(min=1, help="Readings of --train for each of --augmented")
    ] = None,
    seed: Annotated[int, typer.Option(help="For weights, order and dropout")] = 0,
    max_steps: Annotated[str, typer.Option(help="Training steps; auto: from the notes")] = AUTO,
    eval_frequency: Annotated[str, typer.Option(help="Steps between evaluations")] = AUTO,
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
) -> None:
    """Train by a spaCy config, or resume an interrupted run; a finished one is not repeated."""
    try:
        if (encoder is None) == (start is None):
            raise TrainingError("give either --encoder or --start")
        overrides = run_values(config, train, dev, encoder, max_steps, eval_frequency)
        overrides["system.seed"] = seed
        if start is not None:
            overrides[START] = start
        if augmented is not None:
            overrides["paths.augmented"] = str(augmented)
        if times is not None:
            overrides["corpora.train.times"] = times
        # weasel only remembers the last run, so it starts this again after another dataset or seed.
        if is_trained(config, out, overrides):
            typer.echo(f"train: {out} is this very run, finished before; remove it to train again")
            return
        told = train_pipeline(config, out, overrides, gpu_id)
    except TrainingError as error:
        complain("train", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        part = part_of(out)
        # The first pipeline is saved at the first evaluation.
        is_saved = (part / "model-best").is_dir()
        left = f"the best so far is in {part}, and the same command continues from there"
        left = left if is_saved else "no pipeline was saved yet"
        typer.echo(f"train: interrupted; {left}", err=True)
        raise typer.Exit(130) from None
    if told.get("candidate_ceiling") is not None:
        typer.echo(
            f"{told['candidate_ceiling']:.1%} of the training relations are candidates (types seen "
            "in relations, and near enough), which is the upper limit of recall"
        )
    chosen = []
    if "mention_bias" in told:
        chosen.append(f"mention bias {told['mention_bias']:+.2f}")
    if thresholds := told.get("relation_thresholds"):
        on = " and ".join(f"{value:.2f} on {source}" for source, value in thresholds.items())
        chosen.append(f"relation threshold {on} mentions")
    if chosen:
        typer.echo(f"chosen on dev: {', '.join(chosen)}")


if __name__ == "__main__":
    run(main)
