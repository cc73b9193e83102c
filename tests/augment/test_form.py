import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.augment.filters.case import Passage
from clinical_ie.augment.filters.form import (
    make_clean_characters,
    make_likely,
    make_no_chatter,
    make_no_repetition,
    make_terms_changed,
    make_whole_sentence,
)
from clinical_ie.doc import Mention
from tests.augment.test_filters import FILTERS, GOOD, SOURCE, objection, passage


def test_running_in_circles() -> None:
    check = make_no_repetition()
    again = "and then he slept "
    rewrite = passage(f"Heparin {again * 3}.", ("Drug", "Heparin"))
    assert objection(check, SOURCE, rewrite) == "and then he"
    assert objection(check, rewrite, rewrite) is None
    stutter = passage("Had had pain.", ("R", "pain"))
    assert objection(check, SOURCE, stutter) == "Had had"
    assert objection(check, stutter, stutter) is None
    twice = passage("Had pain and pain.", ("R", "pain"))
    two = Passage("pain, pain", (Mention("a", "R", ((0, 4),)), Mention("b", "R", ((6, 10),))))
    one = Passage("pain, ache", (Mention("a", "R", ((0, 4),)), Mention("b", "R", ((6, 10),))))
    assert objection(check, one, two) == "pain"
    assert objection(check, two, two) is None
    assert objection(check, SOURCE, twice) is None
    with pytest.raises(ValueError, match="max_repeats is 0"):
        make_no_repetition(0)


WORDS = st.lists(st.sampled_from("xy"), max_size=9).map(" ".join)


@given(WORDS, WORDS, st.integers(1, 3))
def test_a_run_of_words_too_many(before: str, after: str, most: int) -> None:
    def often(text: str) -> int:
        words = text.split()
        return max(Counter(zip(words, words[1:], words[2:], strict=False)).values(), default=0)

    found = objection(make_no_repetition(most), Passage(before, ()), Passage(after, ()))
    assert (found is not None) == (often(after) > max(most, often(before)))


@given(st.text("ab1_ ,.;:A", max_size=12))
def test_glued_is_what_the_plain_pattern_finds(text: str) -> None:
    found = re.search(r"\w+ ,|[,;:][^\W\d_]\w*|\w\.[A-Z]\w+", text)
    detail = objection(FILTERS["glued_words"], Passage("", ()), Passage(text, ()))
    assert detail == (found and found.group())


@pytest.mark.parametrize(
    ("before", "after", "detail"),
    [
        ("He took aspirin.", "Here it is: she had heparin.", "Here it is: she had"),
        ("He took aspirin.", "Answer:heparin was taken.", "Answer:"),
        ("He took aspirin.", "She had heparin.\nAnything else that you need?", "2 lines for 1"),
        ("He took aspirin.", "Sure!\u2028She had heparin.", "2 lines for 1"),
        ("He took aspirin.", "At 8:30 she had heparin: so it was.", None),
        ("Plan: he took aspirin.", "Thus: she had heparin.", None),
        ("Plan:\nhe took aspirin.", "She had heparin\nand left.", None),
        ("Plan: he took aspirin.", "Sure: plan: she had heparin.", "Sure: plan: she had"),
    ],
)
def test_chatter(before: str, after: str, detail: str | None) -> None:
    source, rewrite = passage(before, ("Drug", "aspirin")), passage(after, ("Drug", "heparin"))
    assert objection(make_no_chatter(), source, rewrite) == detail
    assert objection(FILTERS["chatter"], Passage("Hm.", ()), Passage("So: hm.", ())) == "So: hm."


@pytest.mark.parametrize("char", ["\x00", "\u202e", "\u200f", "\x1b", "\ufffd"])
def test_strange_characters(char: str) -> None:
    check = make_clean_characters()
    rewrite = passage(f"She had {char}heparin for a clot.", ("D", "heparin"), ("R", "clot"))
    assert objection(check, SOURCE, rewrite) == f"U+{ord(char):04X}"
    source = passage(f"Took {char}aspirin for pain.", ("D", "aspirin"), ("R", "pain"))
    assert objection(check, source, rewrite) is None


def test_enough_terms_must_change() -> None:
    half = passage("He took heparin for pain.", ("Drug", "heparin"), ("Reason", "pain"))
    none = passage("He got Aspirin for pain.", ("Drug", "Aspirin"), ("Reason", "pain"))
    assert objection(make_terms_changed(), SOURCE, half) is None
    assert objection(make_terms_changed(), SOURCE, none) == "0 of 2"
    assert objection(make_terms_changed(1.0), SOURCE, half) == "1 of 2"
    assert objection(make_terms_changed(), passage("Well."), passage("Good.")) is None
    with pytest.raises(ValueError, match="min_share is 2"):
        make_terms_changed(2)


def test_an_unlikely_answer() -> None:
    check = make_likely(-1.0)
    assert objection(check, SOURCE, GOOD, likelihood=-0.5) is None
    assert objection(check, SOURCE, GOOD, likelihood=-1.5) == "-1.50 a mention"
    assert objection(check, SOURCE, GOOD) is None


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("The clot was gone, nevertheless.", None),
        ("The clot was gone, although.", "… was gone, although."),
        ("The clot was gone", "…The clot was gone"),
        ("For the clot there was vitamin A.", None),
    ],
)
def test_a_sentence_does_not_end_with_a_word_that_asks_for_more(
    text: str, detail: str | None
) -> None:
    source = passage("The clot was gone, however.", ("Reason", "clot"))
    rewrite = passage(text, ("Reason", "clot"))
    assert objection(make_whole_sentence(), source, rewrite) == detail
    assert objection(make_whole_sentence(), rewrite, rewrite) is None
