"""Sentence boundaries for clinical notes, by rules over tokens.

Discharge summaries mix hard-wrapped prose, headings, numbered lists and tables. Whether a line
break ends a sentence therefore depends on the lines around it.
"""

import re
from bisect import bisect_right
from collections.abc import Collection
from itertools import compress, count

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from .columns import Offsets, PerWord, text_of
from .tokenizer import TITLES

# A line this long was most likely broken by the editor, not by the author.
WRAPPED_LINE = 60

_LINE_END = re.compile(r"\r\n|\n|\r")
_LIST_ITEM = re.compile(r"\s*(?:\d{1,2}[.)]\s|[A-Za-z]\)\s|[-*•#+]\s*\w)")
# Letters of Latin, Greek and Cyrillic.
_HEADING = re.compile(
    r"\s*[A-Z\u00c0-\u00de\u0391-\u03a9\u0400-\u042f]"
    r"[A-Za-z\u00c0-\u024f\u0300-\u052f/&() -]{1,48}:(?:\s|$)"
)
_TABLE_GAP = re.compile(r"\S {3,}\S|\t")
_TITLE = re.compile(rf"(?:{TITLES}|[Nn]o\.)\Z")
# Titles only before a name in capitals, too; elsewhere, most are mitral regurgitation and the like.
_CAPITAL_TITLES = frozenset({"MR", "MRS", "MS", "DR"})
# Words that a capital letter follows, even where they begin a sentence.
_LETTERED = frozenset({"class", "factor", "group", "hepatitis", "protein", "type", "vitamin"})
_NUMBERED = frozenset({"class", "day", "grade", "level", "phase", "stage", "type", "week"})
_BEFORE_LISTS = frozenset(":\uff1a")
_CLOSERS = frozenset("\"')]}\u201d\u2019\u300b\u300d\u300f\u3011\uff09")
# Chinese and Japanese, Arabic, Urdu and Hindi, besides those of English.
_FINALS = frozenset("?!\uff1f\uff01\u3002\uff61\u061f\u06d4\u0964")


# -1, as spaCy's arrays without a sign have it.
_NO_START = np.uint64(2**64 - 1)

# Kinds of words, by their effect on the end of a sentence; plain words have none.
_PLAIN, _SPACE, _STOP, _FINAL, _CLOSER = range(5)


@Language.component("clinical_sentences", assigns=["token.is_sent_start", "doc.sents"])
def clinical_sentences(doc: Doc) -> Doc:
    """Set the sentence starts of a Doc; white space belongs to the sentence before it."""
    starts = np.full(len(doc), _NO_START)
    starts[list(_sentence_starts(doc))] = 1
    # All at once: the setter of a token searches the whole Doc for a parse every time.
    return doc.from_array(["SENT_START"], starts)


def merge_inside_mentions(doc: Doc, first: Offsets, after: Offsets) -> int:
    """Remove the sentence starts inside mentions.

    first, after (Offsets): The first token of each mention, and the token after its last.
    RETURNS (int): How many were removed.
    """
    starts = np.asarray(doc.to_array("SENT_START"), dtype=np.uint64)
    begun = (starts == 1).cumsum()
    # The mentions with a sentence start after their first token.
    cut = begun[first] < begun[after - 1]
    if not cut.any():
        return 0
    # The nesting depth at each token, for all mentions at once: plus one after the first token of
    # a mention, minus one after its last.
    up, down = (np.bincount(at[cut], minlength=len(doc) + 1) for at in (first + 1, after))
    wrong = (starts == 1) & ((up - down).cumsum()[: len(doc)] > 0)
    starts[wrong] = _NO_START
    doc.from_array(["SENT_START"], starts)
    return int(wrong.sum())


def _sentence_starts(doc: Doc) -> set[int]:
    """The tokens that start a sentence."""
    words = _Words(doc)
    kinds = _KINDS.of(words.orths, words.strings)
    starts = {0} if kinds else set()
    lines: _Lines | None = None
    ended = True
    following = 0
    # The last number in this line that opened an item of a list.
    listed = 0
    # A plain word can only start the sentence after an end, so the loop visits only the others.
    for i in compress(count(), kinds):
        if ended and following < i:
            starts.add(following)
            ended = False
        following = i + 1
        kind = kinds[i]
        if kind == _SPACE:
            # Thin blanks are tokens too, and much more frequent inside a sentence than line ends.
            if (listed or not ended) and _LINE_END.search(words[i]):
                listed = 0
                if not ended:
                    lines = lines or _Lines(text_of(doc))
                    ended = lines.end_within(doc[i].idx, doc[i].idx + len(words[i]))
            continue
        if ended and not (kind == _CLOSER and _follows_directly(doc, i)):
            starts.add(i)
            ended = False
        if kind == _STOP and (number := _list_number(words, i, starts, listed)):
            listed = number
            starts.add(_word_before(words, i))
        elif kind == _FINAL or (kind == _STOP and _ends_sentence(doc, words, i, starts)):
            ended = True
    if ended and following < len(kinds):
        starts.add(following)
    return starts


