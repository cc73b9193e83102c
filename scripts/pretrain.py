"""Adapt an encoder to notes without annotations, before a pipeline is trained on it."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from spacy.tokens import Doc

from clinical_ie.annotate import ID_COLUMN, TEXT_COLUMN, Failure, open_source
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder.masking import Pool
from clinical_ie.encoder.pretraining import (
    PretrainSettings,
    Step,
    load_tokenizer,
    perplexity,
    pretrain_encoder,
)
from clinical_ie.terminal.console import complain, run, tell
from clinical_ie.terminal.progress import progress_bar, track


def main(
    encoder: Annotated[str, typer.Argument(help="A folder of weights, or a name on the hub")],
    out: Annotated[Path, typer.Argument(help="Folder for the adapted encoder")],
    notes: Annotated[
        list[Path],
        typer.Option(help="A .spacy file, folder of .txt, JSON Lines, Parquet; can be repeated"),
    ],
    held_out: Annotated[
        Path | None, typer.Option(help="Notes for evaluation only, after each epoch")
    ] = None,
    id_column: Annotated[str, typer.Option(help="For JSON Lines and Parquet")] = ID_COLUMN,
    text_column: Annotated[str, typer.Option(help="For JSON Lines and Parquet")] = TEXT_COLUMN,
    epochs: Annotated[int, typer.Option(min=1, help="How often each note is read")] = 15,
    window: Annotated[int, typer.Option(min=8, help="Wordpieces read at once")] = 256,
    batch_windows: Annotated[int, typer.Option(min=1, help="Full windows in a step")] = 16,
    learn_rate: Annotated[float, typer.Option(min=0, help="The encoder's maximum rate")] = 2e-4,
    seed: Annotated[int, typer.Option(min=0, help="For order, hidden words and dropout")] = 0,
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
    strict: Annotated[
        bool, typer.Option(help="Exit with 1 before training if a note cannot be read")
    ] = False,
) -> None:
    """Hide words of notes, and let the encoder learn to guess them."""
    settings = PretrainSettings(epochs, window, batch_windows, learn_rate=learn_rate, seed=seed)
    failures: list[str] = []
    docs = partial(_docs, columns=(id_column, text_column), failures=failures)
    try:
        if out.resolve().is_relative_to(Path(encoder).resolve()):
            raise ValueError(f"{out} lies in the encoder {encoder}; name a folder beside it")
        tokenizer = load_tokenizer(encoder)
        pools = (
            Pool.of(chain.from_iterable(map(docs, notes)), tokenizer),
            None if held_out is None else Pool.of(docs(held_out), tokenizer),
        )
        if strict and failures:
            raise ValueError(f"{len(failures)} notes cannot be read, and --strict allows none")
        with progress_bar() as bar:
            task = bar.add_task("pretrain", total=None)

            def on_step(step: Step) -> None:
                shown = f"pretrain, loss {step.loss:.2f}"
                bar.update(task, total=step.steps, completed=step.done, description=shown)

            report = pretrain_encoder(pools, encoder, out, settings, gpu_id, on_step)
    except (OSError, ValueError) as error:
        tell("notes were left out", failures)
        complain("pretrain", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("pretrain: interrupted; the same command continues where it was saved", err=True)
        raise typer.Exit(130) from None
    typer.echo(
        f"{report['notes']:,} notes of {report['wordpieces']:,} wordpieces, read {epochs} times"
    )
    for what in ("losses", "held_out_losses"):
        if report[what]:
            first, last = (perplexity(report[what][i]) for i in (0, -1))
            name = what.removesuffix("losses").replace("_", " ").strip() or "training"
            typer.echo(
                f"{name} notes: perplexity of hidden wordpieces {first:,.1f} in the first epoch, "
                f"{last:,.1f} in the last"
            )
    typer.echo(f"encoder in {out}")
    tell("notes were left out", failures)


def _docs(path: Path, columns: tuple[str, str], failures: list[str]) -> Iterator[Doc]:
    """The notes of a file or folder; those that cannot be read are added to `failures`."""
    if path.suffix == ".spacy":
        yield from read_docs(path)
        return
    # A folder has no columns.
    source = open_source(path) if path.is_dir() else open_source(path, *columns)
    for warning in source.warnings:
        typer.echo(warning, err=True)
    failures += [f"{failure.name}: {failure.reason}" for failure in source.left_out]
    notes = source.read({}, refusal=lambda name: None)
    for note in track(notes, f"read {path.name}", source.total):
        if isinstance(note, Failure):
            failures.append(f"{note.name}: {note.reason}")
        else:
            yield corpus_nlp().make_doc(note.text)


if __name__ == "__main__":
    run(main)
