"""Which part of what a model wrote is the rewrite."""

import re

_REASONING = ("<think>", "</think>")
_FENCE = re.compile(r"\A```\w*\n(.*?)\n```\s*\Z", re.DOTALL)
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_LINE = re.compile(r"\n\s*")
# As models begin that will not do what they are asked.
_REFUSAL = re.compile(
    r"\b(sorry|apologi[sz]e|as an ai|i (cannot|can.?t|won.?t|will not|am not able|am unable|must "
    r"decline)|i.?m (unable|not able)|(cannot|can.?t|unable to) (assist|help|comply|provide))\b",
    re.IGNORECASE,
)
_BEGINNING = 200


def rewrite_in(answer: str, source: str) -> tuple[str, bool]:
    """The rewrite, without what models put around it.

    That is reasoning in `<think>` tags, a code fence, quotes, and paragraphs before and after where
    the source has no blank line, or lines where it is but one: chat models explain themselves, and
    base models go on with further examples. The first one with a marker is taken.

    source (str): The segment in markup.
    RETURNS (tuple[str, bool]): The rewrite, and whether it is where the answer ends. "" where
        there is nothing but reasoning.
    """
    text = answer
    if not any(tag in source for tag in _REASONING):
        # The tag that opens can stand at the end of the prompt.
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
    """Whether a model says, in English and without one marker, that it will not rewrite."""
    return "[[" not in answer and bool(_REFUSAL.search(answer[:_BEGINNING]))
