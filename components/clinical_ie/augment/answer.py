"""Finds the rewrite in what a model wrote."""

import re

_REASONING = ("<think>", "</think>")
_FENCE = re.compile(r"\A```\w*\n(.*?)\n```\s*\Z", re.DOTALL)
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_LINE = re.compile(r"\n\s*")
# How models begin when they refuse.
_REFUSAL = re.compile(
    r"\b(sorry|apologi[sz]e|as an ai|i (cannot|can.?t|won.?t|will not|am not able|am unable|must "
    r"decline)|i.?m (unable|not able)|(cannot|can.?t|unable to) (assist|help|comply|provide))\b",
    re.IGNORECASE,
)
_BEGINNING = 200


def rewrite_in(answer: str, source: str) -> tuple[str, bool]:
    """The rewrite, without what models put around it.

    Reasoning in `<think>` tags, a code fence and quotes are removed. Chat models explain themselves
    and base models continue with further examples, so if the source has no blank line, only the
    first paragraph with a marker is kept; if it is a single line, only the first line with one.

    source (str): The segment in markup.
    RETURNS (tuple[str, bool]): The rewrite, and whether the answer ends with it. "" if there is
        only reasoning.
    """
    text = answer
    if not any(tag in source for tag in _REASONING):
        # The opening tag may be at the end of the prompt.
        text = text.rpartition(_REASONING[1])[2].lstrip()
        if text.startswith(_REASONING[0]):
            return "", True
    text = text.strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    if len(text) > 1 and text[0] + text[-1] in ('""', "``") and text[0] not in source:
        text = text[1:-1].strip()
    if _BLANK_LINE.search(source):
        return text, True
    parts = (_BLANK_LINE if "\n" in source else _LINE).split(text)
    chosen = next((part for part in parts if "[[" in part), parts[0]).strip()
    return chosen, text.endswith(chosen)


def is_refusal(answer: str) -> bool:
    """Whether an answer without any marker says, in English, that the model will not rewrite."""
    return "[[" not in answer and bool(_REFUSAL.search(answer[:_BEGINNING]))
