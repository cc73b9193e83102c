"""The model behind a server: what is sent, and how every kind of answer is handled."""

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import Doc

from clinical_ie.augment.attempt import rewrite_of
from clinical_ie.augment.models.completion import read_completion
from clinical_ie.augment.models.endpoint import EndpointError
from clinical_ie.augment.models.openai_compatible import OpenAICompatible, make_openai_compatible
from clinical_ie.augment.prompt import Prompt, Response
from clinical_ie.augment.task import make_structured_rewrite
from tests.augment.server import Answer, Script, completion, error, serving
from tests.conftest import note

GOOD = "She had [[Drug: heparin]] for [[Reason: a clot]]."


def model_of(url: str, **settings: Any) -> OpenAICompatible:
    settings = {"timeout": 5.0, "max_retries": 0, **settings}
    return make_openai_compatible("some-model", url, **settings)


def prompts(count: int) -> list[Prompt]:
    turn = {"role": "user"}
    return [Prompt(f"p{i}", [{**turn, "content": f"p{i}"}], seed=i) for i in range(count)]


def echo(request: dict[str, Any]) -> Answer:
    return completion(f"answer to {request['messages'][-1]['content']}")


def test_what_is_sent_and_what_comes_back() -> None:
    with serving(echo) as server:
        model = model_of(server.url, temperature=0.3, stop=["\n\n"], extra_body={"top_k": 7})
        assert not server.requests
        [[answer]] = model([prompts(3)[2:]])
    assert isinstance(answer, Response)
    assert answer == "answer to p2"
    assert (answer.prompt_tokens, answer.completion_tokens) == (100, 10)
    assert answer.seconds > 0
    assert server.paths == ["/v1/chat/completions"]
    [sent] = server.requests
    assert sent == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "p2"}],
        "temperature": 0.3,
        "top_p": 0.95,
        "max_tokens": 512,
        "stop": ["\n\n"],
        "seed": 2,
        "top_k": 7,
    }


