"""Complete runs of the step with a model behind a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from clinical_ie.augment.run import augment
from clinical_ie.corpora.docbin import read_docs, write_docs
from clinical_ie.doc import Annotations, Mention, annotate
from tests.augment.conftest import config_for
from tests.augment.server import Answer, completion, error, serving
from tests.conftest import note, run_script


def test_a_wrong_key_ends_the_script_with_one_line(train: Path, tmp_path: Path) -> None:
    with serving(lambda _: error(401)) as server:
        config = config_for(tmp_path, server.url)
        out = tmp_path / "out.spacy"
        result = run_script("augment.py", train, out, tmp_path / "out", "--config", config)
    assert result.exit_code == 1
    [line] = [line for line in result.output.splitlines() if line.startswith("augment: ")]
    assert "the server does not take this key (HTTP 401)" in line
    assert "Traceback" not in result.output
    assert not out.exists()


def test_a_run_without_a_new_note_is_no_success(train: Path, tmp_path: Path) -> None:
    with serving(lambda _: completion(None)) as server:
        config = config_for(tmp_path, server.url)
        paths = train, tmp_path / "out.spacy", tmp_path / "out"
        result = run_script("augment.py", *paths, "--config", config, "--n-augmented", 1)
    assert result.exit_code == 1
    assert "no new note at all" in result.stderr
    # An empty table is not printed.
    assert "Rewrites" not in result.stdout
    assert "dropped: no content" in result.output
    assert (tmp_path / "out" / "augment.json").is_file()


def test_a_run_that_ends_at_max_requests_tells_how_to_go_on(train: Path, tmp_path: Path) -> None:
    with serving(lambda _: completion(None)) as server:
        config = config_for(tmp_path, server.url)
        text = config.read_text().replace("[augment]", "[augment]\nmax_requests = 1")
        config.write_text(text)
        paths = train, tmp_path / "out.spacy", tmp_path / "out"
        result = run_script("augment.py", *paths, "--config", config, "--n-augmented", 2)
    # Without --force, weasel sees no change and skips the step.
    assert "ended at max_requests = 1; run again (weasel: with --force" in result.output


def test_a_run_against_a_server_that_fails_now_and_then(train: Path, tmp_path: Path) -> None:
    answers = iter([error(500), completion(None), completion("[[" * 9), error(429)])

    def script(request: dict[str, Any]) -> Answer:
        source = request["messages"][-1]["content"].split("\nMarkers")[0]
        return next(answers, completion(f"Today {source}"))

    with serving(script) as server:
        config = config_for(tmp_path, server.url)
        outcome = augment(train, tmp_path / "o.spacy", tmp_path / "o", config, 3, seed=0)
    assert outcome.accepted == 3
    assert {reason: dropped.answers for reason, dropped in outcome.dropped.items()} == {
        "server error (HTTP 500)": 1,
        "no content": 1,
        "malformed marker": 1,
        "too many requests (HTTP 429)": 1,
    }
    assert len(read_docs(tmp_path / "o.spacy")) == 3


@pytest.mark.parametrize(
    ("usages", "cost", "told", "untold"),
    [
        ([None, None, None], None, "cost: not known", 3),
        ([{"prompt_tokens": "100", "completion_tokens": "10"}] * 3, None, "cost: not known", 3),
        ([{"prompt_tokens": 9, "completion_tokens": 1}, None, None], 1e-5, "cost: 0.0000", 2),
    ],
)
def test_tokens_that_the_server_does_not_tell_cost_not_nothing(
    usages: list[object], cost: float | None, told: str, untold: int, train: Path, tmp_path: Path
) -> None:
    waiting = iter(usages)

    def script(request: dict[str, Any]) -> Answer:
        source = request["messages"][-1]["content"].split("\nMarkers")[0]
        answer = completion(f"Today {source}")
        answer.body = json.dumps(json.loads(answer.body) | {"usage": next(waiting)}).encode()
        return answer

    with serving(script) as server:
        config = config_for(tmp_path, server.url)
        prices = "prompt_price = 1.0\ncompletion_price = 1.0"
        config.write_text(config.read_text().replace("[augment]", f"[augment]\n{prices}"))
        paths = train, tmp_path / "out.spacy", tmp_path / "out"
        result = run_script("augment.py", *paths, "--config", config, "--n-augmented", 3)
    assert told in result.output
    assert f"{untold} answers came without their number of tokens" in result.output
    summary = json.loads((tmp_path / "out" / "augment.json").read_text())
    assert summary["tokens"]["untold"] == untold
    assert summary["cost"] == {"all": cost, "this_run": cost}


def test_segments_that_no_model_sees_are_told(tmp_path: Path) -> None:
    doc = note("Pain here and there.", ("Sign", "Pain"))
    annotate(doc, Annotations([Mention("T1", "Sign", ((0, 4), (14, 19)))]))
    write_docs([doc], tmp_path / "in.spacy")
    config = config_for(tmp_path, "http://127.0.0.1:9")
    paths = tmp_path / "in.spacy", tmp_path / "out.spacy", tmp_path / "out"
    result = run_script("augment.py", *paths, "--config", config)
    assert result.exit_code == 1
    assert "1 more segments left out before any model saw them: mention in several" in result.output
