"""Any server that speaks the chat-completions protocol, with many requests under way at once."""

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

# spacy-llm compares these very types with those of the task, and knows typing's names alone.
from typing import Any, Iterable, Literal  # noqa: UP035

import openai
from spacy_llm.registry import registry

from ..prompt import Prompt, Response
from .completion import SCHEMA, failure, read_completion, unwrapped
from .endpoint import EndpointError, check_localhost, checked_url
from .grammar import passage_grammar
from .verdicts import LATE, LONGEST_WAIT, Verdicts

Constraint = Literal["none", "llama.cpp", "vllm", "json"]
# In seconds: Ctrl-C that comes as a wait begins is heard when that wait is over.
_WAIT = 0.5
_Item = tuple[int, Response] | BaseException | None


class OpenAICompatible:
    """Asks one server, and no other; nothing is sent before the first prompt comes.

    url (str): Checked by `checked_url`.
    in_flight (int): Requests under way at once.
    timeout (float): Seconds that the server may be silent.
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
        """Whether the server has ever answered; a journal tells of earlier runs."""
        return self._verdicts.answered

    @answered.setter
    def answered(self, answered: bool) -> None:
        self._verdicts.answered = answered

    @property
    def fingerprint(self) -> str:
        """Server, model and every setting that bears on an answer."""
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
        """Each answer as it comes, with the place of its prompt.

        keep (Callable[[int, Response], None]): Gets the same, in another thread and at once,
            however long the caller takes over the one before.
        RAISES (EndpointError): There is no server, it takes neither this key nor this model, wants
            money or a long pause, or has failed `give_up_after` times in a row. What is under way
            then is waited for, and comes before.
        """
        check_localhost(self._url)
        arrived: SimpleQueue[_Item] = SimpleQueue()
        # A loop in a thread of its own: notebooks have one already where they call this.
        loop = asyncio.new_event_loop()
        task = loop.create_task(self._ask_all(prompts, keep, arrived.put))

        def fly() -> None:
            try:
                loop.run_until_complete(task)
                ending: BaseException | None = None
            except BaseException as error:
                ending = error
            # A closed connection is let go of in the loop's next turn.
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
            # Where all have come, it is closing its connections, and may not be disturbed.
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
                    # First: whoever has every answer does not wait for what is raised after it.
                    self._verdicts.see(answer)
                    put((place, answer))
                except EndpointError as error:
                    hopeless.append(error)
                # Those that are under way beside this one have their price: they end by themselves.
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
            # No proxy of the environment, and no other host that the server may point at.
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=False, follow_redirects=False, verify=_certificates()
            ),
        )
        # Nor what the environment holds for another service, another key among it.
        client.organization = client.project = None
        client._custom_headers = {}
        return client

    async def _ask(self, client: openai.AsyncOpenAI, prompt: Prompt) -> Response:
        began = time.monotonic()
        # The client's time-outs are for silence: a server that sends a byte a minute is none.
        longest = (self._max_retries + 1) * (self._timeout + LONGEST_WAIT)
        fields = self._fields(prompt)
        try:
            async with asyncio.timeout(longest):
                # Fields of extra_body are sent as they are; the client takes as long to look
                # through the messages of a prompt as all the rest of a request takes.
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
        """What a request says, the model aside."""
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


def _taken(arrived: SimpleQueue[_Item]) -> _Item:
    while True:
        with suppress(Empty):
            return arrived.get(timeout=_WAIT)


def _first(error: BaseException) -> BaseException:
    """What went wrong, without the groups that asyncio puts around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _certificates() -> ssl.SSLContext | bool:
    """What a server is known by: as the client has it, or as the environment says, which is how a
    house with a certificate authority of its own is known."""
    own = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    # Python reads both variables itself.
    return ssl.create_default_context() if own else True


def _key_from(variable: str | None) -> Callable[[], str]:
    def key() -> str:
        if variable is None:
            return "none"
        # Read from a file, a key often has the newline at its end.
        value = os.environ.get(variable, "").strip()
        if not value:
            raise EndpointError(f"the environment variable {variable} holds no key")
        # It goes into a header, where a line's end would be the header's.
        if not (value.isascii() and value.isprintable()):
            raise EndpointError(
                f"the environment variable {variable} holds no key: there are several lines, or "
                "letters that no key has"
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

    model (str): As the server calls it.
    endpoint (str): The URL that `/chat/completions` is put after.
    allow_remote (bool), remote_host (str | None): Both are needed for any host but this machine.
    api_key_variable (str | None): The environment variable that holds the key, if one is needed.
    temperature, top_p, max_tokens, stop (float, float, int, list[str] | None): Of the protocol.
    extra_body (dict[str, Any] | None): Further fields that the server knows; with None, one of the
        above is not sent.
    constraint (Constraint): What the server is asked to hold the model to: `llama.cpp` and `vllm`
        take a grammar in which every marker occurs once, `json` a JSON schema.
    send_seed (bool): Whether the server takes a seed.
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
