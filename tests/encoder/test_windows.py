import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.encoder.windows import Window, batch_windows, cut_windows, group_by_length


@given(
    n=st.integers(0, 3000),
    capacity=st.integers(3, 300),
    share=st.floats(0, 0.49),
    offset=st.integers(0, 99),
)
def test_every_piece_is_spoken_for_once_with_its_context(n, capacity, share, offset):
    context = min(int(capacity * share), (capacity - 1) // 2)
    windows = cut_windows(n, capacity, context, offset)
    spoken_for = [p for window in windows for p in range(window.first, window.last)]
    assert spoken_for == list(range(offset, offset + n))
    for window in windows:
        assert len(window) <= capacity
        assert window.start <= window.first <= window.last <= window.end
        assert window.first - window.start >= context or window.first == offset
        assert window.end - window.last >= context or window.last == offset + n


@given(n=st.integers(101, 3000), context=st.integers(0, 40))
def test_windows_of_a_long_note_are_equal_in_length_and_overlap_no_more_than_they_must(n, context):
    windows = cut_windows(n, 100, context)
    (length,) = {len(window) for window in windows}
    assert (len(windows) - 1) * (100 - 2 * context) + 2 * context < n
    # Rounding up adds less than one wordpiece to a window.
    assert len(windows) * (length - 1) < n + (len(windows) - 1) * 2 * context


def test_a_piece_is_taken_where_it_stands_most_centrally():
    windows = cut_windows(250, 100, 10)
    for window in windows:
        centre = (window.start + window.end) / 2
        for piece in range(window.first, window.last):
            others = (abs((w.start + w.end) / 2 - piece - 0.5) for w in windows)
            assert abs(centre - piece - 0.5) <= min(others) + 1


@pytest.mark.parametrize("context", [50, -1])
def test_context_that_cannot_be_is_refused(context):
    with pytest.raises(ValueError, match=f"context = {context}"):
        cut_windows(10, 100, context)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [(96, [[100], [90], [30, 30, 7], [5]]), (95, [[100], [90], [30, 30], [7, 5]])],
)
def test_batches_keep_to_the_budget_and_lose_nothing(budget, expected):
    windows = [Window(0, n, 0, n) for n in (5, 90, 30, 30, 7, 100)]
    # Three of 30 with two special tokens each, padding counted, are 96.
    batches = batch_windows(windows, budget, extra=2)
    assert [[len(w) for w in batch] for batch in batches] == expected


@pytest.mark.parametrize("budget", [1, 60, 500])
def test_windows_of_like_length_are_read_together(budget):
    lengths = np.random.default_rng(0).integers(1, 50, size=100)
    groups = group_by_length(lengths, budget)
    for group in groups:
        assert len(group) * max(lengths[group]) <= budget or len(group) == 1
    order = np.concatenate(groups).tolist()
    # Longest first; those of equal length as they came.
    assert order == sorted(range(100), key=lambda at: (-lengths[at], at))
    assert group_by_length(lengths[:0], budget) == []
