"""Sentence boundaries for clinical notes, by rules over tokens.

Discharge summaries mix prose that is wrapped by hand, headings, numbered lists and tables. A line
break alone therefore neither ends a sentence nor continues it: its surroundings decide.
"""

import re

import numpy as np
import numpy.typing as npt
from spacy.language import Language
from spacy.tokens import Doc

# For each token 1 where a sentence starts, else -1, as spaCy has it.
Starts = npt.NDArray[np.int64]

# A line this long was most likely broken by the editor, not by the author.
WRAPPED_LINE = 60

_LIST_ITEM = re.compile(r"\s*(?:\d{1,2}[.)]\s|[-*•#+]\s*\w)")
_HEADING = re.compile(r"\s*[A-Z][A-Za-z/&() -]{1,48}:(?:\s|$)")
_TABLE_GAP = re.compile(r"\S {3,}\S|\t")
_TITLES = frozenset(
    {
        "dr.",
        "fig.",
        "figs.",
        "ca.",
        "mr.",
        "mrs.",
        "ms.",
        "prof.",
        "st.",
        "vs.",
        "e.g.",
        "i.e.",
        "no.",
        "approx.",
    }
)
_CLOSERS = frozenset("\"')]}\u201d\u2019")


@Language.component("clinical_sentences")
def clinical_sentences(doc: Doc) -> Doc:
    """Set the sentence starts of a Doc; white space belongs to the sentence before it."""
    lines = doc.text.split("\n")
    line_number = 0
    ended = True
    # Set all at once: a token's own setter looks through the Doc for a parse every time.
    starts = np.full(len(doc), -1, dtype="int64")
    for i, token in enumerate(doc):
        if token.is_space:
            starts[i] = 1 if i == 0 else -1
            breaks = token.text.count("\n")
            if breaks:
                upper, lower = lines[line_number], lines[line_number + breaks]
                ended = ended or breaks > 1 or _ends_at_break(upper, lower)
                line_number += breaks
            continue
        starts[i] = 1 if i == 0 or ended else -1
        ended = _ends_sentence(doc, i, starts) or (ended and token.text in _CLOSERS)
    return doc.from_array(["SENT_START"], starts.astype("uint64"))


def merge_inside_mentions(doc: Doc) -> int:
    """Take away the sentence starts that lie inside a mention.

    RETURNS (int): How many there were.
    """
    merged = 0
    for span in doc.spans.get("entities", ()):
        for token in span[1:]:
            if token.is_sent_start:
                token.is_sent_start = False
                merged += 1
    return merged


def _ends_at_break(upper: str, lower: str) -> bool:
    """Whether the sentence ends between two neighbouring lines."""
    if not upper.strip() or not lower.strip():
        return True
    if _LIST_ITEM.match(lower) or _HEADING.match(lower) or upper.rstrip().endswith(":"):
        return True
    if _TABLE_GAP.search(upper.strip()) or _TABLE_GAP.search(lower.strip()):
        return True
    return len(upper.rstrip()) < WRAPPED_LINE and not lower.lstrip()[0].islower()


def _ends_sentence(doc: Doc, i: int, starts: Starts) -> bool:
    text = doc[i].text
    if text in {"?", "!"}:
        return True
    if not text.endswith(".") or text.lower() in _TITLES or _is_list_number(doc, i, starts):
        return False
    following = next((token.text for token in doc[i + 1 :] if not token.is_space), "")
    if not following:
        return True
    same_line = i + 1 < len(doc) and not doc[i + 1].is_space
    if same_line and (_is_initial(doc, i, starts) or _is_counted(doc, i, following)):
        return False
    return not (following[0].islower() or following[0] in ",;")


def _word_before(doc: Doc, i: int) -> int:
    """The token that the stop at token i belongs to, be the stop a token of its own or not."""
    return i if len(doc[i]) > 1 else i - 1


def _is_initial(doc: Doc, i: int, starts: Starts) -> bool:
    """Whether the stop belongs to a name: `J. Smith`, but not to `vitamin A. He`."""
    at = _word_before(doc, i)
    letter = doc[at].text.rstrip(".") if at >= 0 else ""
    if len(letter) != 1 or not letter.isupper():
        return False
    return starts[at] == 1 or not (doc[at - 1].text.isalpha() and doc[at - 1].text.islower())


def _is_counted(doc: Doc, i: int, following: str) -> bool:
    """Whether the stop belongs to a short word before its number: `Cr. 1.8`, `Lot. 4`."""
    at = _word_before(doc, i)
    word = doc[at].text.rstrip(".") if at >= 0 else ""
    return following[0].isdigit() and word.isalpha() and word.istitle() and len(word) <= 4


def _is_list_number(doc: Doc, i: int, starts: Starts) -> bool:
    """Whether the stop at token i belongs to a number that opens a line: `1. Aspirin`."""
    first = _word_before(doc, i)
    if first < 0 or not doc[first].text.rstrip(".").isdigit() or len(doc[first]) > 3:
        return False
    return first == 0 or "\n" in doc[first - 1].text or bool(starts[first] == 1)
