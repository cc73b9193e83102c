"""`clinical-ie score`: two brat folders, no model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .brat.model import BOM
from .brat.records import label_twins
from .doc import Annotations
from .report import terminal
from .scoring import (
    DEFAULT_PROTOCOL,
    MODES,
    PROTOCOLS,
    TASKS,
    NoteCounts,
    get_protocol,
    note_counts,
    sum_up,
)
from .scoring.agreement import TokenAgreement, token_agreement
from .scoring.counts import Counts, total
from .scoring.folders import FolderPair, read_pair, twins
from .scoring.lengths import by_length
from .scoring.protocols import Protocol
from .scoring.scores import figures
from .scoring.significance import Comparison, Interval, bootstrap, compare
from .terminal.console import fail, tell
from .terminal.printable import printable

_Counts = Mapping[str, NoteCounts]

# Exit code if there are scores, but not everything could be scored; 2 is that of a wrong option.
SCORED_WITH_FINDINGS = 3


def score_command(
    gold: Annotated[Path, typer.Argument(metavar="GOLD_DIR", help="Gold brat notes")],
    predicted: Annotated[Path, typer.Argument(metavar="PRED_DIR", help="Brat notes to score")],
    protocol: Annotated[
        str, typer.Option(help=f"What counts as correct: {', '.join(PROTOCOLS)}")
    ] = DEFAULT_PROTOCOL,
    other: Annotated[
        Path | None,
        typer.Option("--compare", metavar="DIR", help="A second arm: is it better than PRED_DIR?"),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Add 95 % intervals over notes for micro scores")
    ] = False,
    document: Annotated[
        bool, typer.Option("--by-document", help="Add the scores of each note")
    ] = False,
    length: Annotated[
        bool, typer.Option("--by-length", help="Add scores of mentions by length in words")
    ] = False,
    agreement: Annotated[
        bool,
        typer.Option("--agreement", help="Add Cohen's kappa on tokens, to compare two annotators"),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of --compare and --intervals")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with fractions")] = False,
) -> None:
    """Score a brat folder against a gold one; no model is needed.

    Relations are scored on the mentions in PRED_DIR: end-to-end if those were predicted too, on
    gold entities if they were copied from gold. Listed on standard error: what the protocol leaves
    out, what could not be read, and labels that differ only in case or in how accents are encoded.
    The exit code is 0 if everything was scored as it stands. It is 3 if scores were printed, but
    notes are missing on one side or have no .ann in PRED_DIR, notes lack a .txt that an option
    needs, lines were left out, or there are such labels; and 1 if there are no scores.
    """
    try:
        rules = get_protocol(protocol)
        said: set[tuple[str, str]] = set()
        pair = read_pair(gold, predicted, protocol)
        as_it_stands = _tell(pair, gold, predicted, rules, said)
        texts, second_pair = pair.texts, None
        if other is not None:
            second_pair = read_pair(gold, other, protocol)
            as_it_stands &= _tell(second_pair, gold, other, rules, said)
            # A text that only one arm has must count for both: it tells which pieces touch.
            texts = _joined(texts, second_pair.texts, predicted, other)
        counts = note_counts(pair.gold, pair.predicted, protocol=protocol, texts=texts)
        if not counts:
            raise ValueError(f"{gold} and {predicted} have no note in common: nothing is scored")
        scores = sum_up(counts, protocol)
        result: dict[str, Any] = {**scores}
        tables = [terminal.score_table(scores, task) for task in TASKS]
        if document:
            result["by_document"], table = _by_document(counts, protocol)
            tables.append(table)
        textless = sorted((pair.gold.keys() | pair.predicted.keys()) - texts.keys())
        if textless and (length or agreement):
            tell("no .txt in either folder, left out of --by-length and --agreement", textless)
            as_it_stands = False
        if length:
            result["by_length"] = by_length(pair.gold, pair.predicted, texts)
            tables.append(terminal.length_table(result["by_length"]))
        if agreement:
            found = token_agreement(pair.gold, pair.predicted, texts)
            result["agreement"], table = _agreement(found)
            tables.append(table)
        if intervals:
            result["intervals"], table = _intervals(counts, protocol, seed)
            tables.append(table)
        sentences: list[str] = []
        if second_pair is not None:
            second = note_counts(
                second_pair.gold,
                second_pair.predicted,
                protocol=protocol,
                # Its own, which may begin with a byte order mark that its offsets count.
                texts=texts | second_pair.texts,
            )
            if rules.scores_missing:
                # A note that only the other arm has counts as empty for this one.
                nothing = rules.count(Annotations(), Annotations(), None)
                counts, second = (
                    {name: arm.get(name, nothing) for name in counts.keys() | second.keys()}
                    for arm in (counts, second)
                )
            elif alone := sorted(counts.keys() ^ second.keys()):
                raise ValueError(
                    f"{other if alone[0] in counts else predicted} was not scored on {alone[0]}, "
                    f"the other arm was; under {protocol} a missing note costs nothing, so they "
                    f"cannot be compared: add it, or use --protocol {DEFAULT_PROTOCOL}"
                )
            result["comparison"], sentences = _comparison(
                counts, second, str(predicted), str(other), seed
            )
    except (OSError, ValueError) as error:
        fail(str(error))
    try:
        if as_json:
            typer.echo(json.dumps(result, indent=2))
        else:
            console = terminal.table_console()
            for table in tables:
                console.print(table)
            for sentence in map(printable, sentences):
                console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    except OSError as error:
        # A full disk, for instance, where standard output goes.
        fail(f"standard output: {error}")
    if not as_it_stands:
        raise typer.Exit(SCORED_WITH_FINDINGS)


def _joined(
    texts: Mapping[str, str], others: Mapping[str, str], predicted: Path, other: Path
) -> dict[str, str]:
    """The texts of both arms, by note; where both have one, that of the first.

    RAISES (ValueError): A note has two.
    """
    for name in sorted(texts.keys() & others.keys()):
        if texts[name].removeprefix(BOM) != others[name].removeprefix(BOM):
            raise ValueError(f"{name}: its text in {predicted} is not that in {other}")
    return {**others, **texts}


def _tell(
    pair: FolderPair, gold: Path, predicted: Path, rules: Protocol, said: set[tuple[str, str]]
) -> bool:
    """Report on standard error what could not be scored as it stands.

    said (set[tuple[str, str]]): What has been reported before; extended, so that with two arms,
        problems of gold are reported once.
    RETURNS (bool): Whether everything was scored as it stands.
    """
    if gold.resolve() == predicted.resolve():
        typer.echo(f"{gold} is scored against itself", err=True)
    fate = (
        ("scored as all missed", "scored as all wrong")
        if rules.scores_missing
        else ("not scored",) * 2
    )
    without_ann = "not scored" if rules.needs_ann else "read as a note with nothing in it"
    alike = twins(pair)
    names = _names_apart([*pair.missing, *pair.extra])
    for what, items in (
        (f"not in {predicted}, {fate[0]}", [names.get(name, name) for name in pair.missing]),
        (f"not in {gold}, {fate[1]}", [names.get(name, name) for name in pair.extra]),
        (f"no .ann, {without_ann}", [str(path) for side in pair.without_ann for path in side]),
        ("problems in lines or files", [str(problem) for problem in pair.problems]),
        (
            "labels that differ only in case, or in how accents are encoded: scored as different",
            alike,
        ),
    ):
        tell(what, [item for item in items if (what, item) not in said])
        said.update((what, item) for item in items)
    left_out = any(problem.severity == "error" for problem in pair.problems)
    # In gold, a note without .ann has no annotations; in predictions, its answer may be missing.
    unanswered = pair.without_ann[1] and not rules.needs_ann
    return not (pair.missing or pair.extra or unanswered or left_out or alike)


def _names_apart(names: Sequence[str]) -> dict[str, str]:
    """How to show names of notes of which others differ only in case or in the form of accents."""
    told = "(another differs from it only in case, or in how accents are encoded)"
    return {
        name: f"{shown} {told}" for group in label_twins(names) for name, shown in group.items()
    }


def _by_document(counts: _Counts, protocol: str) -> tuple[dict[str, Any], Table]:
    found = {
        name: {
            task: {mode: figures(total(note[task][mode].values())) for mode in MODES}
            for task in TASKS
        }
        for name, note in counts.items()
    }
    return found, terminal.document_table(found, protocol)


def _agreement(found: TokenAgreement) -> tuple[dict[str, Any], Table]:
    return asdict(found), terminal.kappa_table(found)


def _intervals(
    counts: _Counts, protocol: str, seed: int
) -> tuple[dict[str, dict[str, dict[str, Any]]], Table]:
    found: dict[tuple[str, str], dict[str, Interval]] = {
        (task, mode): bootstrap([counts], task, mode, seed=seed) for task in TASKS for mode in MODES
    }
    nested = {
        task: {
            mode: {name: asdict(interval) for name, interval in found[task, mode].items()}
            for mode in MODES
        }
        for task in TASKS
    }
    for task, mode in found:
        sums = total(c for of_note in counts.values() for c in of_note[task][mode].values())
        if sums == Counts():
            # Nothing to find, and nothing found: as in the other tables, there is no score.
            found[task, mode] = {}
    return nested, terminal.interval_table(found, protocol, len(counts))


def _comparison(
    counts: _Counts, second: _Counts, first_name: str, second_name: str, seed: int
) -> tuple[dict[str, dict[str, dict[str, Any]]], list[str]]:
    found: dict[tuple[str, str], Comparison] = {
        (task, mode): compare([counts], [second], task, mode, seed=seed)
        for task in TASKS
        for mode in MODES
    }
    nested = {task: {mode: asdict(found[task, mode]) for mode in MODES} for task in TASKS}
    sentences = [
        f"{task}, {mode}, micro F1: {result.in_words(first_name, second_name)}"
        for (task, mode), result in found.items()
    ]
    return nested, sentences
