import json
import random
from collections import Counter
from pathlib import Path

import pytest
from spacy.tokens import Doc

from clinical_ie.augment.schedule import _groups
from clinical_ie.augment.segment import Place, segments_of
from clinical_ie.augment.strategy import by_labels, errors_by_label, plan, rare_first, weak_first


def places(docs: list[Doc]) -> list[list[Place]]:
    return [[s.place for s in segments_of(doc, max_words=40)[0]] for doc in docs]


def test_plan_takes_one_of_each_note_first(train_docs: list[Doc]) -> None:
    found = places(train_docs)
    order = list(plan(found, seed=1, preferred=(2, 8)))
    assert len(order) == sum(map(len, found))
    assert len({place.note_id for place in order[:3]}) == 3
    assert all(len(place.labels) >= 2 for place in order[:3])
    assert order == list(plan(found, seed=1, preferred=(2, 8)))
    orders = [list(plan(found, seed=seed, preferred=(2, 8))) for seed in range(9)]
    assert any(other != order for other in orders)


def test_segments_that_share_no_text_come_before_the_others() -> None:
    note = [
        Place("note", start, end, ("Drug",))
        for start in range(12)
        for end in range(start + 1, min(start + 5, 13))
    ]
    for seed in range(20):
        apart: list[Place] = []
        order = list(plan([note], seed, preferred=(2, 8)))
        drawn = random.Random(seed).sample(note, len(note))
        for place in drawn:
            if all(place.end <= other.start or other.end <= place.start for other in apart):
                apart.append(place)
        assert order == apart + [place for place in drawn if place not in apart]


def test_no_segments_no_plan() -> None:
    assert list(plan([[], []], seed=0, preferred=(2, 8))) == []


def label_places(*labels: str) -> list[Place]:
    return [Place("note", 10 * i, 10 * i + 9, tuple(x.split())) for i, x in enumerate(labels)]


def test_rare_labels_come_first() -> None:
    order = label_places("Drug Drug", "Drug ADE", "Form", "Drug", "Drug", "ADE")
    counts = {"Drug": 9, "ADE": 2, "Form": 1}
    planned = list(by_labels(order, rare_first(counts)))
    assert sorted(planned, key=lambda place: place.start) == order
    # Form has 1 mention, ADE has 2, and 3 after its first segment.
    assert [place.labels for place in planned[:3]] == [("Form",), ("Drug", "ADE"), ("ADE",)]


def test_labels_with_errors_come_first_and_in_proportion() -> None:
    order = label_places(*["Easy"] * 5, *["Hard"] * 8, *["Worse"] * 8)
    planned = list(by_labels(order, weak_first({"Hard": 10, "Worse": 20})))
    first = Counter(place.labels[0] for place in planned[:9])
    assert first == {"Worse": 6, "Hard": 3}
    assert {place.labels[0] for place in planned[-5:]} == {"Easy"}
    assert len(planned) == len(order)


def metrics(split: str) -> dict[str, object]:
    by_label = {"Drug": {"tp": 5, "fp": 2, "fn": 3}, "ADE": {"tp": 1, "fp": 0, "fn": 0}}
    return {"split": split, "entities": {"strict": {"by_label": by_label}}}


def test_errors_are_read_from_what_evaluation_wrote(tmp_path: Path) -> None:
    path = tmp_path / "no_aug.json"
    path.write_text(json.dumps(metrics("dev")))
    assert errors_by_label(path) == {"Drug": 5, "ADE": 0}


def test_scores_on_test_notes_choose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "no_aug.json"
    path.write_text(json.dumps(metrics("test")))
    with pytest.raises(ValueError, match=r"no_aug\.json: measured on the test notes"):
        errors_by_label(path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"entities": {"strict": {"by_label": 1}}}'])
def test_a_file_without_scores(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"x\.json: no scores by label"):
        errors_by_label(path)
    with pytest.raises(FileNotFoundError, match=r"y\.json: no such file"):
        errors_by_label(path.with_name("y.json"))


def test_no_two_segments_of_a_group_share_text() -> None:
    first, second, third = (
        Place("n", start, end, ("Drug",)) for start, end in ((0, 10), (20, 30), (25, 35))
    )
    assert list(_groups([first, second, third], 3)) == [[first, second], [third]]
