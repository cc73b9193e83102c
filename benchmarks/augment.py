"""Speed and memory of the augmenter, without the time of a language model.

    python benchmarks/augment.py [--quick]

Measured on made-up notes: segments per second with a server on the loopback address that answers
after a fifth of a second, compared with spacy-llm's own REST model in the same run; segments per
second with a model that takes no time; and the memory of a run over very many segments.
"""

import asyncio
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from spacy.tokens import Doc
from spacy_llm.models.rest.openai.model import OpenAI
from spacy_llm.registry import registry

from clinical_ie.augment.models.openai_compatible import make_openai_compatible
from clinical_ie.augment.prompt import Prompt
from clinical_ie.augment.run import augment
from clinical_ie.augment.segment import segment_to_doc, segments_of
from clinical_ie.augment.task import make_structured_rewrite
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp, make_doc
from clinical_ie.doc import Annotations, Link, Mention

DELAY = 0.2
IN_FLIGHT = 16
DRUGS = ["aspirin", "heparin", "metformin", "lisinopril", "warfarin", "insulin", "prednisone"]
REASONS = ["pain", "fever", "hypertension", "diabetes", "edema", "anxiety", "nausea", "arthritis"]
CONFIG = """
[paths]
train = null
journal = null

[augment]
tries = 2
max_words = 40
batch_size = 64

[nlp]
lang = "en"
pipeline = ["llm"]

[components]

[components.llm]
factory = "llm"

[components.llm.task]
@llm_tasks = "clinical_ie.StructuredRewrite.v1"
terms = ${paths.train}

[components.llm.model]
@llm_models = "clinical_ie.Journaled.v1"
path = ${paths.journal}

[components.llm.model.model]
@llm_models = "benchmarks.Instant.v1"
"""


def main(
    segments: Annotated[int, typer.Option(min=16, help="Segments for the server")] = 1000,
    stock: Annotated[int, typer.Option(min=2, help="Segments for spacy-llm's own model")] = 50,
    notes: Annotated[int, typer.Option(min=10, help="Notes of the run without a model")] = 5000,
    many: Annotated[int, typer.Option(min=10, help="Notes of the run for memory")] = 20000,
    quick: Annotated[bool, typer.Option("--quick", help="Small numbers, for CI")] = False,
) -> None:
    """Print three tables."""
    if quick:
        segments, stock, notes, many = 96, 4, 60, 200
    console = Console()
    console.print(_server_table(segments, stock))
    with tempfile.TemporaryDirectory() as folder:
        console.print(_instant_table(Path(folder), notes))
    with tempfile.TemporaryDirectory() as folder:
        console.print(_memory_table(Path(folder), many))


def _server_table(segments: int, stock: int) -> Table:
    docs = [
        segment_to_doc(corpus_nlp(), segment)
        for note in _notes(segments)
        for segment in segments_of(note, 40)[0][:1]
    ]
    task = make_structured_rewrite()
    with _server() as url:
        model = make_openai_compatible("m", f"{url}/v1", in_flight=IN_FLIGHT)
        began = time.perf_counter()
        answers = model([[prompt] for prompt in task.generate_prompts(docs)])
        rewritten = sum(1 for _ in task.parse_responses(docs, answers))
        ours = time.perf_counter() - began
        own = _Stock("m", f"{url}/v1/chat/completions", {}, True, 1, 1.0, 30.0, context_length=4096)
        began = time.perf_counter()
        answers = own([[prompt] for prompt in task.generate_prompts(docs[:stock])])
        parsed = sum(1 for _ in task.parse_responses(docs[:stock], answers))
        theirs = time.perf_counter() - began
    assert (rewritten, parsed) == (segments, stock)
    ideal = segments * DELAY / IN_FLIGHT
    table = Table(title=f"A server that answers after {DELAY} s, {IN_FLIGHT} in flight")
    for column in ("model", "segments", "seconds", "segments/s", "of the ideal", "times stock"):
        table.add_column(column)
    speeds = segments / ours, stock / theirs
    table.add_row(
        "clinical_ie.OpenAICompatible.v1",
        f"{segments}",
        f"{ours:.2f}",
        f"{speeds[0]:.1f}",
        f"{ideal / ours:.3f}",
        f"{speeds[0] / speeds[1]:.1f}",
    )
    table.add_row("spacy-llm's REST", f"{stock}", f"{theirs:.2f}", f"{speeds[1]:.1f}", "", "1")
    return table


