import numpy as np
import pytest

from clinical_ie.scoring import Counts, NoteCounts
from clinical_ie.scoring.significance import Interval, Spread, bootstrap, compare


def counted(*rows: tuple[int, int, int]) -> dict[str, NoteCounts]:
    """Notes with these true positives, false positives and false negatives."""
    return {
        f"{number:03}": {"entities": {"strict": {"Drug": Counts(*row)}}}
        for number, row in enumerate(rows)
    }


def drawn(random: np.random.Generator, recall: float, n_notes: int = 60) -> dict[str, NoteCounts]:
    found = random.binomial(20, recall, size=n_notes)
    return counted(*((int(n), 5, 20 - int(n)) for n in found))


def test_equal_arms_cannot_be_told_apart() -> None:
    arm = drawn(np.random.default_rng(0), 0.8)
    result = compare([arm], [arm], "entities", "strict", rounds=500)
    assert (result.p, result.difference) == (1.0, Interval(0.0, 0.0, 0.0))
    assert result.in_words("plain", "augmented").startswith(
        "plain and augmented are not distinguishable at the 0.05 level: they differ by 0.00 points"
    )


def test_a_plain_difference_is_found_and_named() -> None:
    random = np.random.default_rng(0)
    result = compare([drawn(random, 0.6)], [drawn(random, 0.8)], "entities", "strict", rounds=2000)
    assert result.p == 1 / 2001
    assert 0 < result.difference.low < result.difference.value < result.difference.high
    assert result.in_words("a", "b").startswith("b is better than a by ")
    other = compare([drawn(random, 0.8)], [drawn(random, 0.6)], "entities", "strict", rounds=2000)
    assert other.in_words("a", "b").startswith("a is better than b by ")


def test_without_a_difference_p_is_uniform() -> None:
    random = np.random.default_rng(0)
    ps = [
        compare(
            [drawn(random, 0.7, 30)], [drawn(random, 0.7, 30)], "entities", "strict",
            rounds=300, seed=run,
        ).p
        for run in range(200)
    ]  # fmt: skip
    # Four standard errors around 5 % and 50 %.
    assert np.mean(np.array(ps) <= 0.05) == pytest.approx(0.05, abs=4 * 0.0154)
    assert np.mean(np.array(ps) <= 0.5) == pytest.approx(0.5, abs=4 * 0.0354)


def test_p_is_that_of_all_assignments() -> None:
    """Three notes have eight assignments: the exact p by hand."""
    first = counted((1, 0, 1), (1, 0, 1), (1, 0, 1))
    second = counted((2, 0, 0), (2, 0, 0), (2, 0, 0))
    # Only two of eight, which swap all notes or none, give as large a difference.
    result = compare([first], [second], "entities", "strict", measure="recall", rounds=20_000)
    assert result.p == pytest.approx(0.25, abs=0.02)
    assert (result.first, result.second) == (0.5, 1.0)


def test_differences_that_are_equal_on_paper_are_equal() -> None:
    """One run gains in the first note what the other loses, so all differences are equal."""
    first = [counted((0, 0, 5), (3, 0, 2)), counted((4, 0, 1), (0, 0, 5))]
    second = [counted((1, 0, 4), (3, 0, 2)), counted((3, 0, 2), (5, 0, 0))]
    assert compare(first, second, "entities", "strict", measure="recall", rounds=200).p == 1.0


def test_intervals_hold_the_value_and_narrow_with_more_notes() -> None:
    few, many = (drawn(np.random.default_rng(1), 0.7, n) for n in (20, 500))
    widths = []
    for arm in (few, many):
        interval = bootstrap([arm], "entities", "strict", rounds=1000)["recall"]
        assert interval.low < interval.value < interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 3


def test_the_interval_of_a_proportion_is_the_known_one() -> None:
    arm = counted(*([(1, 0, 0)] * 70 + [(0, 0, 1)] * 30))
    interval = bootstrap([arm], "entities", "strict", rounds=4000)["recall"]
    assert interval.low == pytest.approx(0.7 - 1.96 * 0.0458, abs=0.01)
    assert interval.high == pytest.approx(0.7 + 1.96 * 0.0458, abs=0.01)
    assert bootstrap([arm], "entities", "strict", rounds=4000)["recall"] == interval


