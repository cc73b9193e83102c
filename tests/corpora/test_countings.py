import unicodedata
from collections.abc import Callable

import pytest

from clinical_ie.brat import Note, Standoff
from clinical_ie.corpora.countings import Countings
from clinical_ie.corpora.standoff_reading import note_to_annotations

# What each counting adds before the last line differs.
TEXT = "\U0001f642 \u00dcbel\nund \u00d6dem,\nf\u00fcr 2 Tage Kopfschmerz"
CRLF = TEXT.replace("\n", "\r\n")
NFD = unicodedata.normalize("NFD", TEXT)


@pytest.mark.parametrize(
    ("text", "count", "told"),
    [
        (TEXT, lambda before: len(before.encode("utf-16-le")) // 2, "UTF-16 units, not characters"),
        (TEXT, lambda before: len(before.encode()), "bytes, not characters"),
        (TEXT, lambda before: len(before.replace("\n", "\r\n")), "line ends as two characters"),
        (CRLF, lambda before: len(before.replace("\r", "")), "line ends as one character"),
        (NFD, lambda before: len(unicodedata.normalize("NFC", before)), "composed accents"),
        (TEXT, lambda before: len(unicodedata.normalize("NFD", before)), "decomposed accents"),
        ("Aspirin for 2 Tage Kopfschmerz", lambda before: len(before) + 1, "from 1, not from 0"),
        (TEXT, lambda before: len(before) + 8, ""),
    ],
)
def test_what_offsets_count_is_recognized(text: str, count: Callable[[str], int], told: str):
    for word in ("Kopfschmerz", "Tage"):
        start = text.index(word)
        borders = ((count(text[:start]), count(text[: start + len(word)])),)
        found = Countings(text).of(borders, word)
        assert found.startswith(told)
        assert bool(found) == bool(told)


def test_two_pieces_and_a_mention_that_ends_after_the_text():
    units = "T1\tPain 3 7;12 16\t\u00dcbel \u00d6dem\nT2\tPain 29 40\tKopfschmerz\n"
    _, problems = note_to_annotations(Note("n", TEXT, Standoff.parse(units), []))
    hint = "(it fits if offsets count UTF-16 units, not characters): left out"
    assert [problem.message for problem in problems] == [
        f"T1 says '\u00dcbel \u00d6dem', its offsets cover 'bel  dem,' {hint}",
        f"T2 ends at 40, the text has 39 characters {hint}",
    ]


def test_what_explained_the_mention_before_comes_first():
    found = Countings("Fieber\nKopfschmerz")
    assert found.of(((1, 7),), "Fieber") == found.of(((8, 19),), "Kopfschmerz")
    assert Countings("Fieber\nKopfschmerz").of(((8, 19),), "Kopfschmerz").startswith("line ends")


def test_offsets_before_the_text():
    assert Countings("aspirin").of(((0, 7),), "Aspirin") == ""
