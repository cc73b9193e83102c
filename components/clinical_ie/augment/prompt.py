"""The strings that travel between the task and a model, with attributes beyond their text."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Self

from ..doc import Link
from .markup import Marker


class Prompt(str):
    """A prompt; any spacy-llm model can use it as a plain string.

    messages (list[dict[str, str]]): The same as chat turns: system, few-shot turns, user.
    source (str): The segment in markup.
    markers (tuple[Marker, ...]): The markers that the answer must contain.
    links (tuple[Link, ...]): The relations between them, by mention id.
    bound (frozenset[str]): Ids of the mentions with relations to others outside the segment.
    echoed (frozenset[str]): Those of them that must keep their words (see `Segment`).
    seed (int): Seed for sampling this answer.
    variant (int): Number of this rewrite among those of the same segment, from 0.
    tries (int): How often the segment has been tried before.
    """

    messages: list[dict[str, str]]
    source: str
    markers: tuple[Marker, ...]
    links: tuple[Link, ...]
    bound: frozenset[str]
    echoed: frozenset[str]
    seed: int
    variant: int
    tries: int

    def __new__(
        cls,
        text: str,
        messages: Sequence[Mapping[str, str]],
        *,
        source: str = "",
        markers: tuple[Marker, ...] = (),
        links: tuple[Link, ...] = (),
        bound: frozenset[str] = frozenset(),
        echoed: frozenset[str] = frozenset(),
        seed: int = 0,
        variant: int = 0,
        tries: int = 0,
    ) -> Self:
        prompt = super().__new__(cls, text)
        prompt.messages = [dict(message) for message in messages]
        prompt.source = source
        prompt.markers = markers
        prompt.links = links
        prompt.bound = bound
        prompt.echoed = echoed
        prompt.seed = seed
        prompt.variant = variant
        prompt.tries = tries
        return prompt

    @classmethod
    def of(cls, prompt: str) -> "Prompt":
        """The prompt itself, or another task's plain string as a single user turn."""
        if isinstance(prompt, Prompt):
            return prompt
        return cls(prompt, [{"role": "user", "content": str(prompt)}])

    @cached_property
    def sha256(self) -> str:
        """Hash of all that a model may read from this prompt, except for seed, variant, and the
        string itself, which says the same in another form."""
        links = sorted([link.label, link.head, link.tail] for link in self.links)
        content = [self.source, links, sorted(self.bound), self.tries]
        # Left out if empty: journals from before there were any stay valid.
        content += [sorted(self.echoed)] if self.echoed else []
        # The hash of the JSON list of messages and content. All prompts of a run share their
        # beginning, which is most of their text, so its hash is cached.
        first, last = self.messages[:-1], self.messages[-1:]
        digest = _begun(tuple(tuple(message.items()) for message in first)).copy()
        digest.update(f"{json.dumps(last)[1:]}, {json.dumps(content)[1:]}".encode())
        return digest.hexdigest()


@lru_cache(maxsize=64)
def _begun(messages: tuple[tuple[tuple[str, str], ...], ...]) -> "hashlib._Hash":
    beginning = "".join(f"{json.dumps(dict(message))}, " for message in messages)
    return hashlib.sha256(f"[[{beginning}".encode())


class Response(str):
    """An answer with its cost; a plain string wherever a string is expected.

    text (str): Lone surrogates are replaced by U+FFFD.
    prompt_tokens, completion_tokens (int | None): None if the model does not report them.
    seconds (float): Time the model took.
    cut (bool): The answer reached the limit on its length.
    fault (str): Why there is no text that could be a rewrite; empty if there is one.
    answered (bool): Whether the model answered at all, even to decline: such an answer has its
        price, and the request is not repeated.
    refused (bool): Not answered because the model rejects this prompt: asking again is pointless.
    replayed (bool): It comes from a journal.
    likelihood (float | None): Mean log-probability of its tokens under the model that wrote it;
        None if not reported.
    """

    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    cut: bool
    fault: str
    answered: bool
    refused: bool
    replayed: bool
    likelihood: float | None

    def __new__(
        cls,
        text: str,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        seconds: float = 0.0,
        cut: bool = False,
        fault: str = "",
        answered: bool = True,
        replayed: bool = False,
        likelihood: float | None = None,
        refused: bool = False,
    ) -> Self:
        # JSON can contain lone surrogates, which UTF-8 cannot encode.
        response = super().__new__(
            cls, text.encode("utf8", "surrogatepass").decode("utf8", "replace")
        )
        response.prompt_tokens = prompt_tokens
        response.completion_tokens = completion_tokens
        response.seconds = seconds
        response.cut = cut
        response.fault = fault
        response.answered = answered
        response.replayed = replayed
        response.likelihood = likelihood
        response.refused = refused
        return response

    @classmethod
    def of(cls, response: object) -> "Response":
        """The response itself, or another model's plain string."""
        return response if isinstance(response, Response) else cls(str(response))

    def with_text(self, text: str, fault: str = "") -> "Response":
        """The same answer with another text or fault."""
        return Response(
            text,
            self.prompt_tokens,
            self.completion_tokens,
            self.seconds,
            self.cut,
            fault or self.fault,
            self.answered,
            self.replayed,
            self.likelihood,
            self.refused,
        )
