"""Join trained pipelines to one that finds the mentions most of them find."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from clinical_ie.annotate import load_pipeline
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.doc import Annotations, annotations_of
from clinical_ie.report.terminal import table_console
from clinical_ie.scoring.evaluation import VOTE_COMPONENT, named
from clinical_ie.system.gpu import gpu_errors_in_one_line
from clinical_ie.system.workplace import replace_folder, workplace
from clinical_ie.terminal.console import run
from clinical_ie.terminal.progress import progress_bar
from clinical_ie.training.calibrate import calibrate_pipeline
from clinical_ie.training.dev_notes import counted
from clinical_ie.training.saved_strings import forget_words
from clinical_ie.vote import ClinicalVote, add_vote, best_threshold, strict_f1, tally


def main(
    out: Annotated[Path, typer.Argument(help="Folder for the joined pipeline")],
    teacher: Annotated[
        list[str],
        typer.Option(help="A trained pipeline; its vote counts as often as it is named"),
    ],
    dev: Annotated[Path, typer.Option(help="Notes that choose the least vote, .spacy")],
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
) -> None:
    """Join pipelines by vote: the first also finds the relations.

    The result is loaded, evaluated and run like any pipeline, in the time of all together.
    """
    try:
        with gpu_errors_in_one_line("fewer teachers"):
            _join(out, Counter(teacher), dev, gpu_id)
    except (OSError, ValueError) as error:
        typer.echo(f"vote: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("vote: interrupted; nothing was written", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"pipeline in {out}")


def _join(out: Path, teachers: Counter[str], dev: Path, gpu_id: int) -> None:
    """Join the teachers, print their scores, and save the result.

    RAISES (OSError, ValueError): Something given cannot be used.
    """
    if len(teachers) < 2:
        raise ValueError("one pipeline has nobody to vote with: give --teacher at least twice")
    if out.exists() and not (out / VOTE_COMPONENT).is_dir():
        raise ValueError(f"{out} exists and would be replaced: name another folder")
    docs = named(read_docs(dev))
    gold = {name: annotations_of(doc) for name, doc in docs.items()}
    texts = {name: doc.text for name, doc in docs.items()}
    first, *others = (load_pipeline(name, gpu_id) for name in teachers)
    weights = list(map(float, teachers.values()))
    found = _found(add_vote(first, others, weights), first, docs)
    console = table_console()
    for number, name in enumerate(teachers):
        alone = {note: each[number] for note, each in found.items()}
        console.print(f"{name}: {100 * strict_f1(gold, alone, texts):.2f}")
    votes = {note: tally(each, weights) for note, each in found.items()}
    threshold, best = best_threshold(votes, gold, texts)
    console.print(f"their vote, from {threshold:.2f} on: {100 * best:.2f}, chosen by these notes")
    console.print(f"(strict F1 of mentions, one-to-one, the {len(docs)} notes of {dev})")
    add_vote(first, others, weights, threshold)
    _calibrate(first, list(docs.values()))
    _save(first, out)


def _found(
    vote: ClinicalVote, nlp: Language, docs: dict[str, Doc]
) -> dict[str, tuple[Annotations, ...]]:
    """What each pipeline finds in each note, by note."""
    found: dict[str, tuple[Annotations, ...]] = {}
    behind = nlp.pipe_names[nlp.pipe_names.index(vote.name) :]
    with progress_bar() as bar, nlp.select_pipes(disable=behind):
        task = bar.add_task("vote", total=len(docs))
        for names in minibatch(docs, 4):
            read = list(nlp.pipe([docs[name].text for name in names]))
            found |= zip(names, vote.found(read), strict=True)
            bar.advance(task, len(read))
    return found


def _calibrate(nlp: Language, docs: list[Doc]) -> None:
    """Choose the thresholds of relations anew, since the scores of mentions are other ones now."""
    with progress_bar() as bar:
        task = bar.add_task("calibrate", total=3 * len(docs))
        on_note = partial(bar.advance, task)
        calibrate_pipeline(nlp, docs, on_note)
        with counted(nlp, on_note):
            scores = nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])
    performance = nlp.meta.setdefault("performance", {})
    performance |= {name: value for name, value in scores.items() if isinstance(value, float)}


def _save(nlp: Language, out: Path) -> None:
    with workplace(out.parent, "vote") as folder:
        made = folder / out.name
        nlp.to_disk(made)
        for pipeline in [made, *(each.parent for each in made.glob("*/*/meta.json"))]:
            forget_words(pipeline)
        replace_folder(made, out)


if __name__ == "__main__":
    run(main)
