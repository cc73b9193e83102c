"""Make new annotated notes by rewriting segments of the training notes."""

import sqlite3
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from spacy.util import import_file

from clinical_ie.augment.models.completion import CUT
from clinical_ie.augment.outcome import Outcome
from clinical_ie.augment.output import rewrites_table
from clinical_ie.augment.run import augment
from clinical_ie.terminal.console import complain, run
from clinical_ie.terminal.progress import progress_bar

N_SHOWN = 5


def main(
    train: Annotated[Path, typer.Argument(help="Annotated training notes, .spacy")],
    out: Annotated[Path, typer.Argument(help="File for the new notes, .spacy")],
    out_dir: Annotated[Path, typer.Argument(help="Gets brat/, journal.sqlite, augment.json …")],
    config: Annotated[Path, typer.Option(help="A config of configs/augment")],
    n_augmented: Annotated[int, typer.Option(min=1, help="How many new notes")] = 24,
    seed: Annotated[int, typer.Option(help="For choosing segments and for sampling")] = 0,
    model_path: Annotated[
        Path | None, typer.Option(help="Weights; overrides the config's paths.model")
    ] = None,
    code: Annotated[
        Path | None, typer.Option(help="A Python file that registers filters and the like")
    ] = None,
) -> None:
    """Rewrite segments of the training notes, and put them into new notes."""
    console = Console()
    try:
        if code is not None:
            _run_code(code)
        with progress_bar() as bar:
            # No estimate from the time until the first note: it includes loading notes and weights.
            task = bar.add_task("new notes", total=None)

            def on_accepted() -> None:
                bar.advance(task)
                if bar.tasks[task].total is None:
                    bar.update(task, total=n_augmented)

            outcome = augment(
                train,
                out,
                out_dir,
                config,
                n_augmented,
                seed,
                model_path=model_path,
                on_accepted=on_accepted,
            )
    except (OSError, ValueError, RuntimeError, sqlite3.DatabaseError) as error:
        complain("augment", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(
            "augment: interrupted; the answers so far are in the journal, and the same command "
            "continues from there",
            err=True,
        )
        raise typer.Exit(130) from None
    if outcome.pairs:
        console.print(rewrites_table(outcome.pairs, N_SHOWN))
    for line in _summary(outcome):
        typer.echo(line)
    typer.echo(f"augment: {out_dir / 'augment.html'}")
    if not outcome.accepted:
        # Otherwise an arm without augmented notes would pass as an augmented one.
        typer.echo(
            "augment: no new note at all; see above for what was dropped and why; notes of an "
            "earlier run, if any, stay",
            err=True,
        )
    if not outcome.accepted or _cut_off(outcome):
        raise typer.Exit(1)


def _run_code(path: Path) -> None:
    """Run a file of the user's own, by which its functions become known to the config.

    RAISES (OSError, ValueError): There is none, or it fails.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--code {path}: no such file")
    try:
        import_file("clinical_ie_own_code", path)
    except Exception as error:
        raise ValueError(f"--code {path}: {type(error).__name__}: {error}") from error


def _cut_off(outcome: Outcome) -> bool:
    """Whether notes are missing because requests got no answer or could not be made."""
    # A note with some of its segments rewritten is accepted, too.
    return bool(outcome.ended) or (outcome.accepted < outcome.wanted and outcome.missing > 0)


def _summary(outcome: Outcome) -> list[str]:
    lines = [
        f"{outcome.accepted} new notes from {outcome.tried} segments and {outcome.requests} "
        f"answers ({outcome.replayed} from the journal), in {outcome.seconds:.0f} s"
    ]
    if any(outcome.prices):
        cost = outcome.paid.cost(outcome.prices)
        lines.append(f"  cost: {'not known' if cost is None else f'{cost:.4f}'}")
        if outcome.paid.untold:
            untold = f"{outcome.paid.untold} answers came without their number of tokens"
            lines.append(f"    {untold}; their cost is not included")
    lines += [
        f"  {number} more segments left out before any model saw them: {reason}"
        for reason, number in outcome.skipped.most_common()
    ]
    by_answers = sorted(outcome.dropped.items(), key=lambda item: -item[1].answers)
    lines += [f"  {dropped.answers} dropped: {reason}" for reason, dropped in by_answers]
    most = outcome.settings["max_requests"]
    if _cut_off(outcome) and outcome.ended:
        lines += [
            f"asked for {outcome.wanted}; the run ended early: {outcome.ended}",
            "  these notes are from the answers before that, some perhaps with fewer rewrites; the "
            "same command continues from there",
        ]
    elif _cut_off(outcome):
        lines.append(
            f"asked for {outcome.wanted}: {outcome.unanswered} requests got no answer; run again "
            "to continue from the journal"
        )
    elif outcome.accepted < outcome.wanted and most is not None and outcome.asked >= most:
        lines.append(
            f"asked for {outcome.wanted}: the run ended at max_requests = {most}; run again "
            "(weasel: with --force, since nothing has changed) to continue from the journal"
        )
    elif outcome.accepted < outcome.wanted:
        lines.append(
            f"asked for {outcome.wanted}: the {outcome.segments} segments of the training notes "
            "yielded no more"
        )
        if by_answers and by_answers[0][0] == CUT:
            lines.append("  the most frequent reason is an end too early: set a larger max_tokens")
        elif by_answers and by_answers[0][0] == "unchanged":
            smaller = (
                "a smaller `least` in its config, " if "least" in outcome.settings["model"] else ""
            )
            lines.append(
                "  the most frequent reason is unchanged: the model found nothing to replace; more "
                f"training notes, {smaller}or another --vars.augment_config may help"
            )
    return lines


if __name__ == "__main__":
    run(main)
