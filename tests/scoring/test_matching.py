from collections import Counter
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.scoring.matching import equal_edges, match, match_equal, normalise, overlaps

edges = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=12)


def best_by_trying_all(pairs: list[tuple[int, int]]) -> int:
    """The size of the maximum matching of at most 5 + 5 items, by trying every assignment."""
    return max(
        sum((gold, predicted) in pairs for gold, predicted in enumerate(order))
        for order in permutations(range(5))
    )


@given(edges)
def test_matching_has_maximum_size(pairs: list[tuple[int, int]]) -> None:
    matched = match(sorted(pairs), 5, 5)
    assert len(matched) == len(set(matched)) == best_by_trying_all(pairs)
    assert set(matched) <= {gold for gold, _ in pairs}


def test_matching_is_not_greedy() -> None:
    # Matching 0-0 first would leave 1 unmatched.
    assert match([(0, 0), (0, 1), (1, 0)], 2, 2) == [0, 1]


def test_nothing_matches_nothing() -> None:
    assert match([], 0, 0) == []
    assert match([], 3, 2) == []


def test_equal_items_match_as_often_as_both_sides_have_them() -> None:
    a, b = ("Drug", ((0, 3),)), ("Drug", ((4, 9),))
    assert match_equal(Counter([a, a, b]), Counter([a, b, b, b])) == {"Drug": 2}


pieces = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 4)).map(lambda x: (x[0], x[0] + x[1])),
    min_size=1,
    max_size=3,
)
items = st.lists(st.tuples(st.sampled_from(["A", "B"]), pieces.map(normalise)), max_size=6)


@given(items, items)
def test_overlap_is_a_shared_character(gold: list, predicted: list) -> None:
    def characters(item: tuple) -> set[int]:
        return {position for start, end in item[1] for position in range(start, end)}

    assert overlaps(gold, predicted) == [
        (i, j)
        for i, a in enumerate(gold)
        for j, b in enumerate(predicted)
        if a[0] == b[0] and characters(a) & characters(b)
    ]


@given(items, items)
def test_equal_items_are_found_in_the_order_of_overlaps(gold: list, predicted: list) -> None:
    near = overlaps(gold, predicted)
    assert equal_edges(gold, predicted) == [(i, j) for i, j in near if gold[i] == predicted[j]]


@given(pieces)
def test_normalising_keeps_the_characters(fragments: list[tuple[int, int]]) -> None:
    normal = normalise(fragments)
    assert {p for a, b in normal for p in range(a, b)} == {
        p for a, b in fragments for p in range(a, b)
    }
    assert normalise(normal) == normalise(reversed(fragments)) == normal
    assert all(left[1] < right[0] for left, right in pairwise(normal))


def test_spans_that_touch_do_not_overlap() -> None:
    assert overlaps([("A", ((0, 3),))], [("A", ((3, 5),))]) == []


def test_a_gap_does_not_overlap() -> None:
    assert overlaps([("A", ((0, 2), (8, 9)))], [("A", ((3, 7),))]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("low\ndose", ((0, 8),)),
        ("low \r\n  dose", ((0, 12),)),
        ("low, dose", ((0, 3), (5, 9))),
        (None, ((0, 3), (4, 8))),
    ],
)
def test_white_space_between_fragments_joins_them(text: str | None, expected: tuple) -> None:
    second = (text.index("dose"), len(text)) if text else (4, 8)
    assert normalise([second, (0, 3)], text) == expected


def test_a_gap_outside_the_text_joins_nothing() -> None:
    assert normalise([(0, 3), (9, 12)], "low") == ((0, 3), (9, 12))


@pytest.mark.parametrize("fragments", [[], [(3, 3)], [(0, 2), (5, 4)]])
def test_a_mention_has_characters(fragments: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="expected"):
        normalise(fragments)
