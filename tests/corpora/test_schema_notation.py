import pytest

from clinical_ie.corpora.generator.notation import (
    Arrow,
    Choice,
    Entry,
    Mark,
    NotationError,
    Number,
    Slot,
    parse_entry,
    parse_nodes,
)
from clinical_ie.corpora.generator.pattern import parse_pattern


def test_marks_and_braces() -> None:
    source = r"\[a\] {she} [Drug:d @oral !Off=yes]{, [Dose -> d:X, e]|} {#0.5-20} {Sign @head}"
    nodes = parse_nodes(source)
    mark = Mark("Drug", "d", (), (("Off", "yes"),), None, frozenset({"oral"}))
    dose = Mark("Dose", "#2", (Arrow("d", "X"), Arrow("e", None)), (), None)
    assert nodes == (
        "[a] ",
        Slot("she"),
        " ",
        mark,
        Choice(((", ", dose), ())),
        " ",
        Number(0.5, 20, 1),
        " ",
        Slot("Sign", frozenset({"head"})),
    )


def test_marks_within_marks() -> None:
    (outer,) = parse_nodes("[Sign:s = mild [Site -> s] pain]")
    assert isinstance(outer, Mark)
    assert outer.content == ("mild ", Mark("Site", "#1", (Arrow("s", None),), (), None), " pain")


def test_entries_have_surfaces_and_tags() -> None:
    assert parse_entry("metformin; Glucophage @sugar @oral") == Entry(
        "metformin", (("metformin",), ("Glucophage",)), frozenset({"sugar", "oral"})
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a [Drug", "character 3, '[Drug': missing ']'"),
        ("a ] b", "character 3, '] b': unmatched ']'"),
        ("{a b}", "braces hold a {name}"),
        ("{a|b", "missing '}'"),
        ("{#9-1}", "from 9 down to 1"),
        ("[Drug to d]", "'Drug to d' is not a mark; write"),
        ("[Drug = {|a }]", "the mention may come out empty"),
        ("[+a]", "one more piece is only text"),
        ("[+a = {|}]", "may come out empty"),
    ],
)
def test_notation_errors_show_the_place(source: str, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_nodes(source)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[Drug] x", "holds a mark"),
        ("{|a}", "may come out empty"),
        ("x; {|a}", "may come out empty"),
        ("x @a, @b", "'@a,' is not a tag"),
    ],
)
def test_entry_errors(line: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_entry(line)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("No {Sign}.", "filler"),
        ("[Drug:d] [Dose -> d].", "plain"),
        ("[Drug:d] was given. [Dose -> d] was the dose.", "crossing"),
        ("[Drug:d] was given at 1.5 [Dose -> d].", "plain"),
        ("[Sign:s = {Sign} of the [Site -> s]]", "nested"),
        ("[Drug:d] gave [Ade -> d = [Sign]]", "equal"),
        ("[Site:a = left] and [Site:b = right [+a = knee]]", "discontinuous"),
    ],
)
def test_shapes(source: str, shape: str) -> None:
    assert parse_pattern(source).shape == shape


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("[Drug:d] and [Drug:d]", "two mentions are called 'd'"),
        ("[Drug:d] [Dose -> e]", r"no mention is called 'e'; there are \['d'\]"),
        ("{[Drug:d]|none} [Dose -> d]", "option that may not be chosen"),
        ("{[Drug:d]|[Dose -> d]}", "option that may not be chosen"),
        ("[A:a -> b] [B:b -> a]", "form a circle: a -> b -> a"),
        ("[A:a = left] [+b = knee]", "no mention is called 'b'"),
        ("   ", "the pattern is empty"),
    ],
)
def test_pattern_errors(source: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_pattern(source)


def test_a_mark_may_refer_to_one_in_its_own_option() -> None:
    assert parse_pattern("Took {[Drug:d] [Dose -> d]|nothing}.").depths == {"d": 0, "#2": 1}