def test_a_field_is_left_out_where_the_server_has_another_name_for_it() -> None:
    fields = {"max_tokens": None, "max_completion_tokens": 9}
    with serving(echo) as server:
        list(model_of(server.url, extra_body=fields)([prompts(1)]))
    assert server.requests[0]["max_completion_tokens"] == 9
    assert "max_tokens" not in server.requests[0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("in_flight", 0, "in_flight = 0; expected 1 or more"),
        ("max_retries", -1, "max_retries = -1; expected 0 or more"),
        ("give_up_after", 0, "give_up_after = 0; expected 1 or more"),
        ("max_tokens", 0, "max_tokens = 0; expected 1 or more"),
        ("timeout", 0.0, r"timeout = 0\.0; expected seconds, more than 0"),
        ("timeout", float("nan"), "timeout = nan; expected seconds"),
    ],
)
def test_numbers_out_of_range(name: str, value: float, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        model_of("http://127.0.0.1:1/v1", **{name: value})


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_certificate_authority_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout"
    subprocess.run(
        [*command.split(), str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with serving(echo, context) as server:
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        with pytest.raises(EndpointError, match="cannot be verified; set SSL_CERT_FILE to that of"):
            list(model_of(url)([prompts(1)]))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert list(model_of(url)([prompts(1)])) == [["answer to p0"]]


def test_answers_keep_their_order_and_many_are_under_way() -> None:
    def script(request: dict[str, Any]) -> Answer:
        answer = echo(request)
        # The first prompt is answered last.
        answer.delay = 1.5 if request["messages"][-1]["content"] == "p0" else 0.05
        return answer

    with serving(script) as server:
        model = model_of(server.url, in_flight=8)
        arrivals = [place for place, _ in model.arrivals(prompts(24))]
        assert sorted(arrivals) == list(range(24))
        assert arrivals[-1] == 0
        groups = [prompts(24)[i : i + 3] for i in range(0, 24, 3)]
        answers = [answer for group in model(groups) for answer in group]
        assert answers == [f"answer to p{i}" for i in range(24)]
        assert server.most_at_once == 8


def test_the_caller_may_stop_half_way() -> None:
    def slow(request: dict[str, Any]) -> Answer:
        answer = echo(request)
        answer.delay = 0.0 if request["messages"][-1]["content"] == "p0" else 3600.0
        return answer

    with serving(slow) as server:
        arrivals = model_of(server.url, in_flight=4).arrivals(prompts(8))
        assert next(iter(arrivals))[1] == "answer to p0"
        arrivals.close()  # type: ignore[attr-defined]
        assert len(server.requests) <= 5


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion(GOOD), ""),
        (
            Answer(b"<html>Welcome to the hotel's network</html>", headers={"X": "y"}),
            "answer is no JSON",
        ),
        (Answer(b"<html></html>", headers={"Content-Type": "text/html"}), "answer is no JSON"),
        (Answer(completion(GOOD).body[:-40]), "answer is no JSON"),
        (Answer(b"[" * 1_000_000), "answer is no JSON"),
        (Answer(b"[]"), "answer is no completion"),
        (Answer(b'{"choices": []}'), "answer is no completion"),
        (Answer(b'{"choices": [{"message": "x"}]}'), "answer is no completion"),
        (Answer(b"\xff\xfe"), "answer is no JSON"),
        (Answer(b'{"error": "Unexpected endpoint: POST"}'), "answer is an error (HTTP 200)"),
        (
            Answer(b'{"error": {"message": "secret words", "code": 429, "type": "busy"}}'),
            "answer is an error (HTTP 200, 429, busy)",
        ),
        (completion(None), "no content"),
        (completion([{"type": "text"}]), "no content"),
        (completion([{"type": "text", "text": GOOD[:9]}, {"type": "text", "text": GOOD[9:]}]), ""),
        (completion(""), "no content"),
        (completion("", finish="length"), "cut at max_tokens"),
        (completion(None, finish="length", reasoning_content="Hm."), "cut at max_tokens"),
        (completion(None, refusal="I cannot help with that."), "refusal"),
        (completion("", finish="content_filter"), "refusal"),
        (completion("She had [[Drug: hep", finish="length"), "cut at max_tokens"),
        (completion("I'm sorry, but I cannot."), "refusal"),
        (completion("[" * 1_000_000), "malformed marker"),
        (completion("[[" * 500_000 + "]]" * 500_000), "malformed marker"),
        (completion("[[T1|Form: pill]] for [[T2|Form: tube]]."), "unknown marker"),
        (completion("[[T1|Drug: a]] for [[T2|Reason: b]]."), "unknown marker"),
        (completion("Had [[Drug: a [[Reason: b]]]]."), "changed nesting"),
        (completion("Had [[Drug: a for [[Reason: b]]."), "unclosed marker"),
        (completion("Had [[Drug: a]] for [[Reason: b."), "unclosed marker"),
        (
            completion("She had [[Drug: hep\u202earin]] for [[Reason: a clot]]."),
            "strange_characters",
        ),
        (completion("She had [[Drug: hep\x00arin]] for [[Reason: a clot]]."), "strange_characters"),
        (completion("She had [[Drug: \ud800]] for [[Reason: a clot]]."), "strange_characters"),
        (Answer(completion(GOOD).body, broken=True), "answer broke off"),
        (error(500), "server error (HTTP 500)"),
        (Answer(b"<html>Busy</html>", 503), "server error (HTTP 503)"),
        (error(429, "rate_limit"), "too many requests (HTTP 429, rate_limit)"),
        (error(400, "no such field!"), "request not taken (HTTP 400)"),
        (
            error(400, "too_long", param="messages"),
            "request not taken (HTTP 400, too_long, messages)",
        ),
        (Answer(b"", 302, {"Location": "http://127.0.0.1:1/"}), "redirected"),
        (Answer(b"", 307, {"Location": "/v1/elsewhere"}), "redirected"),
    ],
)
def test_each_kind_of_answer_has_its_reason(answer: Answer, reason: str, doc: Doc) -> None:
    task = make_structured_rewrite()
    with serving(lambda _: answer) as server:
        model = model_of(server.url)
        responses = model([[prompt] for prompt in task.generate_prompts([doc])])
        list(task.parse_responses([doc], responses))
        assert len(server.requests) == 1
    assert rewrite_of(doc).reason == reason


