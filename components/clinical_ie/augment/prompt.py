"""What travels between the task and a model: strings that know more than their text."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Self

from ..doc import Link
from .markup import Marker


class Prompt(str):
    """A prompt that any spacy-llm model can take as the plain string that it is.

    messages (list[dict[str, str]]): The same as chat turns: system, few-shot turns, user.
    source (str): The segment in markup.
    markers (tuple[Marker, ...]): The markers that the answer must hold.
    links (tuple[Link, ...]): The relations between them, by mention id.
    bound (frozenset[str]): Ids of the mentions with relations to others outside the segment.
    echoed (frozenset[str]): Of those, the ones that keep their words (see `Segment`).
    seed (int): For the sampling of this answer.
    variant (int): Which rewrite of the same segment this is to be, from 0.
    tries (int): How often the segment was tried before.
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
        """Hash of everything that a model may read off this prompt, seed and variant aside, and the
        string itself, which says the same in other form."""
        links = sorted([link.label, link.head, link.tail] for link in self.links)
        content = [self.source, links, sorted(self.bound), self.tries]
        # Without any, the hash is that of journals from before there were some.
        content += [sorted(self.echoed)] if self.echoed else []
        # That of the JSON of all messages and the content, in one list. All prompts of a run begin
        # alike, and the beginning is most of them.
        first, last = self.messages[:-1], self.messages[-1:]
        digest = _begun(tuple(tuple(message.items()) for message in first)).copy()
        digest.update(f"{json.dumps(last)[1:]}, {json.dumps(content)[1:]}".encode())
        return digest.hexdigest()


@lru_cache(maxsize=64)
def _begun(messages: tuple[tuple[tuple[str, str], ...], ...]) -> "hashlib._Hash":
    beginning = "".join(f"{json.dumps(dict(message))}, " for message in messages)
    return hashlib.sha256(f"[[{beginning}".encode())


class Response(str):
    """An answer that knows its cost; a plain string wherever a string is expected.

    text (str): What cannot be written as UTF-8 becomes U+FFFD.
    prompt_tokens, completion_tokens (int | None): None where the model does not say.
    seconds (float): Time the model took.
    cut (bool): The answer ran into the limit on its length.
    fault (str): Why there is no text that could be a rewrite; empty for an answer with one.
    answered (bool): Whether the model has answered at all, be it with a refusal: such an answer
        has its price, and is not asked for again.
    refused (bool): Not answered, since the model takes no such prompt: to ask again is of no use.
    replayed (bool): It comes from a journal.
    likelihood (float | None): Mean log-probability of its tokens, by the model that wrote it; None
        where it does not say.
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
        # A lone surrogate, which JSON can spell, has no place in any file.
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
    def of(cls, response: str) -> "Response":
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
