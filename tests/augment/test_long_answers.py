"""Answers that are longer than any rewrite, perhaps without end."""

import asyncio
from collections.abc import AsyncIterator

from clinical_ie.augment.models.completion import LONGEST_BODY
from clinical_ie.augment.models.openai_compatible import _read_within_bounds
from tests.augment.server import completion, error, serving
from tests.augment.test_openai_compatible import model_of, prompts


def test_an_answer_without_end_is_broken_off() -> None:
    """Whatever its length, what is kept of it in memory is bounded."""
    answers = [completion("x" * 2 * LONGEST_BODY), completion("fine"), error(500)]
    answers[2].body = b"x" * 2 * LONGEST_BODY
    with serving(lambda _: answers.pop(0)) as server:
        model = model_of(server.url, in_flight=1)
        found = [answer for group in model([prompts(3)]) for answer in group]
    assert [answer.fault for answer in found] == [
        "answer is longer than any rewrite",
        "",
        "server error (HTTP 500)",
    ]
    assert [answer.answered for answer in found] == [False, True, False]


class Endless:
    """A response whose body goes on."""

    piece = 2**20

    def __init__(self) -> None:
        self.read = 0
        self.is_closed = False
        self._content = b""

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        while self.read < 4 * LONGEST_BODY:
            self.read += self.piece
            yield bytes(self.piece)

    async def aclose(self) -> None:
        self.is_closed = True


def test_no_more_is_read_of_it_than_is_needed_to_know() -> None:
    response = Endless()
    asyncio.run(_read_within_bounds(response))
    assert LONGEST_BODY < len(response._content) == response.read <= LONGEST_BODY + Endless.piece
    assert response.is_closed
