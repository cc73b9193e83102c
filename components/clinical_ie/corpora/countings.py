"""Recognizes offsets that do not count characters, by the text that they were made for.

Exporters count what their language counts: UTF-16 units in Java and JavaScript, bytes in Go. Then
all mentions of a note after a certain place seem wrong, and the reason is not easy to see.
"""

import re
import unicodedata
from collections.abc import Callable

from ..brat.files import covers
from ..brat.records import Fragments

_BEYOND_16_BITS = re.compile("[\U00010000-\U0010ffff]")
# What is counted, and a text with as many characters as the tool counted in its place. The rarest
# first: offsets from 1 look like one emoji before the mention.
_COUNTINGS: dict[str, Callable[[str], str]] = {
    "UTF-16 units, not characters": lambda text: _BEYOND_16_BITS.sub(r"\g<0>\0", text),
    "bytes, not characters": lambda text: text.encode("utf8", "surrogatepass").decode("latin-1"),
    "line ends as one character, where the text has two (CRLF)": lambda text: text.replace(
        "\r\n", "\n"
    ),
    "line ends as two characters (CRLF), where the text has one": lambda text: re.sub(
        "(?<!\r)\n", "\r\n", text
    ),
    "composed accents, where those of the text are decomposed": lambda text: unicodedata.normalize(
        "NFC", text
    ),
    "decomposed accents, where those of the text are composed": lambda text: unicodedata.normalize(
        "NFD", text
    ),
}


class Countings:
    """Other ways to count in one text.

    text (str): The text of the note.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._others: list[tuple[str, str, Callable[[str], str]]] = []

    def of(self, fragments: Fragments, said: str) -> str:
        """What offsets count, if they cover the text that a mention states by another counting.

        RETURNS (str): What to say; "" if no known counting explains them.
        """
        self._others = self._others or self._make()
        for place, (name, text, counted) in enumerate(self._others):
            if covers(text, fragments, counted(said)):
                # One tool counts in one way, and few mentions alone may fit several.
                self._others.insert(0, self._others.pop(place))
                return name
        return ""

    def _make(self) -> list[tuple[str, str, Callable[[str], str]]]:
        """Each counting that differs here, with the text, and how it changes that of a mention."""
        made = [(name, counted(self._text), counted) for name, counted in _COUNTINGS.items()]
        differing = [each for each in made if each[1] != self._text]
        return [*differing, ("from 1, not from 0", f"\0{self._text}", str)]
