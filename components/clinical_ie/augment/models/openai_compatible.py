"""A client of any chat-completions server, with many requests in flight."""

import asyncio
import json
import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

# spacy-llm compares these annotations with the task's, and knows only the names from typing.
from typing import Any, Iterable, Literal  # noqa: UP035

import openai
from spacy_llm.registry import registry

from ..prompt import Prompt, Response
from .completion import LONGEST_BODY, SCHEMA, failure, read_completion, unwrapped
from .endpoint import EndpointError, check_localhost, checked_url
from .grammar import passage_grammar
from .verdicts import LATE, LONGEST_WAIT, Verdicts

Constraint = Literal["none", "llama.cpp", "vllm", "json"]
# Seconds; short, because Ctrl-C at the start of a wait takes effect only at its end.
_WAIT = 0.5
_Item = tuple[int, Response] | BaseException | None


class OpenAICompatible:
    """Sends prompts to one server and no other; nothing is sent before the first prompt.

    url (str): Checked by `checked_url`.
    in_flight (int): Number of concurrent requests.
    timeout (float): Seconds that the server may stay silent.
    max_retries (int): After a time-out, a lost connection, 408, 409, 429 or 5xx; `Retry-After` is
        honoured, up to two minutes.
    give_up_after (int): See `Verdicts`.
    """

    reads_string = False

    def __init__(
        self,
        model: str,
        url: str,
        api_key: Callable[[], str],
        request: dict[str, Any],
        constraint: Constraint,
        send_seed: bool,
        in_flight: int,
        timeout: float,
        max_retries: int,
        give_up_after: int,
    ) -> None:
        self._model = model
        self._url = url
        self._api_key = api_key
        self._request = request
        self._constraint = constraint
        self._send_seed = send_seed
        self._in_flight = in_flight
        self._timeout = timeout
        self._max_retries = max_retries
        self._verdicts = Verdicts(model, url, give_up_after)

    @property
    def answered(self) -> bool:
        """Whether the server has ever answered; set by a journal with answers of earlier runs."""
        return self._verdicts.answered

    @answered.setter
    def answered(self, answered: bool) -> None:
        self._verdicts.answered = answered

    @property
    def fingerprint(self) -> str:
        """Server, model and every setting that affects an answer, as JSON."""
        settings = {
            "model": ["clinical_ie.OpenAICompatible.v1", self._url, self._model],
            "request": self._request,
            "constraint": self._constraint,
            "send_seed": self._send_seed,
        }
        return json.dumps(settings, sort_keys=True)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer each prompt, in order; see `arrivals`."""
        groups = [[Prompt.of(prompt) for prompt in group] for group in prompts]
        arrivals = self.arrivals([prompt for group in groups for prompt in group])
        arrived: dict[int, Response] = {}
        first = 0
        for group in groups:
            places = range(first, first + len(group))
            while any(place not in arrived for place in places):
                place, answer = next(arrivals)
                arrived[place] = answer
            yield [arrived.pop(place) for place in places]
            first += len(group)

    def arrivals(
        self,
        prompts: Sequence[Prompt],
        keep: Callable[[int, Response], None] = lambda place, answer: None,
    ) -> Iterator[tuple[int, Response]]:
        """Yield each answer when it arrives, with the index of its prompt.

        keep (Callable[[int, Response], None]): Called with the same in another thread, without
            waiting for the caller to finish with earlier answers.
        RAISES (EndpointError): There is no server, it rejects the key or the model, demands money
            or a long pause, or has failed `give_up_after` times in a row. Requests in flight are
            awaited, and their answers yielded, first.
        """
        check_localhost(self._url)
        arrived: SimpleQueue[_Item] = SimpleQueue()
        # The loop has a thread of its own, because notebooks already run one in the calling thread.
        loop = asyncio.new_event_loop()
        task = loop.create_task(self._ask_all(prompts, keep, arrived.put))

        def fly() -> None:
            try:
                loop.run_until_complete(task)
                ending: BaseException | None = None
            except BaseException as error:
                ending = error
            # Closed connections are released in the loop's next iteration.
            loop.run_until_complete(asyncio.sleep(0))
            arrived.put(ending)

        thread = threading.Thread(target=fly, daemon=True)
        thread.start()
        missing = len(prompts)
        try:
            while (item := _taken(arrived)) is not None:
                if isinstance(item, BaseException):
                    raise _first(item)
                missing -= 1
                yield item
        finally:
            # Once all answers are here, the task is closing connections and must not be cancelled.
            if missing > arrived.qsize():
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(task.cancel)
            thread.join()
            loop.close()

    async def _ask_all(
        self,
        prompts: Sequence[Prompt],
        keep: Callable[[int, Response], None],
        put: Callable[[tuple[int, Response]], None],
    ) -> None:
        waiting = iter(enumerate(prompts))
        hopeless: list[EndpointError] = []

        async def ask_on(client: openai.AsyncOpenAI) -> None:
            for place, prompt in waiting:
                try:
                    answer = await self._ask(client, prompt)
                    keep(place, answer)
                    # Before `put`: a caller with every answer would miss an error raised later.
                    self._verdicts.see(answer)
                    put((place, answer))
                except EndpointError as error:
                    hopeless.append(error)
                # Requests in flight cost money already, so they are left to finish.
                if hopeless:
                    return

        async with self._client() as client, asyncio.TaskGroup() as group:
            for _ in range(min(self._in_flight, len(prompts))):
                group.create_task(ask_on(client))
        if hopeless:
            raise hopeless[0]

    def _client(self) -> openai.AsyncOpenAI:
        client = openai.AsyncOpenAI(
            api_key=self._api_key(),
            base_url=self._url,
            timeout=self._timeout,
            max_retries=self._max_retries,
            # No proxy from the environment, and no redirect to another host.
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=False,
                follow_redirects=False,
                verify=_certificates(),
                event_hooks={"response": [_read_within_bounds]},
            ),
        )
        # Nor anything that the environment sets for other services, such as another key.
        client.organization = client.project = None
        client._custom_headers = {}
        return client

    async def _ask(self, client: openai.AsyncOpenAI, prompt: Prompt) -> Response:
        began = time.monotonic()
        # The client's timeout covers silence only, not a server that sends a byte a minute.
        longest = (self._max_retries + 1) * (self._timeout + LONGEST_WAIT)
        fields = self._fields(prompt)
        try:
            async with asyncio.timeout(longest):
                # The client sends extra_body unchecked; checking the messages would double the
                # time that it spends on a request.
                raw = await client.chat.completions.with_raw_response.create(
                    model=self._model, messages=[], extra_body=fields
                )
        except openai.APIStatusError as error:
            wait = client._parse_retry_after_header(error.response.headers) or 0.0
            sent = {"model", *fields}
            return self._verdicts.of_status(error, sent, wait, time.monotonic() - began)
        except (openai.APITimeoutError, TimeoutError):
            return failure(LATE, time.monotonic() - began)
        except openai.APIConnectionError as error:
            return self._verdicts.of_connection(error, time.monotonic() - began)
        answer = read_completion(raw.http_response.content, time.monotonic() - began)
        return unwrapped(answer) if self._constraint == "json" else answer

    def _fields(self, prompt: Prompt) -> dict[str, Any]:
        """The fields of a request, except the model."""
        fields = {**self._request, "messages": prompt.messages}
        if self._send_seed:
            fields["seed"] = prompt.seed
        if self._constraint == "json":
            schema = {"name": "rewrite", "strict": True, "schema": SCHEMA}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self._constraint != "none" and prompt.markers:
            grammar = passage_grammar(prompt.source, prompt.markers)
            vllm = self._constraint == "vllm"
            fields |= {"structured_outputs": {"grammar": grammar}} if vllm else {"grammar": grammar}
        return fields


async def _read_within_bounds(response: Any) -> None:
    """Read a body as the client would, but no more of it than any answer has: a server may go on
    without end."""
    pieces: list[bytes] = []
    length = 0
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        length += len(piece)
        if length > LONGEST_BODY:
            break
    response._content = b"".join(pieces)
    await response.aclose()


def _taken(arrived: SimpleQueue[_Item]) -> _Item:
    while True:
        with suppress(Empty):
            return arrived.get(timeout=_WAIT)


def _first(error: BaseException) -> BaseException:
    """The first error inside the exception groups that asyncio wraps around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _certificates() -> ssl.SSLContext | bool:
    """The certificates to trust: the client's own, or those that the environment names, as
    organizations with their own certificate authority do."""
    own = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    # Python reads both variables itself.
    return ssl.create_default_context() if own else True


