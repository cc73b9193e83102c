"""Unannotated notes, annotated by the vote of several pipelines, to train a smaller one on.

    python benchmarks/teachers.py NOTES.jsonl OUT.spacy --teacher MPNET --teacher MPNET \
        --teacher MINILM --dev DEV.spacy --gold TRAIN.spacy --times 2
    python scripts/train.py CONFIG OUT --train TRAIN.spacy --augmented OUT.spacy …

The score of a mention is the mean over all teachers, 0 for one that does not find it; a teacher
that is named twice counts twice. The best mentions that do not overlap are kept, down to the
threshold with the best strict F1 on dev. The first teacher finds the relations among them. --gold
adds annotated notes, --times that often, so that they are not lost among the others. With --quick,
a tiny pipeline annotates a few words.
"""

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from support.tiny import TEXTS, tiny_corpus, tiny_pipeline

from clinical_ie.annotate import load_pipeline
from clinical_ie.corpora.docbin import DocBinWriter, pack, read_docs
from clinical_ie.doc import Annotations, Mention, annotations_of
from clinical_ie.scoring.evaluation import predict, relate_given
from clinical_ie.terminal.progress import progress_bar

THRESHOLDS = [step / 20 for step in range(2, 13)]
# (start, end, label)
Key = tuple[int, int, str]


def main(
    notes: Annotated[Path | None, typer.Argument(help="JSON Lines with a text each")] = None,
    out: Annotated[Path | None, typer.Argument(help="Annotated notes, .spacy")] = None,
    teacher: Annotated[list[str] | None, typer.Option(help="A trained pipeline")] = None,
    dev: Annotated[Path | None, typer.Option(help="Annotated notes, .spacy")] = None,
    gold: Annotated[Path | None, typer.Option(help="Annotated notes to add, .spacy")] = None,
    times: Annotated[int, typer.Option(min=1, help="How often --gold is added")] = 1,
    at_most: Annotated[
        int | None, typer.Option(min=1, help="Notes to annotate; default: all")
    ] = None,
    quick: Annotated[bool, typer.Option(help="See that it runs")] = False,
) -> None:
    """Print the F1 of each teacher and of their vote on dev, and write the annotated notes."""
    with tempfile.TemporaryDirectory() as temporary:
        teachers = Counter(teacher or ())
        if quick:
            folder = Path(temporary)
            notes, out, dev = folder / "notes.jsonl", folder / "out.spacy", folder / "dev.spacy"
            tiny_corpus(folder)
            teachers = Counter({tiny_pipeline(folder): 2})
            lines_of = [json.dumps({"text": text}) + "\n" for text in TEXTS]
            notes.write_text("".join(lines_of), encoding="utf8")
        if notes is None or out is None or dev is None or not teachers:
            raise typer.BadParameter("give NOTES.jsonl, OUT.spacy, --teacher and --dev, or --quick")
        dev_docs = read_docs(dev)
        texts = _texts(notes, at_most)
        all_texts = {str(n): text for n, text in enumerate([d.text for d in dev_docs] + texts)}
        found = {name: _mentions(name, all_texts) for name in teachers}
        gold_keys = [_keys(annotations_of(doc)) for doc in dev_docs]
        console = Console(width=100)
        for name in teachers:
            alone = [_kept(_vote({name: found[name]}, {name: 1}, n), 0.0) for n in _ids(dev_docs)]
            console.print(f"{name}: {100 * _f1(gold_keys, alone):.2f} strict F1 on dev")
        votes = [_vote(found, teachers, n) for n in all_texts]
        on_dev = votes[: len(dev_docs)]
        best, threshold = max(
            (_f1(gold_keys, [_kept(vote, t) for vote in on_dev]), -t) for t in THRESHOLDS
        )
        console.print(
            f"their vote, from {-threshold:.2f} on: {100 * best:.2f} (chosen on these notes)"
        )
        annotated = [_as_annotations(_kept(v, -threshold)) for v in votes[len(dev_docs) :]]
        _write(next(iter(teachers)), texts, annotated, out, gold, times, console)


def _texts(notes: Path, at_most: int | None) -> list[str]:
    texts = []
    with notes.open(encoding="utf8") as lines:
        for number, line in enumerate(islice(lines, at_most), start=1):
            try:
                texts.append(str(json.loads(line)["text"]))
            except (KeyError, TypeError, ValueError) as error:
                raise typer.BadParameter(
                    f'{notes}:{number}: expected {{"text": …}} ({error!r})'
                ) from error
    return texts


def _mentions(pipeline: str, texts: Mapping[str, str]) -> dict[str, Annotations]:
    nlp = load_pipeline(pipeline, -1)
    with progress_bar() as bar, nlp.select_pipes(disable=["clinical_relations"]):
        task = bar.add_task(Path(pipeline).parent.name, total=len(texts))
        return predict(nlp, texts, lambda: bar.advance(task))


def _vote(
    found: Mapping[str, Mapping[str, Annotations]], weights: Mapping[str, int], note: str
) -> dict[Key, float]:
    total = sum(weights[name] for name in found)
    scores: dict[Key, float] = defaultdict(float)
    for name, of_teacher in found.items():
        for mention in of_teacher[note].mentions:
            scores[mention.start, mention.end, mention.label] += (
                weights[name] * mention.score / total
            )
    return scores


def _kept(scores: Mapping[Key, float], threshold: float) -> list[Key]:
    """The most probable mentions, none of which overlap."""
    kept: list[Key] = []
    for key in sorted(scores, key=lambda key: (-scores[key], key)):
        if scores[key] >= threshold and not any(key[0] < b and a < key[1] for a, b, _ in kept):
            kept.append(key)
    return sorted(kept)


def _f1(gold: Sequence[Counter[Key]], predicted: Iterable[list[Key]]) -> float:
    right = total = 0
    for of_gold, of_note in zip(gold, predicted, strict=True):
        right += (of_gold & Counter(of_note)).total()
        total += of_gold.total() + len(of_note)
    return 2 * right / max(1, total)


def _keys(annotations: Annotations) -> Counter[Key]:
    return Counter((m.start, m.end, m.label) for m in annotations.mentions)


def _ids(docs: Sequence[object]) -> list[str]:
    return [str(number) for number in range(len(docs))]


def _as_annotations(keys: list[Key]) -> Annotations:
    return Annotations(
        [Mention(f"T{n}", label, ((a, b),)) for n, (a, b, label) in enumerate(keys, start=1)]
    )


def _write(
    relating: str,
    texts: list[str],
    annotated: list[Annotations],
    out: Path,
    gold: Path | None,
    times: int,
    console: Console,
) -> None:
    """Find relations among the given mentions, and write all notes."""
    nlp = load_pipeline(relating, -1)
    of_note = dict(zip(_ids(texts), annotated, strict=True))
    n_mentions = n_relations = 0
    with DocBinWriter(out) as writer:
        for _, doc in relate_given(nlp, of_note, dict(zip(of_note, texts, strict=True))):
            n_mentions += len(doc.spans["entities"])
            n_relations += len(doc._.relations)
            writer.add(pack(doc))
        for doc in read_docs(gold) * times if gold else ():
            writer.add(pack(doc))
    console.print(f"{len(texts)} notes: {n_mentions:,} mentions, {n_relations:,} relations")


if __name__ == "__main__":
    typer.run(main)
