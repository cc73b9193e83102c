"""Speed of training, compared with spaCy's stock components, and the share of the heads in it.

    python benchmarks/training_speed.py TRAIN.spacy ENCODER [--turns 6]

Both sides take steps in turn on the same notes, in one process: the project's default config, and
configs/train/stock.cfg with the same encoder. The steps are those of `spacy train`. Processor time
is measured, which other work on the machine disturbs little. --quick uses a tiny encoder.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import spacy
import torch
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry, resolve_dot_names
from support.tiny import TINY_SETTINGS, tiny_corpus, tiny_encoder

CONFIGS = Path(__file__).parent.parent / "configs" / "train"
SIDES = {"minilm": "the pipeline", "stock": "spaCy's transformer + ner"}


def main(
    train: Annotated[Path | None, typer.Argument(help="Notes, a .spacy file")] = None,
    encoder: Annotated[str, typer.Argument(help="A folder of weights")] = "assets/models/minilm",
    turns: Annotated[int, typer.Option(min=1, help="Steps of each side that are counted")] = 6,
    quick: Annotated[bool, typer.Option(help="See that it runs")] = False,
) -> None:
    """Print words per second of each side, and where the pipeline's time goes."""
    with tempfile.TemporaryDirectory() as temporary:
        settings: dict[str, Any] = {}
        if quick:
            train = tiny_corpus(Path(temporary)) / "train.spacy"
            encoder, settings, turns = str(tiny_encoder(Path(temporary))), TINY_SETTINGS, 1
        if train is None:
            raise typer.BadParameter("give TRAIN.spacy, or --quick")
        steps = {
            name: stepper(name, train, encoder, settings if name == "minilm" else {})
            for name in SIDES
        }
        seconds, words = dict.fromkeys(SIDES, 0.0), dict.fromkeys(SIDES, 0)
        shares: dict[str, float] = {}
        for turn in range(turns + 1):
            for name, step in steps.items():
                n_words, took, parts = step()
                # The first step of each includes work that is done only once.
                if turn:
                    seconds[name] += took
                    words[name] += n_words
                    for part, value in parts.items():
                        shares[part] = shares.get(part, 0.0) + value
    print_table(seconds, words, shares)


def stepper(
    name: str, train: Path, encoder: str, settings: dict[str, Any]
) -> Callable[[], tuple[int, float, dict[str, float]]]:
    """Make a function that takes one step, and returns words, seconds, and seconds by part."""
    paths = {"paths.train": str(train), "paths.dev": str(train), "paths.encoder": encoder}
    config = load_config(CONFIGS / f"{name}.cfg", overrides=paths | settings, interpolate=True)
    nlp = init_nlp(config)
    training = registry.resolve(config["training"], schema=spacy.schemas.ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
    batches = iter(training["batcher"](repeat(corpus, nlp)))
    parts: dict[str, float] = {}
    if nlp.has_pipe("tok2vec"):
        watch(nlp, parts)

    def step() -> tuple[int, float, dict[str, float]]:
        batch = next(batches)
        parts.clear()
        start = time.process_time()
        nlp.update(batch, sgd=False, losses={}, drop=training["dropout"])
        for _, pipe in nlp.pipeline:
            if hasattr(pipe, "finish_update"):
                pipe.finish_update(training["optimizer"])
        seconds = time.process_time() - start
        return sum(len(eg.predicted.text.split()) for eg in batch), seconds, dict(parts)

    return step


def repeat(corpus: Callable[[Language], Any], nlp: Language) -> Any:
    """The notes, repeated endlessly."""
    while True:
        yield from (Example(nlp.make_doc(eg.reference.text), eg.reference) for eg in corpus(nlp))


def watch(nlp: Language, parts: dict[str, float]) -> None:
    """Time the encoder's two passes and the optimizer; the rest of a step is the heads'."""
    encoder = nlp.get_pipe("tok2vec").model
    forward = encoder._func

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            result = call(*args, **kwargs)
            parts[name] = parts.get(name, 0.0) + time.process_time() - start
            return result

        return run

    def watched(model: Any, docs: Any, is_train: bool) -> Any:
        output, backprop = timed("encoder, forward", forward)(model, docs, is_train)
        return output, timed("encoder, backward", backprop)

    encoder._func = watched
    for _, pipe in nlp.pipeline:
        pipe.finish_update = timed("optimizer", pipe.finish_update)


def print_table(seconds: dict[str, float], words: dict[str, int], shares: dict[str, float]) -> None:
    """Print the speeds, then the parts of the pipeline's step."""
    console = Console(width=100)
    table = Table(title=f"training, {torch.get_num_threads()} threads, processor time")
    for column in ("side", "words", "seconds", "words/s"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for name, label in SIDES.items():
        rate = words[name] / seconds[name]
        table.add_row(label, str(words[name]), f"{seconds[name]:.2f}", f"{rate:.0f}")
    console.print(table)
    rates = {name: words[name] / seconds[name] for name in SIDES}
    console.print(f"the pipeline learns {rates['minilm'] / rates['stock']:.2f} times as fast")
    total = seconds["minilm"]
    told = ", ".join(f"{part} {value / total:.0%}" for part, value in shares.items())
    console.print(f"of its step: {told}, both heads {1 - sum(shares.values()) / total:.0%}")


if __name__ == "__main__":
    typer.run(main)
