"""The effect of each part of the model: one setting is changed at a time, and scored on dev.

    python benchmarks/ablations.py CORPUS_DIR ENCODER OUT --steps 600 --only baseline --only flat

CORPUS_DIR holds train.spacy and dev.spacy; test.spacy is never read. Every run writes a JSON file
to OUT, and runs that have one are not repeated, so an interrupted script continues. The variant
`baseline` is the default of the project. --quick takes two steps on two made-up notes.
"""

import json
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from support.tiny import TINY_SETTINGS, tiny_corpus, tiny_encoder

from clinical_ie.annotate import load_pipeline
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.scoring.evaluation import evaluate
from clinical_ie.training.run import train_pipeline

CONFIG = Path(__file__).parent.parent / "configs" / "train" / "minilm.cfg"
ENCODER = "components.tok2vec.model"
NER = "components.clinical_ner"
RELATIONS = "components.clinical_relations"

VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "flat tags": {f"{NER}.overlapping": False},
    "no BiLSTM": {f"{ENCODER}.lstm_depth": 0},
    "window 128": {f"{ENCODER}.window": 128},
    "window 512": {f"{ENCODER}.window": 512},
    "context 32": {f"{ENCODER}.context": 32},
    "context 64": {f"{ENCODER}.context": 64},
    "candidates 40": {f"{RELATIONS}.max_distance": 40},
    "relations of gold mentions alone": {f"{RELATIONS}.predicted_share": 0.0},
    "no masking": {f"{ENCODER}.mask_share": 0.0},
    "spaCy's tokenizer": {"nlp.tokenizer.@tokenizers": "spacy.Tokenizer.v1"},
}


def run_variant(
    settings: dict[str, Any], corpus: Path, encoder: str, out: Path, steps: int, seed: int
) -> dict[str, Any]:
    """Train one variant and score it on dev.

    RETURNS (dict[str, Any]): F1 in percent by name, and the seconds that training took.
    """
    overrides = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "paths.encoder": encoder,
        "system.seed": seed,
        "training.max_steps": steps,
        "training.eval_frequency": max(1, steps // 3),
        **settings,
    }
    start = time.perf_counter()
    train_pipeline(CONFIG, out, overrides, -1)
    seconds = time.perf_counter() - start
    nlp = load_pipeline(str(out / "model-best"), -1)
    found = evaluate(nlp, read_docs(corpus / "dev.spacy"))
    shutil.rmtree(out)
    strict, lenient = (
        {task: 100 * found.scores[task][mode]["micro"]["f1"] for task in ("entities", "relations")}
        for mode in ("strict", "lenient")
    )
    return {
        "NER strict": strict["entities"],
        "NER lenient": lenient["entities"],
        "RE gold entities": 100 * found.gold_entity_relations["strict"]["micro"]["f1"],
        "RE end-to-end": strict["relations"],
        "training, s": seconds,
    }


def main(
    corpus: Annotated[Path | None, typer.Argument(help="Holds train.spacy and dev.spacy")] = None,
    encoder: Annotated[str, typer.Argument(help="A folder of weights")] = "assets/models/minilm",
    out: Annotated[Path, typer.Argument(help="Gets a JSON for each run")] = Path("ablations"),
    steps: Annotated[int, typer.Option(help="Training steps of each run")] = 600,
    seed: Annotated[list[int] | None, typer.Option(help="Once for each seed")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Variants; default: all")] = None,
    quick: Annotated[bool, typer.Option(help="See that it runs")] = False,
) -> None:
    """Run the variants that have no result yet, and print all results."""
    if quick:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            tiny = str(tiny_encoder(folder))
            print_rows([
                {"variant": "baseline", **run_variant(TINY_SETTINGS, tiny_corpus(folder), tiny,
                                                      folder / "run", 2, 0)}
            ])  # fmt: skip
        return
    if corpus is None:
        raise typer.BadParameter("give CORPUS_DIR, or --quick")
    unknown = set(only or ()) - set(VARIANTS)
    if unknown:
        typer.echo(
            f"ablations: no variant {sorted(unknown)}; there are {sorted(VARIANTS)}", err=True
        )
        raise typer.Exit(1)
    for name in only or VARIANTS:
        for number in seed or [0]:
            record = out / f"{re.sub('[^A-Za-z0-9]+', '-', name)}.{steps}.{number}.json"
            if record.exists():
                continue
            out.mkdir(parents=True, exist_ok=True)
            folder = record.with_suffix("")
            result = run_variant(VARIANTS[name], corpus, encoder, folder, steps, number)
            row = {"variant": name, "steps": steps, "seed": number, **result}
            record.write_text(json.dumps(row, indent=2) + "\n", encoding="utf8")
    print_rows([json.loads(path.read_text("utf8")) for path in sorted(out.glob("*.json"))])


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print one row per run."""
    table = Table(title="dev, one-to-one, micro F1 in percent; relations strict")
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "variant" else "right")
    for row in rows:
        table.add_row(*(f"{v:.1f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
