"""Train and score both arms with several seeds, for the paper's table with intervals."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from clinical_ie.corpora.formats import format_named
from clinical_ie.report.seeds import seed_table, seed_tables_markdown
from clinical_ie.scoring import PROTOCOLS
from clinical_ie.scoring.evaluation import SETTINGS, named
from clinical_ie.system.hashing import hash_of
from clinical_ie.system.workplace import write_whole
from clinical_ie.terminal.console import complain, run
from clinical_ie.training.length import AUTO
from clinical_ie.training.run import TrainingError, run_values
from clinical_ie.training.scored_notes import notes_to_score
from clinical_ie.training.seed_runs import Experiment, RunCounts, run_seed


def main(
    config: Annotated[Path, typer.Argument(help="A config of configs/train")],
    out: Annotated[Path, typer.Argument(help="The folder for seeds.md, seeds.json and seeds/")],
    training: Annotated[Path, typer.Option(help="Folder for <arm>/seed-<seed>/")],
    train: Annotated[Path, typer.Option(help="Training notes, .spacy")],
    augmented: Annotated[Path, typer.Option(help="The second arm's additional notes, .spacy")],
    dev: Annotated[Path, typer.Option(help="Notes that choose the best step, .spacy")],
    test: Annotated[Path, typer.Option(help="Notes to score on; dev is used if it is missing")],
    encoder: Annotated[str, typer.Option(help="A folder of weights, or a name on the hub")],
    seeds: Annotated[str, typer.Option(help="Whole numbers, separated by blanks")] = "0 1 2",
    max_steps: Annotated[str, typer.Option(help="Steps of a run; auto: from the notes")] = AUTO,
    eval_frequency: Annotated[str, typer.Option(help="Steps between evaluations")] = AUTO,
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
    corpus_format: Annotated[str, typer.Option("--format", help="For the paper's rows")] = "brat",
) -> None:
    """Run both arms with every seed, without repeating finished runs, and print the table."""
    try:
        format_named(corpus_format)
        overrides = run_values(config, train, dev, encoder, max_steps, eval_frequency)
        numbers = _parse_seeds(seeds)
        gold, docs = notes_to_score(test, dev)
        split = gold.stem if gold == test else f"{gold.stem} (there was no test split)"
        # Checked before training, which takes hours.
        named(docs)
        if not augmented.is_file():
            raise FileNotFoundError(f"{augmented}: no such file; `weasel run augment` makes it")
        experiment = Experiment(config, overrides, hash_of([gold]), training, out, gpu_id)
        arms: dict[str, dict[str, Any]] = {
            "no_aug": {},
            "with_aug": {"paths.augmented": str(augmented)},
        }
        runs: dict[str, dict[int, RunCounts]] = {arm: {} for arm in arms}
        # Seed by seed, so that an interruption leaves about as many runs of either arm.
        for number in numbers:
            for arm, more in arms.items():
                typer.echo(f"table: {arm}, seed {number}", err=True)
                runs[arm][number] = run_seed(experiment, docs, arm, more, number)
        tables = [
            seed_table(
                {arm: {n: run[setting][name] for n, run in runs[arm].items()} for arm in arms},
                setting,
                name,
            )
            for name in PROTOCOLS
            for setting in SETTINGS
        ]
        markdown = seed_tables_markdown(tables, split, corpus_format)
        content = json.dumps({"split": split, "tables": tables}, indent=2)
        write_whole(out / "seeds.json", f"{content}\n")
        write_whole(out / "seeds.md", markdown)
    except (OSError, ValueError, TrainingError) as error:
        complain("table", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("table: interrupted; run it again to continue", err=True)
        raise typer.Exit(130) from None
    Console(width=140).print(Markdown(markdown))


def _parse_seeds(seeds: str) -> list[int]:
    try:
        # On Windows, weasel does not remove the quotes.
        numbers = [int(seed) for seed in seeds.strip("'\"").split()]
    except ValueError:
        numbers = []
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < 0:
        raise ValueError(
            f"--seeds {seeds!r}: expected different whole numbers, separated by blanks"
        )
    return numbers


if __name__ == "__main__":
    run(main)
