"""Memory of one training step on a note far longer than any window.

    python benchmarks/training_memory.py TRAIN.spacy ENCODER --tokens 9000

The note consists of the corpus's notes, joined, with their mentions and relations. The step is that
of `spacy train` with the default config: the encoder, the BiLSTM, both heads and the optimizer.
--quick uses a tiny encoder and note.
"""

import resource
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from rich.console import Console
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry
from support.tiny import TINY_SETTINGS, tiny_corpus, tiny_encoder

from clinical_ie.corpora.docbin import read_docs
from clinical_ie.doc import Annotations, annotate, annotations_of

CONFIG = Path(__file__).parent.parent / "configs" / "train" / "minilm.cfg"


def main(
    train: Annotated[Path | None, typer.Argument(help="Notes, a .spacy file")] = None,
    encoder: Annotated[str, typer.Argument(help="A folder of weights")] = "assets/models/minilm",
    tokens: Annotated[int, typer.Option(min=1, help="Length of the note")] = 9000,
    quick: Annotated[bool, typer.Option(help="See that it runs")] = False,
) -> None:
    """Print the resident memory before the step, and its peak with it."""
    with tempfile.TemporaryDirectory() as temporary:
        settings: dict[str, Any] = {}
        if quick:
            train = tiny_corpus(Path(temporary)) / "train.spacy"
            encoder, settings, tokens = str(tiny_encoder(Path(temporary))), TINY_SETTINGS, 300
        if train is None:
            raise typer.BadParameter("give TRAIN.spacy, or --quick")
        paths = {"paths.train": str(train), "paths.dev": str(train), "paths.encoder": encoder}
        config = load_config(CONFIG, overrides=paths | settings, interpolate=True)
        nlp = init_nlp(config)
        training = registry.resolve(config["training"], schema=spacy.schemas.ConfigSchemaTraining)
        note = long_note(read_docs(train, nlp.vocab), nlp.tokenizer, tokens)
        example = Example(nlp.make_doc(note.text), note)
        before, start = peak(), time.perf_counter()
        nlp.update([example], sgd=False, losses={}, drop=training["dropout"])
        for _, pipe in nlp.pipeline:
            pipe.finish_update(training["optimizer"])
        Console(width=100).print(
            f"{len(note):,} tokens, {len(note.spans['entities']):,} mentions, "
            f"{len(note._.relations):,} relations: {before:,.0f} MB at most before the step, "
            f"{peak():,.0f} MB with it, {time.perf_counter() - start:.1f} s"
        )


def long_note(docs: list[Doc], tokenizer: Any, tokens: int) -> Doc:
    """The notes, joined and repeated until there are enough tokens."""
    text, mentions, links, length = "", [], [], 0
    for number, doc in enumerate(cycle(docs)):
        if length >= tokens:
            break
        found = annotations_of(doc)
        for mention in found.mentions:
            pieces = tuple((start + len(text), end + len(text)) for start, end in mention.fragments)
            mentions.append(mention._replace(id=f"{number}.{mention.id}", fragments=pieces))
        links += [
            link._replace(head=f"{number}.{link.head}", tail=f"{number}.{link.tail}")
            for link in found.links
        ]
        text += doc.text + "\n"
        length += len(doc)
    joined: Doc = tokenizer(text)
    annotate(joined, Annotations(mentions, links))
    return joined


def peak() -> float:
    """The peak of this process's resident memory, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