@pytest.fixture
def doc() -> Doc:
    return note("He took aspirin for pain.", ("Drug", "aspirin"), ("Reason", "pain"))


def test_an_answer_in_another_encoding_is_an_answer() -> None:
    body = completion("h\u00e9parine").body.replace(b"\\u00e9", b"\xe9")
    answer = read_completion(body, 0.0)
    assert (answer, answer.answered, answer.prompt_tokens) == ("h\ufffdparine", True, 100)
    assert read_completion(b"\xef\xbb\xbf" + completion("yes").body, 0.0) == "yes"


def test_a_server_that_refuses_or_hangs() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        # Bound and not listening: connections are refused.
        model = model_of(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(EndpointError, match="/v1: no server answers there; start it, or name"):
            list(model([prompts(1)]))
        # Nor does an answer of an earlier run help.
        model.answered = True
        with pytest.raises(EndpointError, match="/v1: no server answers there"):
            list(model([prompts(1)]))

    def hang(request: dict[str, Any]) -> Answer:
        return Answer(b"{}", delay=3.0)

    with serving(hang) as server:
        [[answer]] = model_of(server.url, timeout=0.3)([prompts(1)])
        expected = r"last 2 requests .*\(no answer in time\).* set a smaller in_flight or a longer"
        with pytest.raises(EndpointError, match=expected):
            list(model_of(server.url, timeout=0.1, give_up_after=2, in_flight=1)([prompts(9)]))
    assert (answer.fault, answer.answered) == ("no answer in time", False)


def test_a_server_that_has_answered_may_come_back() -> None:
    with serving(echo) as server:
        model = model_of(server.url)
        list(model([prompts(1)]))
    [[answer]] = model([prompts(1)])
    assert (answer.fault, answer.answered) == ("no connection", False)


def after(failures: int, failure: Answer) -> Script:
    seen: list[int] = []

    def script(request: dict[str, Any]) -> Answer:
        seen.append(1)
        return failure if len(seen) <= failures else echo(request)

    return script


def test_retry_after_is_honoured() -> None:
    with serving(after(1, error(429, Retry_After="1"))) as server:
        [[answer]] = model_of(server.url, max_retries=2)([prompts(1)])
    assert answer == "answer to p0"
    assert server.times[1] - server.times[0] > 0.95


@pytest.mark.parametrize("failure", [error(500), Answer(b"{}", broken=True), error(408)])
def test_what_may_pass_is_tried_again(failure: Answer) -> None:
    with serving(after(1, failure)) as server:
        [[answer]] = model_of(server.url, max_retries=1)([prompts(1)])
    assert answer == "answer to p0"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (error(401), "does not take this key"),
        (error(403), "does not take this key"),
        (error(400, "invalid_api_key"), "does not take this key"),
        (error(404, "model_not_found"), "knows no model 'some-model'"),
        (error(400, "model_not_found"), "knows no model 'some-model'"),
        (Answer(b"<html>404</html>", 404), "nothing at this address"),
        (Answer(b"<html>405</html>", 405), "nothing at this address"),
        (error(402), "the account has no credit left"),
    ],
)
def test_a_wrong_key_or_model_stops_at_once(answer: Answer, message: str) -> None:
    with serving(lambda _: answer) as server:
        with pytest.raises(EndpointError, match=message) as caught:
            list(model_of(server.url, in_flight=2, max_retries=3)([prompts(50)]))
        assert len(server.requests) <= 4
    assert len(str(caught.value).splitlines()) == 1
    # A server's message may quote the key or the note.
    assert "secret words" not in str(caught.value)


def test_an_account_without_credit_is_told_as_that() -> None:
    with serving(after(1, error(429, "insufficient_quota"))) as server:
        model = model_of(server.url, in_flight=1)
        with pytest.raises(EndpointError, match=r"no credit left \(HTTP 429, insufficient_quota\)"):
            list(model([prompts(50)]))
        assert len(server.requests) == 1
        # Also after the server has answered.
        list(model([prompts(1)]))
        server.script = lambda _: error(402)
        with pytest.raises(EndpointError, match=r"no credit left \(HTTP 402\)"):
            list(model([prompts(50)]))


