"""edsnlp's transformer and CRF, trained on the same notes and scored like the project's model.

    python benchmarks/edsnlp_crf.py CORPUS_DIR ENCODER [--steps 800] [--quick]

CORPUS_DIR holds train, dev and test `.spacy` files, ENCODER is a folder of weights. edsnlp is not a
dependency: `pip install -c constraints.txt "edsnlp[ml]"`; without it, nothing is measured. It uses
its own tokenizer, trainer and default windows (128, stride 96), and one tag sequence per label, as
its authors do. Words per step and learning rates are those of `configs/train/minilm.cfg`. The best
step is chosen on dev; test is scored once, by the project's own protocol.
"""

import importlib.util
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from spacy.tokens import Doc
from support.tiny import tiny_corpus, tiny_encoder

from clinical_ie.corpora.docbin import read_docs
from clinical_ie.doc import Annotations, Mention, annotations_of
from clinical_ie.scoring import DEFAULT_PROTOCOL, score

WORDS = 700
ENCODER_RATE, HEAD_RATE = 2e-4, 2e-3
GOLD = "gold"


def main(
    corpus: Annotated[Path | None, typer.Argument(help="Folder of .spacy files")] = None,
    encoder: Annotated[Path | None, typer.Argument(help="Folder of an encoder's weights")] = None,
    steps: Annotated[int, typer.Option(min=4, help="Steps of training")] = 800,
    seed: Annotated[int, typer.Option(help="Draws weights and the order of notes")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A tiny corpus, for CI")] = False,
) -> None:
    """Print micro F1 of mentions on dev and test, and the processor time of training."""
    console = Console()
    if importlib.util.find_spec("edsnlp") is None:
        console.print("edsnlp is not installed: nothing to compare with")
        return
    with tempfile.TemporaryDirectory() as folder:
        if quick:
            corpus, encoder, steps = tiny_corpus(Path(folder)), tiny_encoder(Path(folder)), 4
        if corpus is None or encoder is None:
            raise typer.BadParameter("give CORPUS and ENCODER, or --quick")
        notes = {split: read_docs(corpus / f"{split}.spacy") for split in ("train", "dev", "test")}
        console.print(_table(notes, encoder, steps, seed, Path(folder)))


def _table(
    notes: dict[str, list[Doc]], encoder: Path, steps: int, seed: int, folder: Path
) -> Table:
    import edsnlp
    import edsnlp.pipes as eds
    from edsnlp.training import ScheduledOptimizer, train

    nlp = edsnlp.blank("eds")
    nlp.add_pipe(
        eds.ner_crf(
            embedding=eds.transformer(model=str(encoder), window=128, stride=96),
            mode="joint",
            target_span_getter=GOLD,
            span_setter={"found": True},
            window=10,
        ),
        name="ner",
    )
    scored: list[tuple[float, int]] = []
    evaluating = 0.0

    def on_validation(metrics: dict[str, Any]) -> None:
        nonlocal evaluating
        began = time.process_time()
        nlp.train(False)
        scored.append((_figures(nlp, notes["dev"])[0], metrics["step"]))
        if scored[-1] == max(scored):
            nlp.to_disk(folder / "best")
        nlp.train(True)
        evaluating += time.process_time() - began

    began = time.process_time()
    train(
        nlp=nlp,
        train_data={
            "data": edsnlp.data.from_iterable([_with_gold(nlp, doc) for doc in notes["train"]]),
            "batch_size": f"{WORDS} ner_words",
            "shuffle": "dataset",
            # If no pipes are named, none learn their labels.
            "pipe_names": ["ner"],
        },
        optimizer=ScheduledOptimizer(
            optim="adamw",
            module=nlp,
            total_steps=steps,
            groups=[
                {"selector": "transformer", "lr": _schedule(ENCODER_RATE)},
                {"selector": "", "lr": _schedule(HEAD_RATE)},
            ],
        ),
        max_steps=steps,
        seed=seed,
        validation_interval=max(1, steps // 4),
        save_model=False,
        logger=False,
        cpu=True,
        output_dir=folder / "artifacts",
        on_validation_callback=on_validation,
    )
    seconds = time.process_time() - began - evaluating
    best = edsnlp.load(folder / "best")
    table = Table(title=f"edsnlp's CRF, {steps} steps, seed {seed}: {DEFAULT_PROTOCOL}, micro F1")
    for column in ("split", "best step", "NER strict", "NER lenient", "training, s"):
        table.add_column(column)
    for split in ("dev", "test"):
        strict, lenient = _figures(best, notes[split])
        step = f"{max(scored)[1]}"
        table.add_row(split, step, f"{strict:.2f}", f"{lenient:.2f}", f"{seconds:.0f}")
    return table


def _schedule(rate: float) -> dict[str, Any]:
    return {"@schedules": "linear", "start_value": 0.0, "max_value": rate, "warmup_rate": 0.05}


def _with_gold(nlp: Any, doc: Doc) -> Doc:
    """The same note in edsnlp's tokens, with each mention expanded to the tokens it touches."""
    new = nlp.make_doc(doc.text)
    spans = (
        new.char_span(mention.start, mention.end, mention.label, alignment_mode="expand")
        for mention in annotations_of(doc).mentions
    )
    new.spans[GOLD] = [span for span in spans if span is not None]
    return new


def _figures(nlp: Any, docs: Iterable[Doc]) -> tuple[float, float]:
    """Strict and lenient micro F1 of mentions, in percent."""
    gold, found, texts = {}, {}, {}
    for number, doc in enumerate(docs):
        gold[f"{number}"] = annotations_of(doc)
        texts[f"{number}"] = doc.text
        predicted = nlp(doc.text)
        found[f"{number}"] = Annotations([
            Mention(f"T{place}", span.label_, ((span.start_char, span.end_char),))
            for place, span in enumerate(predicted.spans.get("found", []))
        ])  # fmt: skip
    # With the text, a mention that is split only at a line break is one piece, as in edsnlp.
    entities = score(gold, found, texts=texts)["entities"]
    return 100 * entities["strict"]["micro"]["f1"], 100 * entities["lenient"]["micro"]["f1"]


if __name__ == "__main__":
    typer.run(main)