def test_several_runs_are_judged_by_their_mean() -> None:
    """Runs with many predictions must not weigh more than runs with few."""
    random = np.random.default_rng(2)
    hasty = counted(*((2, int(random.integers(30, 60)), 8) for _ in range(40)))
    careful = counted(*((int(random.integers(6, 9)), 1, 2) for _ in range(40)))
    of_each = [bootstrap([run], "entities", "strict", rounds=500)["f1"] for run in (hasty, careful)]
    mean = bootstrap([hasty, careful], "entities", "strict", rounds=500)["f1"]
    assert mean.value == pytest.approx(sum(one.value for one in of_each) / 2)
    assert mean.low < mean.value < mean.high
    better = drawn(random, 0.9, 40)
    result = compare([hasty, careful], [better, better], "entities", "strict", rounds=500)
    assert result.first == pytest.approx(mean.value)
    assert result.p == 1 / 501
    turned = compare([hasty, careful], [careful, hasty], "entities", "strict", rounds=500)
    assert (turned.difference.value, turned.p) == (pytest.approx(0.0), 1.0)
    with pytest.raises(ValueError, match="2 runs against 1"):
        compare([hasty, careful], [better], "entities", "strict")


def runs_of(random: np.random.Generator, n_runs: int, n_notes: int) -> list[dict[str, NoteCounts]]:
    """Runs of one arm that, like seeds, are each a little better or worse in all notes."""
    return [drawn(random, 0.7 + random.normal(0, 0.02), n_notes) for _ in range(n_runs)]


def test_seeds_that_differ_do_not_make_an_arm_better() -> None:
    """A test over notes only would find differences even between runs of the same arm."""
    random = np.random.default_rng(0)
    found = [
        compare(
            runs_of(random, 3, 100), runs_of(random, 3, 100), "entities", "strict",
            rounds=200, seed=run,
        )
        for run in range(100)
    ]  # fmt: skip
    assert np.mean([result.p < 0.05 for result in found]) > 0.2
    assert np.mean(["is better than" in result.in_words("a", "b") for result in found]) < 0.1


def test_p_of_runs_is_students() -> None:
    first = [counted((n, 0, 10 - n)) for n in (4, 5, 6)]
    second = [counted((n, 0, 10 - n)) for n in (6, 7, 8)]
    result = compare(first, second, "entities", "strict", measure="recall", rounds=50)
    # t = 0.2 / (0.1 * sqrt(2 / 3)) = 2.449, 4 degrees of freedom: from a table of the distribution.
    assert (result.p_runs, result.n_runs) == (pytest.approx(0.0705, abs=1e-4), 3)
    assert "; p = 0.0705, 3 runs of each)" in result.in_words("a", "b")
    alike = compare(first[:1] * 2, second[:1] * 2, "entities", "strict", rounds=50)
    assert alike.p_runs == 0.0
    assert "; p < 0.0001, 2 runs of each)" in alike.in_words("a", "b")
    alone = compare(first[:1], second[:1], "entities", "strict", rounds=50)
    assert alone.p_runs is None
    assert alone.in_words("a", "b").endswith(", 1 notes; one run of each)")


def test_nothing_and_unlike_notes() -> None:
    assert compare([{}], [{}], "entities", "strict").p == 1.0
    assert bootstrap([{}], "entities", "strict")["f1"].high == 0.0
    one = counted((1, 0, 0))
    assert compare([one], [one], "entities", "strict").p == 1.0
    with pytest.raises(ValueError, match=r"only one of the arms .* 001"):
        compare([one], [counted((1, 0, 0), (1, 0, 0))], "entities", "strict")


def test_spread_over_seeds() -> None:
    spread = Spread.of([0.5, 0.6, 0.7])
    assert (spread.mean, spread.sd) == (pytest.approx(0.6), pytest.approx(0.1))
    assert (spread.low, spread.high, spread.n) == (0.5, 0.7, 3)
    assert Spread.of([0.5]).sd == 0.0
    with pytest.raises(ValueError, match="no scores"):
        Spread.of([])
