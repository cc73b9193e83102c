"""Servers that reject some prompts, fail for a while, or demand a pause."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clinical_ie.augment.journal import make_journaled
from clinical_ie.augment.models.completion import failure
from clinical_ie.augment.models.endpoint import EndpointError
from clinical_ie.augment.models.verdicts import Verdicts
from clinical_ie.augment.prompt import Prompt, Response
from clinical_ie.augment.run import augment
from clinical_ie.corpora.docbin import read_docs, write_docs
from tests.augment.conftest import CONFIG, OPENING, Scripted, config_for, shouting
from tests.augment.server import Answer, Script, completion, error, serving
from tests.augment.test_journal import rows_of
from tests.augment.test_openai_compatible import echo, model_of, prompts
from tests.conftest import note, run_script

N_NOTES = 12


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Notes of one segment each, identified by their milligrams."""
    docs = []
    for number in range(N_NOTES):
        dose = f"{80 + number} mg"
        terms = ("Drug", "aspirin"), ("Strength", dose), ("Reason", "pain")
        doc = note(f"He took aspirin {dose} for pain.", *terms)
        doc._.note_id = f"n{number}"
        docs.append(doc)
    write_docs(docs, tmp_path / "train.spacy")
    return tmp_path / "train.spacy"


def source_of(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"]).split("\nMarkers")[0]


def rewritten(request: dict[str, Any]) -> Answer:
    return completion(f"Today {source_of(request)}")


def refusing(doses: range, answer: Answer) -> Script:
    """A script that answers some doses differently."""
    refused = [f"{dose} mg" for dose in doses]
    return lambda r: answer if any(d in source_of(r) for d in refused) else rewritten(r)


def config_of(folder: Path, url: str) -> Path:
    """A config with one request at a time and one rewrite per segment."""
    path = config_for(folder, url)
    text = path.read_text().replace("variants = 3", "variants = 1")
    path.write_text(text.replace("in_flight = 4", "in_flight = 1\ngive_up_after = 6"))
    return path


@pytest.mark.parametrize("status", [400, 413, 422])
def test_prompts_that_are_not_taken_end_no_run(status: int, train: Path, tmp_path: Path) -> None:
    out, out_dir = tmp_path / "o.spacy", tmp_path / "o"
    script = refusing(range(80, 88), error(status, "too_long"))
    with serving(script) as server:
        config = config_of(tmp_path, server.url)
        # The second run has only rejected prompts left.
        for asked in (N_NOTES, 8):
            server.requests.clear()
            outcome = augment(train, out, out_dir, config, N_NOTES, seed=3)
            assert len(server.requests) == asked
            assert len(read_docs(out)) == outcome.accepted == 4
            assert (outcome.requests, outcome.refused, outcome.unanswered) == (4, 8, 0)
            assert {name: (d.answers, d.segments) for name, d in outcome.dropped.items()} == {
                f"request not taken (HTTP {status}, too_long)": (8, 8)
            }


@pytest.mark.parametrize("status", [401, 403, 404])
def test_one_prompt_says_nothing_of_key_and_model(status: int, train: Path, tmp_path: Path) -> None:
    with serving(refusing(range(85, 86), error(status))) as server:
        config = config_of(tmp_path, server.url)
        for _ in range(2 if status == 403 else 1):
            outcome = augment(train, tmp_path / "o.spacy", tmp_path / "o", config, N_NOTES, seed=3)
            assert outcome.accepted == N_NOTES - 1
            assert list(outcome.dropped) == [f"request not taken (HTTP {status})"]


@pytest.mark.parametrize(
    ("status", "message"), [(401, "does not take this key"), (404, "knows no model")]
)
def test_a_key_or_model_that_is_wrong_since_the_last_run_stops_at_once(
    status: int, message: str, train: Path, tmp_path: Path
) -> None:
    with serving(rewritten) as server:
        config = config_of(tmp_path, server.url)
        augment(train, tmp_path / "o.spacy", tmp_path / "o", config, 4, seed=3)
        server.script = lambda _: error(status)
        server.requests.clear()
        outcome = augment(train, tmp_path / "o.spacy", tmp_path / "o", config, N_NOTES, seed=3)
        assert len(server.requests) == 1
    assert message in outcome.ended
    # What earlier runs have paid for is still used.
    assert (outcome.accepted, outcome.replayed, outcome.unanswered) == (4, 4, 0)


def test_where_answers_are_cut_the_summary_says_what_may_help(train: Path, tmp_path: Path) -> None:
    with serving(lambda _: completion("Today he", finish="length")) as server:
        config_of(tmp_path, server.url)
        places = (train, tmp_path / "o.spacy", tmp_path / "o")
        result = run_script("augment.py", *places, "--config", tmp_path / "server.cfg")
    assert result.exit_code == 1
    assert "dropped: cut at max_tokens\n" in result.stdout
    assert "an end too early: set a larger max_tokens\n" in result.stdout


def test_a_server_that_takes_nothing_is_given_up() -> None:
    with serving(lambda _: error(400, "unknown_field", param="top_k")) as server:
        expected = (
            r"last 5 requests got no answer \(.*HTTP 400, unknown_field, top_k\).*is left out"
        )
        with pytest.raises(EndpointError, match=expected):
            list(model_of(server.url, in_flight=1, give_up_after=5)([prompts(50)]))
        assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("status", "body", "named"),
    [
        # In the words of vLLM, Azure, FastAPI, Mistral, Ollama and TGI.
        (
            400,
            {
                "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'input': 7}]",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
            "HTTP 400, BadRequestError, top_k",
        ),
        (
            400,
            {"error": {"message": "Unrecognized request argument supplied: top_k", "param": None}},
            "HTTP 400, top_k",
        ),
        (
            422,
            {
                "detail": [
                    {"loc": ["body", "seed"], "msg": "extra", "input": 3},
                    {"loc": ["body", "top_k"], "input": {"temperature": 1, "stop": "of pain"}},
                ]
            },
            "HTTP 422, seed, top_k",
        ),
        (
            422,
            {"message": {"detail": [{"loc": ["body", "seed"], "msg": "x"}]}, "code": None},
            "HTTP 422, seed",
        ),
        (
            400,
            {"error": {"message": "cannot unmarshal into Go struct field Chat.seed of type int"}},
            "HTTP 400, seed",
        ),
        (
            422,
            {"error": "unknown field `top_k`, expected one of `n`; a high temperature"},
            "HTTP 422, top_k",
        ),
        (400, {"error": {"message": 'the temperature of "pain" is too long'}}, "HTTP 400"),
        (500, {"error": {"message": 'unknown field "seed"'}}, "HTTP 500"),
    ],
)
def test_a_field_that_is_not_taken_is_named(status: int, body: object, named: str) -> None:
    with serving(lambda _: Answer(json.dumps(body).encode(), status)) as server:
        model = model_of(server.url, extra_body={"top_k": 7}, stop=["x"])
        [[answer]] = model([prompts(1)])
    assert answer.fault.partition(" (")[2] == f"{named})"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (completion(None, finish="length"), r"\(cut at max_tokens\); .* needs a larger max_tokens"),
        (completion("<think>Well, [[", finish="length"), r"\(cut at max_tokens\); .* needs"),
        (completion(None), r"\(no content\)"),
        (completion(None, refusal="No."), r"\(refusal\)"),
    ],
)
def test_a_model_that_says_nothing_is_not_paid_for_ever(
    answer: Answer, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "journal.sqlite"
    with serving(lambda _: answer) as server:
        model = model_of(server.url, in_flight=1, give_up_after=5)
        with pytest.raises(EndpointError, match=rf"last 5 answers, each with its price, .*{told}"):
            list(make_journaled(model, path)([[prompt] for prompt in prompts(50)]))
        assert len(server.requests) == rows_of(path) == 5
        # A usable answer in between resets the count.
        server.script = lambda r: answer if r["seed"] % 5 else echo(r)
        assert len(list(model([[prompt] for prompt in prompts(20)]))) == 20


def test_a_key_that_is_taken_no_longer_ends_the_run() -> None:
    seen: list[int] = []

    def script(request: dict[str, Any]) -> Answer:
        seen.append(1)
        return echo(request) if len(seen) == 1 else error(401, "expired")

    with serving(script) as server:
        with pytest.raises(EndpointError, match=r"last 5 requests .*HTTP 401, expired"):
            list(model_of(server.url, in_flight=1, give_up_after=5)([prompts(50)]))
        assert len(server.requests) == 6


def test_what_is_under_way_when_a_run_ends_is_waited_for() -> None:
    def script(request: dict[str, Any]) -> Answer:
        last = request["messages"][-1]["content"]
        answer = error(402) if last == "p1" else echo(request)
        answer.delay = 0.2 if last == "p1" else 0.5
        return answer

    with serving(script) as server:
        arrivals = model_of(server.url, in_flight=4).arrivals(prompts(12))
        arrived = [next(arrivals) for _ in range(3)]
        with pytest.raises(EndpointError, match="no credit left"):
            next(arrivals)
        assert len(server.requests) == 4
    assert sorted(arrived) == [(i, f"answer to p{i}") for i in (0, 2, 3)]


def test_answers_before_the_credit_ends_become_notes(train: Path, tmp_path: Path) -> None:
    out, out_dir = tmp_path / "o.spacy", tmp_path / "o"
    arguments = [train, out, out_dir, "--n-augmented", N_NOTES, "--config", tmp_path / "server.cfg"]
    with serving(failing_after(5, error(402))) as server:
        config_of(tmp_path, server.url)
        result = run_script("augment.py", *arguments)
        assert (result.exit_code, len(server.requests)) == (1, 6)
        told = " ".join(result.output.split())
        assert "asked for 12; the run ended early:" in told
        assert "the account has no credit left (HTTP 402)" in told
        assert len(read_docs(out)) == 5
        summary = json.loads((out_dir / "augment.json").read_text())
        # They came in this run, before the error, and are paid for.
        assert (summary["requests"], summary["replayed"], summary["unanswered"]) == (5, 0, 0)
        assert summary["segments"]["tried"] == summary["accepted"] == 5
        assert "no credit left" in summary["ended"]
        server.script = rewritten
        result = run_script("augment.py", *arguments)
        assert (result.exit_code, len(read_docs(out)), len(server.requests)) == (0, 12, 13)


def test_a_note_with_fewer_rewrites_does_not_hide_that_the_run_ended(tmp_path: Path) -> None:
    text = "He took aspirin 81 mg for pain.\n\nShe took insulin 5 units for diabetes."
    terms = ("aspirin", "81 mg", "pain", "insulin", "5 units", "diabetes")
    doc = note(text, *zip(["Drug", "Strength", "Reason"] * 2, terms, strict=True))
    write_docs([doc], tmp_path / "train.spacy")
    where = tmp_path / "train.spacy", tmp_path / "o.spacy", tmp_path / "o"
    with serving(failing_after(1, error(402))) as server:
        config = config_of(tmp_path, server.url)
        two = config.read_text().replace("[augment]", "[augment]\nsegments_per_note = 2")
        config.write_text(two)
        result = run_script("augment.py", *where, "--n-augmented", 1, "--config", config)
        assert len(server.requests) == 2
    assert "1 new notes from 1 segments" in result.output
    assert (result.exit_code, "the run ended early" in result.output) == (1, True)


def test_requests_without_an_answer_are_counted_when_they_end_the_run(
    train: Path, tmp_path: Path
) -> None:
    with serving(failing_after(1, error(503))) as server:
        config = config_of(tmp_path, server.url)
        outcome = augment(train, tmp_path / "o.spacy", tmp_path / "o", config, N_NOTES, seed=0)
        assert len(server.requests) == 7
    assert "the last 6 requests got no answer" in outcome.ended
    assert (outcome.accepted, outcome.requests, outcome.unanswered) == (1, 1, 6)


def test_a_long_pause_ends_the_run() -> None:
    with serving(lambda _: error(429, Retry_After="300")) as server:
        with pytest.raises(
            EndpointError, match=r"no more requests for 300 seconds .*then run again"
        ):
            list(model_of(server.url, in_flight=1, max_retries=3)([prompts(5)]))
        assert len(server.requests) == 1
    # An infinite wait does not end the run.
    with serving(lambda _: error(429, Retry_After="inf")) as server:
        [[answer]] = model_of(server.url, max_retries=0)([prompts(1)])
    assert answer.fault == "too many requests (HTTP 429)"


def failing_after(count: int, failed: Answer) -> Script:
    seen: list[int] = []

    def script(request: dict[str, Any]) -> Answer:
        seen.append(1)
        return rewritten(request) if len(seen) <= count else failed

    return script


def test_an_outage_is_no_success(train: Path, tmp_path: Path) -> None:
    out, out_dir = tmp_path / "o.spacy", tmp_path / "o"
    arguments = ["--n-augmented", N_NOTES, "--config", tmp_path / "server.cfg"]
    with serving(failing_after(5, error(503))) as server:
        config = config_of(tmp_path, server.url)
        config.write_text(config.read_text().replace("give_up_after = 6", "give_up_after = 60"))
        result = run_script("augment.py", train, out, out_dir, *arguments)
        assert result.exit_code == 1
        assert "5 new notes from 12 segments and 5 answers" in result.output
        assert "21 requests got no answer; run again" in " ".join(result.output.split())
        assert len(read_docs(out)) == 5
        summary = json.loads((out_dir / "augment.json").read_text())
        assert (summary["requests"], summary["unanswered"]) == (5, 21)
        # Once the server has recovered, the run ends as if there had been no outage.
        server.script = rewritten
        result = run_script("augment.py", train, out, out_dir, *arguments)
        assert result.exit_code == 0
        assert "12 new notes from 12 segments and 12 answers (5 from the journal)" in result.output
        whole = tmp_path / "whole.spacy"
        augment(train, whole, tmp_path / "whole", tmp_path / "server.cfg", N_NOTES, seed=0)
    assert whole.read_bytes() == out.read_bytes()


def test_what_gets_no_answer_costs_no_try(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    seen: Counter[tuple[str, int]] = Counter()

    def script(prompt: Prompt) -> str:
        seen[prompt.source, prompt.seed] += 1
        if seen[prompt.source, prompt.seed] <= 2:
            return Response("", fault="server error", answered=False)
        return f"{OPENING} {prompt.source}" if prompt.tries == 2 else "Lost it."

    scripted.script = script
    outcome = augment(train, out, out_dir, config, 1, seed=0)
    assert outcome.accepted == 0
    # A segment is given up after as many missing answers as it has tries.
    assert outcome.missing == outcome.tried == outcome.segments
    scripted.script = lambda prompt: shouting(prompt) if prompt.tries else script(prompt)
    outcome = augment(train, out, out_dir, config, 1, seed=1)
    assert (outcome.accepted, outcome.requests, outcome.unanswered, outcome.missing) == (1, 2, 2, 0)
    assert outcome.asked == 4


def test_a_prompt_that_is_not_taken_is_not_asked_again(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    config.write_text(CONFIG.replace("tries = 3", "tries = 3\nvariants = 2"))
    refusal = Response("", fault="request not taken", answered=False, refused=True)
    scripted.script = lambda prompt: refusal
    outcome = augment(train, out, out_dir, config, 100, seed=0)
    assert len(scripted.asked) == outcome.segments == outcome.refused == outcome.asked
    assert (outcome.requests, outcome.unanswered, outcome.missing) == (0, 0, 0)


def test_failures_with_an_answer_between_them_are_not_in_a_row() -> None:
    verdicts = Verdicts("some-model", "http://127.0.0.1/v1", give_up_after=2)
    for answer in (failure("late", 0.0), Response("good"), failure("late", 0.0)):
        verdicts.see(answer)
