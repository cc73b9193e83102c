"""A run killed repeatedly loses no answer, pays for none twice, and ends like any other."""

import json
import random
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.augment.conftest import config_for
from tests.augment.server import Answer, completion, error, serving

N_KILLS = 10

# Forks a run for each delay and kills it after that time; forks, because imports take far longer
# than a run. The last run is not killed, and its duration is printed.
RUNS = """
import os, signal, sys, time
from pathlib import Path
import openai, spacy
from clinical_ie.augment import config, task  # noqa
from clinical_ie.augment.models import openai_compatible  # noqa
from clinical_ie.augment.run import augment
from spacy_llm.registry import registry

registry.llm_models.get_all()
registry.llm_misc.get_all()
spacy.blank("en")
openai.OpenAI(api_key="x").close()
train, out, out_dir, config = map(Path, sys.argv[1:5])
for delay in [float(text) for text in sys.argv[5:]] + [None]:
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        augment(train, out, out_dir, config, 40, seed=0)
        os._exit(0)
    if delay is not None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    print(status, time.monotonic() - began, flush=True)
    sys.stdin.readline()
"""


def script(request: dict[str, Any]) -> Answer:
    """A good answer for two seeds in three; the seed in the text makes every answer unique."""
    seed = request["seed"]
    if seed % 7 == 0:
        return error(500)
    source = request["messages"][-1]["content"].split("\nMarkers to keep:")[0]
    answer = completion(f"On day {seed} {source}" if seed % 3 else f"{seed} lost it.")
    answer.delay = 0.01 + seed % 5 / 100
    return answer


def results(out: Path, out_dir: Path) -> dict[str, Any]:
    """Everything that a run writes, except times and counts of journal use."""
    files = sorted(path for path in (out_dir / "brat").iterdir())
    summary = json.loads((out_dir / "augment.json").read_text())
    for name in ("seconds", "replayed", "cost"):
        del summary[name]
    return {
        "spacy": out.read_bytes(),
        "brat": {path.name: path.read_bytes() for path in files},
        "provenance": (out_dir / "provenance.jsonl").read_text(),
        "summary": summary,
    }


def run(folder: Path, train: Path, config: Path, delays: list[float], on_end: Any) -> None:
    out, out_dir = folder / "augmented.spacy", folder / "augmented"
    arguments = [train, out, out_dir, config, *delays]
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process:
        for line in process.stdout:
            status, seconds = line.split()
            on_end(int(status), float(seconds))
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0


def answers_in(journal: Path) -> set[str]:
    if not journal.is_file():
        return set()
    with sqlite3.connect(journal) as connection:
        try:
            rows = connection.execute("SELECT text FROM responses").fetchall()
        except sqlite3.OperationalError:
            # Killed between creating the file and its table.
            rows = []
    connection.close()
    return {text for (text,) in rows}


def test_killed_ten_times_at_random(
    tmp_path: Path, train: Path, request: pytest.FixtureRequest
) -> None:
    ends: list[tuple[int, float]] = []
    with serving(script) as server:
        config = config_for(tmp_path, server.url)
        whole = tmp_path / "whole"
        run(whole, train, config, [], lambda *end: ends.append(end))
        # Once more, from the journal only: the shortest possible run.
        run(whole, train, config, [], lambda *end: ends.append(end))
        assert [status for status, _ in ends] == [0, 0]
        seconds = ends[1][1]
        expected = results(whole / "augmented.spacy", whole / "augmented")
        asked = len(server.requests)
        assert asked > 20
        server.requests.clear()

        rng = random.Random(request.node.name)
        delays = [rng.uniform(0.05, 0.95) * seconds for _ in range(N_KILLS)]
        killed = tmp_path / "killed"
        finished: list[tuple[int, set[str]]] = []

        def on_end(status: int, seconds: float) -> None:
            ends.append((status, seconds))
            journal = killed / "augmented" / "journal.sqlite"
            finished.append((len(server.requests), answers_in(journal)))

        run(killed, train, config, delays, on_end)
    assert ends[-1][0] == 0
    # On a busy machine, some runs may finish before they are killed.
    assert sum(status == 9 for status, _ in ends) >= 5, ends
    for size, answered in finished:
        for later in server.requests[size:]:
            answer = json.loads(script(later).body)
            if "choices" in answer:
                assert answer["choices"][0]["message"]["content"] not in answered
    # Only requests in flight when the run was killed are repeated.
    successes = [r for r in server.requests if r["seed"] % 7]
    assert len(successes) <= len({json.dumps(r) for r in successes}) + 4 * N_KILLS
    assert results(killed / "augmented.spacy", killed / "augmented") == expected
    left = {path.name for path in (killed / "augmented").iterdir()}
    assert not any(re.match(r"\.augment-", name) for name in left)
