"""Turn annotated notes into spaCy's binary format, and report what was kept, mended and lost."""

import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.corpora.convert import (
    MAX_MB,
    ConvertSettings,
    OnError,
    convert_dataset,
    convert_folder,
    repeated,
    write_counts,
)
from clinical_ie.corpora.formats import format_named
from clinical_ie.corpora.i2b2 import I2b2Settings
from clinical_ie.corpora.splits import releases, split_folder
from clinical_ie.corpora.standoff_reading import LinkSettings
from clinical_ie.corpora.summary import print_counts
from clinical_ie.terminal.console import complain, run
from clinical_ie.terminal.printable import printable
from clinical_ie.terminal.progress import track


def main(
    source: Annotated[
        Path, typer.Argument(help="A folder of notes, or a dataset with train/ in it")
    ],
    out: Annotated[
        Path, typer.Argument(help="A .spacy file, or a folder for train, dev and test")
    ] = Path("corpus"),
    format_name: Annotated[str, typer.Option("--format", help="How the notes are stored")] = "brat",
    seed: Annotated[int, typer.Option(help="Seed for drawing dev from train, without a dev")] = 0,
    dev_ids: Annotated[
        Path | None, typer.Option(help="File with the names of the dev notes, one per line")
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Give up the conversion on an error, or skip line or note")
    ] = "skip-line",
    strict: Annotated[bool, typer.Option(help="Exit with 1 if anything was left out")] = False,
    check: Annotated[bool, typer.Option(help="Read and report; write nothing")] = False,
    roles: Annotated[bool, typer.Option(help="Turn roles of events into relations")] = False,
    equivalences: Annotated[bool, typer.Option(help="Turn equivalences into relations")] = False,
    timex: Annotated[bool, typer.Option(help="i2b2-2012: read TIMEX3 as mentions")] = False,
    sectime: Annotated[bool, typer.Option(help="i2b2-2012: read SECTIMEs as mentions")] = False,
    tlinks: Annotated[bool, typer.Option(help="i2b2-2012: read TLINKs as relations")] = False,
    max_mb: Annotated[
        int, typer.Option(min=1, help="Larger files are not read, and count as errors")
    ] = MAX_MB,
    processes: Annotated[int, typer.Option(min=0, help="0: one per core")] = 0,
) -> None:
    """Convert one folder to one .spacy file, or a dataset to three."""
    remarks: list[str] = []
    try:
        format_ = format_named(format_name, I2b2Settings(timex, sectime, tlinks))
        if format_name == "i2b2-2012" and (roles or equivalences):
            raise ValueError(
                "--roles and --equivalences are for events and equivalences of brat; i2b2-2012 has "
                "relations with --tlinks"
            )
        settings = ConvertSettings(
            format=format_,
            on_error=on_error,
            links=LinkSettings(roles, equivalences),
            check=check,
            processes=processes or os.cpu_count() or 1,
            max_mb=max_mb,
        )
        is_dataset = split_folder(source, "train", format_) is not None
        # A release whose format was not named is told its name.
        is_one = not is_dataset and next(releases(source, format_), None) is None
        one_file = out.suffix == ".spacy" or (check and is_one)
        if one_file and dev_ids is not None:
            raise ValueError(
                f"--dev-ids {dev_ids}: one folder has no dev to draw; give a dataset with train/ "
                "in it and a folder for OUT, or leave the option out"
            )
        if one_file:
            if is_dataset:
                remarks = [f"{source} holds splits: all of its notes go into the one file {out}"]
            counts = {out.stem: convert_folder(source, out, settings, track)}
            remarks += repeated(counts)
        else:
            counts, remarks = convert_dataset(
                source, out, settings, track, seed=seed, dev_ids=dev_ids
            )
        report = out.with_suffix(".json") if one_file else out / "convert.json"
        if not check:
            write_counts(counts, report)
    except KeyboardInterrupt:
        typer.echo("convert: interrupted; the same command starts over", err=True)
        raise typer.Exit(130) from None
    except BrokenProcessPool:
        told = "a process was killed, most likely for lack of memory; try fewer --processes"
        typer.echo(f"convert: {told}, or a lower --max-mb", err=True)
        raise typer.Exit(1) from None
    except (OSError, ValueError) as error:
        complain("convert", error)
        raise typer.Exit(1) from None
    for line in remarks:
        typer.echo(printable(line))
    n_errors = print_counts(counts, None if check else report)
    if strict and n_errors:
        typer.echo(f"convert: {n_errors} errors, and --strict allows none", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
