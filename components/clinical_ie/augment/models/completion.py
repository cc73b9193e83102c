"""Reads chat completions without trusting the server that sent them."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from ..prompt import Response

_CODE = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII)
CUT = "cut at max_tokens"
# Bytes, log-probabilities of each token included.
LONGEST_BODY = 2**24
# JSON schema of an answer with `constraint = "json"`.
SCHEMA = {
    "type": "object",
    "properties": {"rewrite": {"type": "string"}},
    "required": ["rewrite"],
    "additionalProperties": False,
}


def read_completion(body: bytes, seconds: float) -> Response:
    """The answer in the body of a response with status 200.

    RETURNS (Response): With a `fault` if there is no text that could be a rewrite, and with
        `answered` False if the body is no completion at all.
    """
    if len(body) > LONGEST_BODY:
        return failure("answer is longer than any rewrite", seconds)
    try:
        # One badly encoded character is no reason to pay for the whole answer again.
        completion = json.loads(body.decode(json.detect_encoding(body), "replace"))
    except (ValueError, RecursionError):
        return failure("answer is no JSON", seconds)
    choice = _first_choice(completion)
    if choice is None:
        return failure(_no_completion(completion), seconds)
    text = _text(choice["message"].get("content"))
    usage = completion.get("usage")
    return Response(
        text,
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        seconds,
        cut=choice.get("finish_reason") == "length",
        fault=_fault(choice, text),
        likelihood=mean_logprob(choice),
    )


def failure(reason: str, seconds: float, refused: bool = False) -> Response:
    """A response for a request that got no answer.

    refused (bool): Whether repeating the same request is useless.
    """
    return Response("", seconds=seconds, fault=reason, answered=False, refused=refused)


def codes(names: Iterable[object]) -> list[str]:
    """The names that look like codes and are safe to show; prose may quote the key or the note."""
    return [str(name) for name in names if name and _CODE.fullmatch(str(name))]


def fields_named(error: object, fields: Iterable[str]) -> list[str]:
    """The request fields that an error body mentions, either in quotes or after a word such as
    `argument`, but not as a key (`"name":`)."""
    name = f"({'|'.join(map(re.escape, fields))})"
    word = rf"\b(?:argument|field|parameter|property)s?\W+(?:\w+[\s.:]+){{0,2}}{name}\b"
    found = re.findall(rf"['\"`]{name}\\*['\"`](?!\s*:)|{word}", str(error))
    return list(dict.fromkeys(quoted or plain for quoted, plain in found))


def mean_logprob(choice: dict[str, Any]) -> float | None:
    """The mean log-probability of a choice's tokens; None if the server did not send them."""
    try:
        values = [float(token["logprob"]) for token in choice["logprobs"]["content"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    mean = sum(values) / len(values) if values else math.nan
    return mean if math.isfinite(mean) else None


def unwrapped(answer: Response) -> Response:
    """The rewrite from an answer that follows `SCHEMA`, without anything that models add around it:
    reasoning in `<think>` tags, a code fence, a greeting."""
    if answer.fault:
        return answer
    text = answer.rpartition("</think>")[2]
    try:
        rewrite = json.loads(text[text.find("{") : text.rfind("}") + 1])["rewrite"]
    except (ValueError, RecursionError, KeyError, TypeError):
        rewrite = None
    if isinstance(rewrite, str):
        return answer.with_text(rewrite)
    fault = CUT if answer.cut else "answer does not follow the schema"
    return answer.with_text(str(answer), fault)


def _first_choice(completion: Any) -> dict[str, Any] | None:
    choices = completion.get("choices") if isinstance(completion, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return None
    return choice


def _no_completion(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    if not error:
        return "answer is no completion"
    names = (error.get("code"), error.get("type")) if isinstance(error, dict) else ()
    return f"answer is an error ({', '.join(['HTTP 200', *codes(names)])})"


def _text(content: Any) -> str:
    """The text of a message's content, which some servers send as a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _fault(choice: dict[str, Any], text: str) -> str:
    if choice["message"].get("refusal") or choice.get("finish_reason") == "content_filter":
        return "refusal"
    cut = choice.get("finish_reason") == "length"
    if text.strip() and not (
        cut and text.lstrip().startswith("<think>") and "</think>" not in text
    ):
        return ""
    # If cut, reasoning used up max_tokens, whether it is in this text or in another field.
    return CUT if cut else "no content"


# More than any answer has; the journal has no room for arbitrarily large integers.
_MOST_TOKENS = 2**40


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else None
