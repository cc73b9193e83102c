import pytest

from clinical_ie.scoring.agreement import token_agreement
from clinical_ie.scoring.lengths import by_length

from .helpers import mention, note

TEXT = "aspirin 81 mg daily, held."


def test_kappa_by_hand() -> None:
    # Of seven tokens, one annotator labels two as Drug, and the other only one of those.
    first = {"a": note(mention("T1", "Drug", (0, 10)))}
    second = {"a": note(mention("T1", "Drug", (0, 7)))}
    found = token_agreement(first, second, {"a": TEXT})
    by_chance = (2 * 1 + 5 * 6) / 49
    expected = (6 / 7 - by_chance) / (1 - by_chance)
    assert found.by_label["Drug"].kappa == pytest.approx(expected)
    assert found.overall.kappa == pytest.approx(expected)
    assert (found.overall.observed, found.overall.n_tokens) == (pytest.approx(6 / 7), 7)


def test_a_token_may_have_several_labels() -> None:
    both = note(mention("T1", "ADE", (0, 7)), mention("T2", "Reason", (0, 7)))
    one = note(mention("T1", "ADE", (0, 7)))
    found = token_agreement({"a": both}, {"a": one}, {"a": TEXT})
    assert found.by_label["ADE"].kappa == 1.0
    assert found.by_label["Reason"].kappa == 0.0
    assert found.overall.observed == pytest.approx(6 / 7)


@pytest.mark.parametrize("place", [(14, 19), (19, 20)])
def test_a_token_that_a_mention_touches_is_not_in_it(place: tuple[int, int]) -> None:
    one = note(mention("T1", "Drug", place))
    found = token_agreement({"a": one}, {"a": note()}, {"a": TEXT})
    assert found.overall.observed == pytest.approx(6 / 7)


def test_no_label_at_all_leaves_no_room_for_chance() -> None:
    found = token_agreement({"a": note()}, {"a": note()}, {"a": TEXT})
    assert (found.overall.kappa, found.overall.observed, found.by_label) == (None, 1.0, {})


def test_without_a_common_note_there_is_no_agreement() -> None:
    with pytest.raises(ValueError, match="annotated by both"):
        token_agreement({"a": note()}, {"b": note()}, {"a": TEXT, "b": TEXT})


def test_mentions_by_length() -> None:
    gold = {"a": note(mention("T1", "Drug", (0, 7)), mention("T2", "Dose", (8, 13)))}
    predicted = {
        "a": note(mention("T1", "Drug", (0, 10)), mention("T2", "Dose", (8, 13))),
        "b": note(mention("T1", "Drug", (0, 7))),
    }
    found = by_length(gold, predicted, {"a": TEXT, "b": TEXT})
    assert found["1"] == {
        "gold": 1, "predicted": 1,
        "strict": {"found": 0, "right": 0}, "lenient": {"found": 1, "right": 0},
    }  # fmt: skip
    assert found["2"] == {
        "gold": 1, "predicted": 2,
        "strict": {"found": 1, "right": 1}, "lenient": {"found": 1, "right": 2},
    }  # fmt: skip
    assert found["9+"]["gold"] == 0


def test_classes_of_length() -> None:
    longest = [mention(f"T{n}", "Drug", (0, 2 * n)) for n in range(1, 10)]
    found = by_length({"a": note(*longest)}, {}, {"a": "w " * 9})
    assert [figures["gold"] for figures in found.values()] == [1, 1, 1, 2, 3, 1]
