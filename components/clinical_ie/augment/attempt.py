"""What a Doc carries through the task: how to rewrite it, and the result."""

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
    """How to rewrite a Doc next.

    seed (int): Seed of the model's sampling.
    variant (int): Number of this rewrite among those of the same segment, from 0.
    tries (int): How often the segment has been tried before.
    siblings (Sequence[str]): Texts that the rewrite must not repeat.
    failed (Sequence[str]): The previous answer and what was wrong with it, if the model is to be
        told; otherwise empty.
    """

    seed: int = 0
    variant: int = 0
    tries: int = 0
    siblings: Sequence[str] = ()
    failed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The result of one request.

    text (str): The decoded answer; empty if it could not be decoded.
    spans (list[list[int]]): Start and end of each mention in it, in the order of the source's.
    markup (str): The rewrite as the model wrote it, in markup.
    reason (str): Why it is not used; empty for a good one.
    detail (str): What exactly was wrong; may contain words of the note.
    prompt_sha256 (str): Identifies its prompt, together with `seed` and `variant`.
    prompt_tokens, completion_tokens (int | None): None if the model does not report them.
    seconds (float): Time the model took.
    replayed (bool): The answer comes from a journal.
    likelihood (float | None): Mean log-probability of its tokens; None if not reported.
    answered, refused (bool): Whether there was an answer at all, and if not, whether the model
        rejects this prompt, so that asking again is pointless.
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
        """There was no answer, but another request may get one."""
        return not (self.answered or self.refused)

    def mentions(self, source: Iterable[Mention]) -> list[Mention]:
        """The source's mentions at their new offsets, with their ids and labels."""
        pairs = zip(source, self.spans, strict=True)
        return [Mention(m.id, m.label, ((start, end),)) for m, (start, end) in pairs]


def set_attempt(doc: Doc, attempt: Attempt) -> None:
    """Store on a Doc how to rewrite it next."""
    # Plain values survive files and worker processes.
    doc.user_data[_ATTEMPT] = _plain(attempt)


def attempt_of(doc: Doc) -> Attempt:
    """What `set_attempt` stored; the defaults if it was not called."""
    return Attempt(**doc.user_data.get(_ATTEMPT, {}))


def set_rewrite(doc: Doc, rewrite: Rewrite) -> None:
    """Store the result of a request on its Doc."""
    doc.user_data[_REWRITE] = _plain(rewrite)


def rewrite_of(doc: Doc) -> Rewrite:
    """The result that the task stored on the Doc.

    RAISES (KeyError): The Doc has not been through the task.
    """
    return Rewrite(**doc.user_data[_REWRITE])


def _plain(item: Attempt | Rewrite) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}


def judged(
    answer: Response, markup: str, found: tuple[str, list[list[int]], str, str], **of_prompt: Any
) -> Rewrite:
    """A `Rewrite` from an answer and what was found in it: text, spans, reason and detail."""
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