def _kind(word: str) -> int:
    if word.isspace():
        return _SPACE
    if word in _FINALS:
        return _FINAL
    if word.endswith(".") and not _TITLE.match(word):
        return _STOP
    return _CLOSER if word in _CLOSERS else _PLAIN


_KINDS = PerWord(_kind)


class _Words:
    """The words of a Doc by position; few of them matter, and only those are read."""

    def __init__(self, doc: Doc) -> None:
        self.orths: list[int] = doc.to_array("ORTH").tolist()
        self.strings = doc.vocab.strings

    def __len__(self) -> int:
        return len(self.orths)

    def __getitem__(self, i: int) -> str:
        return self.strings[self.orths[i]]


class _Lines:
    """The lines of a text, found by character: some tokenizers leave line ends inside words."""

    def __init__(self, text: str) -> None:
        self.lines = _LINE_END.split(text)
        self.starts = [match.end() for match in _LINE_END.finditer(text)]

    def end_within(self, start: int, end: int) -> bool:
        """Whether the sentence ends in the white space between these offsets."""
        upper, lower = bisect_right(self.starts, start), bisect_right(self.starts, end)
        if lower == upper:
            return False
        return lower > upper + 1 or _ends_at_break(self.lines[upper], self.lines[lower])


def _ends_at_break(upper: str, lower: str) -> bool:
    """Whether the sentence ends between two neighbouring lines."""
    if not upper.strip() or not lower.strip():
        return True
    if _LIST_ITEM.match(lower) or _HEADING.match(lower) or upper.rstrip().endswith(":"):
        return True
    if _TABLE_GAP.search(upper.strip()) or _TABLE_GAP.search(lower.strip()):
        return True
    return len(upper.rstrip()) < WRAPPED_LINE and not lower.lstrip()[0].islower()


def _follows_directly(doc: Doc, i: int) -> bool:
    """Whether there is no blank before token i: `p.o.)`, but not `He left. "No`."""
    return i > 0 and not (doc[i - 1].whitespace_ or doc[i - 1].is_space)


def _ends_sentence(doc: Doc, words: _Words, i: int, starts: Collection[int]) -> bool:
    """Whether a sentence ends with token i, which ends with a full stop."""
    later = i + 1
    # `(5 mg b.i.d.) and heparin` goes on.
    while later < len(words) and words[later] in _CLOSERS and _follows_directly(doc, later):
        later += 1
    here = later
    while later < len(words) and words[later].isspace():
        later += 1
    if later == len(words):
        return True
    following = words[later]
    same_line = later == here
    if same_line and (
        _is_initial(words, i, starts)
        or _is_counted(words, i, following)
        or _is_capital_title(words, i, following)
    ):
        return False
    return not (following[0].islower() or following[0] in ",;" or following == ".")


def _word_before(words: _Words, i: int) -> int:
    """The token that the full stop at token i belongs to: i, or i - 1 if the stop is a token."""
    return i if len(words[i]) > 1 else i - 1


def _is_initial(words: _Words, i: int, starts: Collection[int]) -> bool:
    """Whether the full stop belongs to a name, as in `J. Smith` but not in `vitamin A. He`."""
    at = _word_before(words, i)
    letter = words[at].rstrip(".") if at >= 0 else ""
    if len(letter) != 1 or not letter.isupper():
        return False
    before = words[at - 1] if at > 0 else ""
    # `38 C.`, `hepatitis C.`
    is_term = before.isdigit() or before.lower() in _LETTERED
    return at in starts or not (is_term or (before.isalpha() and before.islower()))


def _is_capital_title(words: _Words, i: int, following: str) -> bool:
    """Whether the full stop is that of `DR. SMITH`, and not of `moderate MR. LV function`."""
    at = _word_before(words, i)
    is_title = at >= 0 and words[at] in _CAPITAL_TITLES and following.isupper()
    # No small letter in the word before it, as in notes that are all in capitals.
    return is_title and (at == 0 or words[at - 1] == words[at - 1].upper())


def _is_counted(words: _Words, i: int, following: str) -> bool:
    """Whether the full stop belongs to a short word before a number: `Cr. 1.8`, `Lot. 4`."""
    at = _word_before(words, i)
    word = words[at].rstrip(".") if at >= 0 else ""
    return following[0].isdigit() and word.isalpha() and word.istitle() and len(word) <= 4


def _list_number(words: _Words, i: int, starts: Collection[int], last: int) -> int:
    """The number that the full stop at token i belongs to if that opens an item of a list, else 0.

    It stands at the start of a line or sentence (`1. Aspirin`), or is 1 after a colon (`Plan: 1.
    Aspirin`), or follows the number before it in one line (`1. Aspirin 2. Statin`).
    last (int): The last such number in this line; 0 if there is none.
    """
    first = _word_before(words, i)
    digits = words[first].rstrip(".") if first >= 0 else ""
    if not (digits.isdecimal() and len(words[first]) <= 3):
        return 0
    number = int(digits)
    before = words[first - 1] if first else ""
    is_next = before.lower() not in _NUMBERED if last else before in _BEFORE_LISTS
    opens = first in starts or _LINE_END.search(before) or (number == last + 1 and is_next)
    return number if opens else 0
