"""The report of many notes: its size, and how fast a filter responds in a real web browser.

    python benchmarks/report.py [--quick]

Notes come from the demo generator; the predictions of two arms are their gold annotations with
seeded errors. Without Chromium on this machine, the filter is not measured.
"""

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from clinical_ie.brat import list_notes, read_note
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.corpora.synthetic import write_corpus
from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.report.metrics import arm_metrics
from clinical_ie.report.page import write_page
from clinical_ie.report.predictions import write_predictions
from clinical_ie.scoring import score
from clinical_ie.scoring.evaluation import Evaluation

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# From the change of a filter to the frame that shows its answer.
MEASURE = """(index) => new Promise((done) => {
  const select = document.getElementById("f-kind");
  select.selectedIndex = index;
  const start = performance.now();
  select.dispatchEvent(new Event("change"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start), 0));
})"""


def main(
    notes: Annotated[int, typer.Option(min=1, help="Notes in the report")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Filters that are tried")] = 20,
    quick: Annotated[bool, typer.Option("--quick", help="A few notes, for CI")] = False,
) -> None:
    """Print seconds to write the report, its megabytes, and milliseconds of a filter."""
    if quick:
        notes, rounds = 6, 3
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_corpus(folder / "corpus", 0, {"train": 1, "dev": 1, "test": notes})
        gold, texts = {}, {}
        for path in list_notes(folder / "corpus" / "test"):
            note = read_note(path, folder / "corpus" / "test")
            gold[note.name], texts[note.name] = note_to_annotations(note)[0], note.text
        for arm, seed in (("no_aug", 1), ("with_aug", 2)):
            _write_arm(folder / "metrics", arm, gold, texts, Random(seed))
        page = folder / "index.html"
        start = time.perf_counter()
        write_page(folder / "metrics", folder / "none.json", folder, page)
        table = Table(title=f"a report of {notes} notes, two arms")
        for column in ("what", "value"):
            table.add_column(column, justify="left" if column == "what" else "right")
        table.add_row("written in", f"{time.perf_counter() - start:.1f} s")
        table.add_row("size", f"{page.stat().st_size / 1e6:.1f} MB")
        for what, value in _filter_times(page, rounds).items():
            table.add_row(what, value)
    Console(width=100).print(table)


def _filter_times(page: Path, rounds: int) -> dict[str, str]:
    if CHROMIUM is None:
        return {"filter": "not measured: no Chromium here"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        start = time.perf_counter()
        opened.goto(page.as_uri())
        loaded = time.perf_counter() - start
        errors = opened.locator("#count").inner_text()
        kinds = opened.locator("#f-kind option").count()
        times = [opened.evaluate(MEASURE, i % kinds) for i in range(rounds)]
        browser.close()
    return {
        "opened in": f"{loaded:.1f} s",
        "errors of an arm": errors.split()[-1],
        "filter, median": f"{statistics.median(times):.0f} ms",
        "filter, slowest": f"{max(times):.0f} ms",
    }


def _write_arm(
    folder: Path, arm: str, gold: dict[str, Annotations], texts: dict[str, str], random: Random
) -> None:
    predicted = {name: _perturbed(found, random) for name, found in gold.items()}
    scores = score(gold, predicted, texts=texts)
    evaluation = Evaluation(
        scores, scores["relations"], predicted, texts, 1.0, 1, None, gold=gold, given=predicted
    )
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    write_predictions(evaluation, folder / "predictions" / f"{arm}.jsonl")
    pipeline = {"name": "made up", "version": "0"}
    metrics = arm_metrics(evaluation, split="test", fallback=False, pipeline=pipeline)
    (folder / f"{arm}.json").write_text(json.dumps(metrics), encoding="utf8")


def _perturbed(found: Annotations, random: Random) -> Annotations:
    mentions = []
    for mention in found.mentions:
        (start, end), *more = mention.fragments
        draw = random.random()
        if draw < 0.1:
            continue
        label = random.choice(found.mentions).label if draw < 0.2 else mention.label
        end += 4 if draw > 0.85 else 0
        mentions.append(Mention(mention.id, label, ((start, end), *more), random.random()))
    ids = {mention.id for mention in mentions}
    links = [
        Link(link.label, link.head, link.tail, random.random())
        for link in found.links
        if {link.head, link.tail} <= ids and random.random() > 0.2
    ]
    return Annotations(mentions, links)


if __name__ == "__main__":
    typer.run(main)
