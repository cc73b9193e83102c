"""Note text reaches only this machine or the host named in the config."""

import logging
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.augment.config import load
from clinical_ie.augment.models.endpoint import EndpointError, check_localhost, checked_url
from clinical_ie.augment.models.openai_compatible import make_openai_compatible
from clinical_ie.augment.quiet import quiet_logs
from clinical_ie.augment.run import augment
from tests.augment.conftest import config_for
from tests.augment.server import Answer, completion, serving
from tests.augment.test_openai_compatible import echo, model_of, prompts


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost:11434/v1",
        "http://[::1]:8080/v1",
        "https://127.255.255.254/v1/",
        "http://localhost",
    ],
)
def test_this_machine_may_see_notes(url: str) -> None:
    assert checked_url(url, allow_remote=False, remote_host=None) == url


REMOTE = [
    "https://api.example.org/v1",
    "http://localhost.example.org/v1",
    "http://127.0.0.1.example.org/v1",
    "http://10.0.0.5:8000/v1",
    "http://0.0.0.0:8000/v1",
    "http://128.0.0.1/v1",
    "http://127.1/v1",
    "http://2130706433/v1",
    "http://0x7f000001/v1",
    "http://0177.0.0.1/v1",
    "http://[::ffff:10.0.0.5]/v1",
    "http://[2001:db8::1]/v1",
]
CROOKED = [
    "http://localhost@example.org/v1",
    "http://127.0.0.1:80@example.org/v1",
    "http://user:word@127.0.0.1/v1",
    "http://127.0.0.1\\@example.org/v1",
    "http://example.org#@127.0.0.1/v1",
    "http://example.org?@127.0.0.1/v1",
    "http://127.0.0.1%2eexample.org/v1",
    "http://localhost./v1",
    "http://LOCALHOST/v1",
    "http://\uff11\uff12\uff17.0.0.1/v1",
    "http://127.0.0.1 .example.org/v1",
    "http://127.0.0.1\n.example.org/v1",
    "http://[127.0.0.1]:8000/v1",
    "http:///v1",
    "//127.0.0.1/v1",
    "ftp://127.0.0.1/v1",
    "http://127.0.0.1/v1/../../x?y",
    "",
]


@pytest.mark.parametrize("url", [*REMOTE, *CROOKED])
def test_any_other_host_is_refused(url: str) -> None:
    with pytest.raises(EndpointError) as caught:
        make_openai_compatible("m", url)
    assert repr(url) in str(caught.value)


def test_a_port_that_is_none_is_refused() -> None:
    assert checked_url("http://127.0.0.1:65535/v1", False, None)
    with pytest.raises(EndpointError, match="expected http://HOST:PORT/PATH"):
        checked_url("http://127.0.0.1:65536/v1", False, None)


@pytest.mark.parametrize("url", CROOKED)
def test_crooked_urls_are_refused_even_where_remote_hosts_are_allowed(url: str) -> None:
    with pytest.raises(EndpointError):
        checked_url(url, allow_remote=True, remote_host="example.org")


def test_a_remote_host_needs_both_the_permission_and_its_name() -> None:
    url = "https://api.example.org/v1"
    assert checked_url(url, allow_remote=True, remote_host="api.example.org") == url
    with pytest.raises(EndpointError, match="set allow_remote = true"):
        checked_url(url, allow_remote=False, remote_host="api.example.org")
    for name in (None, "", "example.org", "api.example.org.evil.org", "API.example.org"):
        with pytest.raises(EndpointError, match="remote_host"):
            checked_url(url, allow_remote=True, remote_host=name)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://api.example.org/v1", True),
        ("https://api.example.org/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_text_in_the_open_is_told(url: str, told: bool, caplog) -> None:
    checked_url(url, allow_remote=True, remote_host="api.example.org")
    assert ("go to api.example.org in the open" in caplog.text) == told


@given(st.text(), st.sampled_from(["http://127.0.0.1", "http://localhost", "http://"]))
def test_no_text_makes_another_host_of_this_machine(rest: str, start: str) -> None:
    try:
        url = checked_url(start + rest, allow_remote=False, remote_host=None)
    except EndpointError:
        return
    host = urlsplit(url).hostname or ""
    assert host in {"localhost", "::1"} or host.startswith("127.")


def test_localhost_must_lead_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    check_localhost("http://localhost:1/v1")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_: [(socket.AF_INET, 0, 0, "", ("93.184.216.34", 0))]
    )
    with pytest.raises(EndpointError, match=r"localhost leads to 93\.184\.216\.34"):
        list(model_of("http://localhost:1/v1")([prompts(1)]))
    check_localhost("http://127.0.0.1:1/v1")


def test_proxies_of_the_environment_get_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(echo) as server, serving(echo) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("OPENAI_BASE_URL", proxy.url)
        [[answer]] = model_of(server.url)([prompts(1)])
        assert answer == "answer to p0"
        assert len(server.requests) == 1
        assert not proxy.requests


def test_what_the_environment_holds_for_another_service_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-secret\nX-A: a-secret")
    with serving(echo) as server:
        [[answer]] = model_of(server.url)([prompts(1)])
        assert answer == "answer to p0"
        [headers] = server.headers
    assert "secret" not in str(headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving(echo) as elsewhere:
        away = Answer(b"", status, {"Location": f"{elsewhere.url}/chat/completions"})
        with serving(lambda _: away) as server:
            [[answer]] = model_of(server.url)([prompts(1)])
        assert answer.fault == "redirected"
        assert not elsewhere.requests


def test_nothing_is_sent_before_the_first_prompt(train: Path, tmp_path: Path) -> None:
    with serving(echo) as server:
        config = config_for(tmp_path, server.url)
        _, nlp, _ = load(config, {"train": train, "journal": tmp_path / "journal.sqlite"})
        assert nlp.pipe_names == ["llm"]
        assert not server.requests
        assert not (tmp_path / "journal.sqlite").exists()


@pytest.mark.parametrize("asked", [False, True])
def test_logs_hold_no_note_text_unless_asked(
    asked: bool, train: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # As in an application that logs everything.
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "spacy_llm", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)

    def script(request: dict) -> Answer:  # type: ignore[type-arg]
        source = request["messages"][-1]["content"].split("\nMarkers")[0]
        answer = completion(f"Today {source}")
        # Some servers repeat the prompt in a header.
        answer.headers["X-Prompt"] = source
        return answer

    with serving(script) as server:
        config = config_for(tmp_path, server.url)
        if asked:
            text = config.read_text()
            config.write_text(text.replace("tries = 3", "tries = 3\nlog_text = true"))
        out = tmp_path / "out.spacy"
        outcome = augment(train, out, tmp_path / "out", config, 3, seed=0)
        assert outcome.accepted == 3
    logged = any(word in caplog.text for word in ("metformin", "aspirin", "insulin"))
    assert logged == asked
    # Child loggers have levels and filters of their own.
    below = [
        record for record in caplog.records if record.name.startswith(("httpcore2.", "openai."))
    ]
    assert any(record.levelno == logging.DEBUG for record in below) == asked


@pytest.mark.parametrize("with_text", [False, True])
def test_loggers_that_are_made_later_are_quiet_too(
    with_text: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = logging.getLogger("httpcore2").level
    with quiet_logs(with_text):
        logging.getLogger(f"httpcore2.made_{with_text}").debug("the prompt")
    assert bool(caplog.messages) == with_text
    assert logging.getLogger("httpcore2").level == before
