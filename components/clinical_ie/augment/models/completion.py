"""What a server that speaks the chat-completions protocol has answered, read with distrust."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from ..prompt import Response

_CODE = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII)
CUT = "cut at max_tokens"
# The form that an answer takes under `constraint = "json"`.
SCHEMA = {
    "type": "object",
    "properties": {"rewrite": {"type": "string"}},
    "required": ["rewrite"],
    "additionalProperties": False,
}


def read_completion(body: bytes, seconds: float) -> Response:
    """The answer in the body of a response with status 200.

    RETURNS (Response): With a `fault` where there is no text that could be a rewrite, and not
        `answered` where the body is no completion at all.
    """
    try:
        # One letter in another encoding is no reason to pay for the whole answer again.
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
    """What stands for an answer that never came.

    refused (bool): Nor will it, if the same is asked again.
    """
    return Response("", seconds=seconds, fault=reason, answered=False, refused=refused)


def codes(names: Iterable[object]) -> list[str]:
    """Those that may be shown; what a server says in words may hold the key or the note."""
    return [str(name) for name in names if name and _CODE.fullmatch(str(name))]


def fields_named(error: object, fields: Iterable[str]) -> list[str]:
    """Those fields of a request that the body of an error speaks of, as servers do: in quotes, or
    after such a word as `argument`; not as the names of what they hold."""
    name = f"({'|'.join(map(re.escape, fields))})"
    word = rf"\b(?:argument|field|parameter|property)s?\W+(?:\w+[\s.:]+){{0,2}}{name}\b"
    found = re.findall(rf"['\"`]{name}\\*['\"`](?!\s*:)|{word}", str(error))
    return list(dict.fromkeys(quoted or plain for quoted, plain in found))


def mean_logprob(choice: dict[str, Any]) -> float | None:
    """The mean log-probability of the tokens of a choice, where the server sent them along."""
    try:
        values = [float(token["logprob"]) for token in choice["logprobs"]["content"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    mean = sum(values) / len(values) if values else math.nan
    return mean if math.isfinite(mean) else None


def unwrapped(answer: Response) -> Response:
    """The rewrite inside an answer that follows `SCHEMA`, without what models put around it:
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
    """The content of a message, which some servers send in parts."""
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
    # All that it may write went into reasoning, here or elsewhere.
    return CUT if cut else "no content"


# More than any answer has, and less than what a journal has room for.
_MOST_TOKENS = 2**40


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value < _MOST_TOKENS else None