def _key_from(variable: str | None) -> Callable[[], str]:
    def key() -> str:
        if variable is None:
            return "none"
        # A key read from a file often ends in a newline.
        value = os.environ.get(variable, "").strip()
        if not value:
            raise EndpointError(f"the environment variable {variable} holds no key")
        # The key goes into a header, which a newline would end.
        if not (value.isascii() and value.isprintable()):
            raise EndpointError(
                f"the environment variable {variable} holds no key: there are several lines, or "
                "characters that no key has"
            )
        return value

    return key


@registry.llm_models("clinical_ie.OpenAICompatible.v1")
def make_openai_compatible(
    model: str,
    endpoint: str = "http://127.0.0.1:8000/v1",
    allow_remote: bool = False,
    remote_host: str | None = None,
    api_key_variable: str | None = None,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_tokens: int = 512,
    stop: list[str] | None = None,
    extra_body: dict[str, Any] | None = None,
    constraint: Constraint = "none",
    send_seed: bool = True,
    in_flight: int = 16,
    timeout: float = 60.0,
    max_retries: int = 3,
    give_up_after: int = 64,
) -> OpenAICompatible:
    """A model behind a server: vLLM, llama.cpp, Ollama, or a service.

    model (str): The model's name on the server.
    endpoint (str): The base URL, to which `/chat/completions` is appended.
    allow_remote (bool), remote_host (str | None): Both are needed for any host but this machine.
    api_key_variable (str | None): The environment variable that holds the key, if one is needed.
    temperature, top_p, max_tokens, stop (float, float, int, list[str] | None): As in the protocol.
    extra_body (dict[str, Any] | None): Further request fields; a value of None removes one of the
        above.
    constraint (Constraint): How the server constrains answers: `llama.cpp` and `vllm` by a grammar
        with each marker exactly once, `json` by a JSON schema.
    send_seed (bool): Whether to send a seed; not every server accepts one.
    in_flight, timeout, max_retries, give_up_after (int, float, int, int): See the class.
    RAISES (EndpointError): Note text may not go to that host.
    RAISES (ValueError): A number is out of its range.
    """
    for name, value, least in (
        ("max_tokens", max_tokens, 1),
        ("in_flight", in_flight, 1),
        ("max_retries", max_retries, 0),
        ("give_up_after", give_up_after, 1),
    ):
        if value < least:
            raise ValueError(
                f"clinical_ie.OpenAICompatible.v1: {name} = {value}; expected {least} or more"
            )
    if not 0 < timeout < math.inf:
        raise ValueError(
            f"clinical_ie.OpenAICompatible.v1: timeout = {timeout}; expected seconds, more than 0"
        )
    request = {
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        **({"stop": stop} if stop else {}),
        **(extra_body or {}),
    }
    request = {name: value for name, value in request.items() if value is not None}
    return OpenAICompatible(
        model,
        checked_url(endpoint, allow_remote, remote_host),
        _key_from(api_key_variable),
        request,
        constraint,
        send_seed,
        in_flight,
        timeout,
        max_retries,
        give_up_after,
    )
