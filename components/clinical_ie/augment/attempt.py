"""What a Doc carries through the task: how it is to be rewritten, and what came of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc

from ..doc import Mention
from .prompt import Response

_ATTEMPT = "clinical_ie.attempt"
_REWRITE = "clinical_ie.rewrite"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a Doc is to be rewritten next.

    seed (int): For the sampling, and for the ideas in the prompt.
    variant (int): Which rewrite of the same segment this is to be, from 0.
    tries (int): How often the segment was tried before.
    siblings (Sequence[str]): Texts that it must not repeat.
    failed (Sequence[str]): The answer before this one and what is wrong with it, where the model
        is to be told; empty otherwise.
    """

    seed: int = 0
    variant: int = 0
    tries: int = 0
    siblings: Sequence[str] = ()
    failed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What became of one answer.

    text (str): The decoded answer; empty where it could not be decoded.
    spans (list[list[int]]): Start and end of the mentions in it, in the order of the source's.
    markup (str): The answer as it came, cut at the end of the rewrite.
    reason (str): Why it is not to be used; empty for a good one.
    detail (str): What was met; may hold words of the note.
    prompt_sha256 (str): The prompt it answers, with `seed` and `variant`.
    prompt_tokens, completion_tokens (int | None): None where the model does not say.
    seconds (float): Time the model took.
    replayed (bool): The answer comes from a journal.
    likelihood (float | None): Mean log-probability of its tokens; None where not told.
    answered, refused (bool): Whether there was an answer at all; if not, whether there is no use in
        asking again.
    """

    text: str
    spans: list[list[int]]
    markup: str
    reason: str
    detail: str
    prompt_sha256: str
    seed: int
    variant: int
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    replayed: bool
    likelihood: float | None
    answered: bool = True
    refused: bool = False

    @property
    def missing(self) -> bool:
        """There was no answer, and may be one another time."""
        return not (self.answered or self.refused)

    def mentions(self, source: Iterable[Mention]) -> list[Mention]:
        """The source's mentions, ids and labels as they were, where they now are."""
        pairs = zip(source, self.spans, strict=True)
        return [Mention(m.id, m.label, ((start, end),)) for m, (start, end) in pairs]


def set_attempt(doc: Doc, attempt: Attempt) -> None:
    """Say how the Doc is to be rewritten next."""
    # Plain values: a Doc goes through files and worker processes.
    doc.user_data[_ATTEMPT] = _plain(attempt)


def attempt_of(doc: Doc) -> Attempt:
    """What `set_attempt` said; the defaults where it was not called."""
    return Attempt(**doc.user_data.get(_ATTEMPT, {}))


def set_rewrite(doc: Doc, rewrite: Rewrite) -> None:
    """Keep what came of an answer on its Doc."""
    doc.user_data[_REWRITE] = _plain(rewrite)


def rewrite_of(doc: Doc) -> Rewrite:
    """What the task put onto the Doc.

    RAISES (KeyError): It has not been through the task.
    """
    return Rewrite(**doc.user_data[_REWRITE])


def _plain(item: Attempt | Rewrite) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}


def judged(
    answer: Response, markup: str, found: tuple[str, list[list[int]], str, str], **of_prompt: Any
) -> Rewrite:
    """An answer with what was found in it: text, spans, reason and detail."""
    text, spans, reason, detail = found
    return Rewrite(
        text,
        spans,
        markup,
        reason,
        detail,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        seconds=answer.seconds,
        replayed=answer.replayed,
        likelihood=answer.likelihood,
        answered=answer.answered,
        refused=answer.refused,
        **of_prompt,
    )