def _instant_table(folder: Path, notes: int) -> Table:
    seconds = {}
    for per_note in (1, 4):
        _prepare(folder, notes, per_note)
        began = os.times()
        outcome = augment(
            folder / "train.spacy",
            folder / f"{per_note}.spacy",
            folder / f"{per_note}",
            folder / "instant.cfg",
            notes,
            seed=0,
        )
        ended = os.times()
        took = ended.user - began.user, ended.system - began.system
        seconds[per_note] = (outcome.rewrites, *took)
    table = Table(title="Everything but the model: from the training notes to the brat folder")
    # User and system time apart: two files are written per note, whose cost is the file system's.
    columns = ("segments of a new note", "rewritten", "user s", "system s", "segments/s")
    for column in columns:
        table.add_column(column)
    for per_note, (rewritten, user, system) in seconds.items():
        speed = f"{rewritten / (user + system):.0f}"
        table.add_row(f"{per_note}", f"{rewritten}", f"{user:.2f}", f"{system:.2f}", speed)
    return table


def _memory_table(folder: Path, notes: int) -> Table:
    """Resident memory at every tenth of a run over five segments per note."""
    _prepare(folder, notes, 1)
    made = count(1)
    wanted = 5 * notes
    resident: list[tuple[int, float]] = []

    def on_accepted() -> None:
        number = next(made)
        if number % (wanted // 10) == 0:
            resident.append((number, _resident_mb()))

    paths = [folder / name for name in ("train.spacy", "out.spacy", "out", "instant.cfg")]
    augment(*paths, wanted, seed=0, on_accepted=on_accepted)
    table = Table(title=f"Memory over {wanted:,} segments")
    table.add_column("segments")
    table.add_column("resident, MB")
    for number, megabytes in resident:
        table.add_row(f"{number:,}", f"{megabytes:.0f}")
    return table


def _prepare(folder: Path, notes: int, per_note: int) -> None:
    write_docs(_notes(notes), folder / "train.spacy")
    settings = f"batch_size = 64\nsegments_per_note = {per_note}\nmin_mentions = 1"
    (folder / "instant.cfg").write_text(CONFIG.replace("batch_size = 64", settings))


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status says nothing of VmRSS")


def _notes(size: int) -> Iterator[Doc]:
    """Short notes of five sentences, each with a drug, its strength and its reason."""
    rng = random.Random(0)
    for number in range(size):
        text, annotations = "", Annotations()
        for line in range(5):
            drug, reason = rng.choice(DRUGS), rng.choice(REASONS)
            terms = [
                ("Drug", drug),
                ("Strength", f"{rng.randrange(5, 500, 5)} mg"),
                ("Reason", reason),
            ]
            sentence = "Visit {}: she was given {} {} by mouth because of {} that day.\n"
            sentence = sentence.format(line, *(f"<{term}>" for _, term in terms))
            for place, (label, term) in enumerate(terms):
                before, _, after = sentence.partition(f"<{term}>")
                sentence = f"{before}{term}{after}"
                start = len(text) + len(before)
                id_ = f"T{3 * line + place + 1}"
                annotations.mentions.append(Mention(id_, label, ((start, start + len(term)),)))
            ids = [mention.id for mention in annotations.mentions[-3:]]
            annotations.links += [
                Link("Strength-Drug", ids[1], ids[0]),
                Link("Reason-Drug", ids[2], ids[0]),
            ]
            text += sentence
        yield make_doc(corpus_nlp(), text, annotations, f"{number:06}")


def _rewritten(source: str) -> str:
    return source.replace("she was given", "he then received").replace("that day", "at that time")


class _Instant:
    """A model that takes no time, and whose answers pass every filter."""

    fingerprint = "instant"

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for group in prompts:
            yield [_rewritten(Prompt.of(prompt).source) for prompt in group]


registry.llm_models("benchmarks.Instant.v1", func=_Instant)


class _Stock(OpenAI):
    """spacy-llm's own model, without its request to the vendor at start-up."""

    @property
    def credentials(self) -> dict[str, str]:
        return {}

    def _verify_auth(self) -> None:
        pass


@contextmanager
def _server() -> Iterator[str]:
    """A server in its own process, so that its work does not slow this one."""
    ready, port = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ready.recv()}"
    process.terminate()
    process.join()


def _serve(port: object) -> None:
    asyncio.run(_serve_forever(port))


async def _serve_forever(port: object) -> None:
    server = await asyncio.start_server(_answer_all, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
    await server.serve_forever()


async def _answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        lines = head.decode("latin1").lower().split("\r\n")
        size = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        request = json.loads(await reader.readexactly(size))
        await asyncio.sleep(DELAY)
        source = request["messages"][-1]["content"].split("\nMarkers to keep:")[-2].split("\n")[-1]
        message = {"role": "assistant", "content": _rewritten(source)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            + f"{len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()


if __name__ == "__main__":
    typer.run(main)
