from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.augment.markup import (
    Marker,
    MarkupError,
    decode,
    encode,
    keys_in,
    read_loosely,
)
from clinical_ie.doc import Mention

PIECES = [
    "[[",
    "]]",
    "[",
    "]",
    "|",
    ": ",
    "\n",
    "\\",
    "[** x **]",
    "{",
    "}}",
    "T1|Drug: ",
    "a ",
    "é",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5))).map("".join)
LABELS = st.sampled_from(["Drug", "ADE", "Sign_symptom", "É-1"])


@st.composite
def annotated(draw: st.DrawFn) -> tuple[str, list[Mention]]:
    """A text and mentions that do not cross each other."""
    text = draw(TEXTS)
    places = st.integers(0, len(text))
    mentions: list[Mention] = []
    for number in range(draw(st.integers(0, 6)) if text else 0):
        start, end = sorted((draw(places), draw(places)))
        crossing = any(
            m.start < start < m.end < end or start < m.start < end < m.end for m in mentions
        )
        if start < end and not crossing:
            mentions.append(Mention(f"m{number}", draw(LABELS), ((start, end),)))
    return text, mentions


@given(annotated())
def test_decode_gives_back_what_was_encoded(given: tuple[str, list[Mention]]) -> None:
    text, mentions = given
    markup = encode(text, mentions)
    assert decode(markup.text, markup.markers) == (text, mentions)
    assert list(markup.keys) == keys_in(markup.text)


MARKERS = (Marker("T1|Drug", "a", "Drug"), Marker("T2|Drug", "b", "Drug", "T1|Drug"))


@given(st.lists(st.one_of(st.sampled_from([*PIECES, "[[T1|Drug: ", "[[T2|Drug: "]), st.text())))
def test_decode_of_any_string_ends_in_text_or_a_reason(pieces: list[str]) -> None:
    with suppress(MarkupError):
        text, mentions = decode("".join(pieces), MARKERS)
        assert encode(text, mentions).markers == MARKERS


def test_paper_style_where_labels_are_unique() -> None:
    text = "aspirin for pain"
    mentions = [Mention("T7", "Reason", ((12, 16),)), Mention("T3", "Drug", ((0, 7),))]
    markup = encode(text, mentions)
    assert markup.text == "[[Drug: aspirin]] for [[Reason: pain]]"
    assert keys_in(markup.text) == ["Drug", "Reason"]


def test_short_ids_in_text_order_where_a_label_repeats() -> None:
    mentions = [Mention("T70", "Drug", ((12, 18),)), Mention("T3", "Drug", ((0, 7),))]
    markup = encode("aspirin and heparin", mentions)
    assert markup.text == "[[T1|Drug: aspirin]] and [[T2|Drug: hepari]]n"
    assert [marker.mention for marker in markup.markers] == ["T70", "T3"]


def test_brackets_of_the_note_are_left_as_they_are() -> None:
    text = "Seen by [** Dr. X **] on [1] {a} | b: c."
    assert encode(text, [Mention("T1", "Drug", ((0, 4),))]).text == f"[[Drug: Seen]]{text[4:]}"


def test_nested_mentions_are_nested_markers() -> None:
    mentions = [Mention("T1", "History", ((0, 14),)), Mention("T2", "Sign", ((11, 14),))]
    assert encode("history of flu", mentions).text == "[[History: history of [[Sign: flu]]]]"


@pytest.mark.parametrize(
    ("mentions", "reason"),
    [
        ([Mention("T1", "A", ((0, 2), (4, 5)))], "mention in several pieces"),
        ([Mention("T1", "A", ((0, 3),)), Mention("T2", "B", ((2, 5),))], "crossing mentions"),
        (
            [Mention("T1", "two words", ((0, 3),))],
            "label that cannot be written (a blank, or one of [ ] | : \\): 'two words'",
        ),
    ],
)
def test_what_cannot_be_encoded(mentions: list[Mention], reason: str) -> None:
    with pytest.raises(MarkupError) as caught:
        encode("abcdef", mentions)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ("[[T1|Drug: a [[T2|Drug: b]]]] [[T3|Drug: c]]", "unknown marker"),
        ("[[T1|ADE: a]]", "unknown marker"),
        ("[[T1|Drug: a [[T2|Drug: b]]]] [[T1|Drug: a]]", "doubled marker"),
        ("[[T1|Drug: a [[T1|Drug: b]]]]", "doubled marker"),
        ("[[T2|Drug: b]] [[T1|Drug: a]]", "changed nesting"),
        ("[[T1|Drug: a]]", "missing marker"),
        ("", "missing marker"),
        ("[[T1|Drug: a [[T2|Drug: b]]", "unclosed marker"),
        ("a]] [[T1|Drug: a", "stray closing brackets"),
        ("[[T1|Drug: [[T2|Drug: ]]]]", "empty mention"),
        ("[[ T1|Drug: a]]", "malformed marker"),
        ("[[" * 500_000, "malformed marker"),
    ],
)
def test_what_is_no_rewrite(markup: str, reason: str) -> None:
    with pytest.raises(MarkupError) as caught:
        decode(markup, MARKERS)
    assert caught.value.reason == reason


def test_a_marker_without_its_blank_is_read() -> None:
    markers = encode("aspirin", [Mention("T1", "Drug", ((0, 7),))]).markers
    assert decode("[[Drug:heparin]]", markers)[0] == "heparin"


def test_what_is_read_loosely_is_in_each_marker_around_it() -> None:
    found = read_loosely("a [[A: b [[B: c]] d]] e]]")
    assert found == ("a b c d e]]", {"A": "b c d", "B": "c"})


def test_brackets_that_mark_nothing_stay_as_they_are() -> None:
    assert encode("see [", []).text == "see ["
    assert read_loosely("a [[ b") == ("a [[ b", {})