def test_a_server_that_only_fails_is_given_up() -> None:
    with serving(lambda _: error(500)) as server:
        with pytest.raises(EndpointError, match="the last 5 requests got no answer"):
            list(model_of(server.url, in_flight=1, give_up_after=5)([prompts(50)]))
        assert len(server.requests) == 5


def test_a_server_that_only_fails_is_given_up_however_few_prompts_come_at_once() -> None:
    with serving(lambda _: error(500)) as server:
        model = model_of(server.url, in_flight=16, give_up_after=5)
        # With few prompts, the caller has every answer before the last failure is raised.
        for _ in range(2):
            list(model([prompts(2)]))
        with pytest.raises(EndpointError, match="the last 5 requests got no answer"):
            next(iter(model([prompts(1)])))
        assert len(server.requests) == 5


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    with serving(echo) as server:
        model = model_of(server.url, api_key_variable="MY_KEY")
        list(model([prompts(1)]))
        assert server.headers[0]["authorization"] == "Bearer sk-secret"
        assert "secret" not in model.fingerprint
        list(model_of(server.url)([prompts(1)]))
        assert "sk-" not in json.dumps(server.headers[1])
        monkeypatch.delenv("MY_KEY")
        with pytest.raises(EndpointError, match="MY_KEY holds no key"):
            list(model([prompts(1)]))


@pytest.mark.parametrize("key", ["sk-secret\nsk-other", "sk-secr\u00e9t", "sk-\x01secret"])
def test_what_is_no_key_is_told_before_anything_is_sent(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with serving(echo) as server:
        with pytest.raises(EndpointError, match="MY_KEY holds no key: there are") as caught:
            list(model_of(server.url, api_key_variable="MY_KEY")([prompts(1)]))
        assert not server.headers
    assert "sk-" not in str(caught.value)


def constrained(constraint: str, doc: Doc, reply: Callable[..., Answer]) -> tuple[dict, Any]:
    [prompt] = make_structured_rewrite().generate_prompts([doc])
    with serving(reply) as server:
        [[answer]] = model_of(server.url, constraint=constraint)([[prompt]])
    return server.requests[0], answer


def test_a_grammar_or_schema_goes_along(doc: Doc) -> None:
    sent, _ = constrained("llama.cpp", doc, echo)
    assert 'm0 ::= "[[Drug: "' in sent["grammar"]
    sent, _ = constrained("vllm", doc, echo)
    assert 'm0 ::= "[[Drug: "' in sent["structured_outputs"]["grammar"]
    sent, answer = constrained("json", doc, lambda _: completion(json.dumps({"rewrite": GOOD})))
    assert sent["response_format"]["type"] == "json_schema"
    assert answer == GOOD
    assert answer.prompt_tokens == 100
    wrapped = f"<think>{{So.}}</think>Here:\n```json\n{json.dumps({'rewrite': GOOD})}\n```"
    assert constrained("json", doc, lambda _: completion(wrapped))[1] == GOOD
    half = completion(json.dumps({"rewrite": GOOD})[:30], finish="length")
    assert constrained("json", doc, lambda _: half)[1].fault == "cut at max_tokens"
    for content in ("Sure!", "[]", '{"rewrite": 1}', "{}"):
        _, answer = constrained("json", doc, lambda _, x=content: completion(x))
        assert answer.fault == "answer does not follow the schema"
        assert answer.answered


def test_numbers_that_no_journal_has_room_for_are_not_believed() -> None:
    body = json.loads(completion("yes").body)
    body["usage"] = {"prompt_tokens": 10**30, "completion_tokens": 7}
    body["choices"][0]["logprobs"] = {"content": [{"logprob": 10**400}]}
    answer = read_completion(json.dumps(body).encode(), 0.0)
    assert (answer, answer.prompt_tokens, answer.completion_tokens) == ("yes", None, 7)
    assert answer.likelihood is None
    # A journal cannot store these values either.
    body["choices"][0]["logprobs"] = {"content": [{"logprob": float("nan")}]}
    body["usage"]["completion_tokens"] = -7
    answer = read_completion(json.dumps(body).encode(), 0.0)
    assert (answer.likelihood, answer.completion_tokens) == (None, None)
