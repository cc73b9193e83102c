from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.scoring import Counts
from clinical_ie.scoring.one_to_one import one_to_one

from .helpers import mention, note


def test_entities_by_hand() -> None:
    gold = note(
        mention("T1", "Drug", (0, 7)),
        mention("T2", "Drug", (20, 27)),
        mention("T3", "Dosage", (8, 13)),
        mention("T4", "Reason", (40, 50)),
    )
    predicted = note(
        mention("T1", "Drug", (0, 7)),  # right
        mention("T2", "Drug", (0, 7)),  # a duplicate
        mention("T3", "Drug", (22, 27)),  # right only in lenient mode
        mention("T4", "ADE", (40, 50)),  # wrong label
    )
    assert one_to_one(gold, predicted, None)["entities"] == {
        "strict": {
            "Drug": Counts(1, 2, 1),
            "Dosage": Counts(0, 0, 1),
            "Reason": Counts(0, 0, 1),
            "ADE": Counts(0, 1, 0),
        },
        "lenient": {
            "Drug": Counts(2, 1, 0),
            "Dosage": Counts(0, 0, 1),
            "Reason": Counts(0, 0, 1),
            "ADE": Counts(0, 1, 0),
        },
    }


def test_relations_by_hand() -> None:
    gold = note(
        mention("T1", "Drug", (0, 7)),
        mention("T2", "Dosage", (8, 13)),
        mention("T3", "Reason", (20, 30)),
        Link("Dosage-Drug", "T2", "T1"),
        Link("Reason-Drug", "T3", "T1"),
    )
    predicted = note(
        mention("T9", "Drug", (0, 7)),
        mention("T8", "Dosage", (8, 13)),
        mention("T7", "Reason", (25, 30)),
        Link("Reason-Drug", "T7", "T9"),  # its head has another border
        Link("Dosage-Drug", "T8", "T9"),  # right
        Link("Dosage-Drug", "T8", "T9"),  # a duplicate
        Link("Dosage-Drug", "T9", "T8"),  # the wrong way round
    )
    assert one_to_one(gold, predicted, None)["relations"] == {
        "strict": {"Dosage-Drug": Counts(1, 2, 0), "Reason-Drug": Counts(0, 1, 1)},
        "lenient": {"Dosage-Drug": Counts(1, 2, 0), "Reason-Drug": Counts(1, 0, 0)},
    }


def test_a_relation_needs_the_labels_of_its_mentions() -> None:
    gold = note(mention("T1", "Drug", (0, 7)), mention("T2", "ADE", (8, 9)), Link("R", "T2", "T1"))
    predicted = note(
        mention("T1", "Drug", (0, 7)), mention("T2", "Reason", (8, 9)), Link("R", "T2", "T1")
    )
    counts = one_to_one(gold, predicted, None)["relations"]
    assert counts["strict"] == counts["lenient"] == {"R": Counts(0, 1, 1)}


def test_one_prediction_over_two_gold_mentions_counts_once() -> None:
    gold = note(mention("T1", "Drug", (0, 3)), mention("T2", "Drug", (4, 8)))
    predicted = note(mention("T1", "Drug", (0, 8)))
    assert one_to_one(gold, predicted, None)["entities"]["lenient"] == {"Drug": Counts(1, 0, 1)}
    assert one_to_one(predicted, gold, None)["entities"]["lenient"] == {"Drug": Counts(1, 1, 0)}


def test_a_line_break_in_a_mention_is_no_difference() -> None:
    text = "low\ndose of aspirin"
    gold = note(mention("T1", "Dosage", (0, 3), (4, 8)))
    predicted = note(mention("T1", "Dosage", (0, 8)))
    assert one_to_one(gold, predicted, text)["entities"]["strict"] == {"Dosage": Counts(1, 0, 0)}
    assert one_to_one(gold, predicted, None)["entities"]["strict"] == {"Dosage": Counts(0, 1, 1)}


def test_missing_mention_of_a_relation_is_told() -> None:
    with pytest.raises(ValueError, match="'T2'"):
        one_to_one(note(mention("T1", "A", (0, 1)), Link("R", "T1", "T2")), note(), None)


def test_doubled_id_is_told() -> None:
    with pytest.raises(ValueError, match="'T1' is used twice"):
        one_to_one(note(), note(mention("T1", "A", (0, 1)), mention("T1", "A", (2, 3))), None)


@st.composite
def annotations(draw: st.DrawFn) -> Annotations:
    mentions = [
        Mention(f"T{i}", draw(st.sampled_from("AB")), ((start, start + draw(st.integers(1, 5))),))
        for i, start in enumerate(draw(st.lists(st.integers(0, 8), max_size=4)))
    ]
    ids = st.sampled_from([m.id for m in mentions]) if mentions else st.nothing()
    links = st.builds(Link, st.sampled_from("XY"), ids, ids)
    return Annotations(mentions, draw(st.lists(links, max_size=5)) if mentions else [])


def reference_tp(gold: Annotations, predicted: Annotations, mode: str) -> tuple[int, int]:
    """The largest number of matched mentions and relations, by definition."""

    def same(a: Mention, b: Mention) -> bool:
        if mode == "strict":
            return a.label == b.label and a.fragments == b.fragments
        return a.label == b.label and a.start < b.end and b.start < a.end

    def best(left: list, right: list, matches) -> int:
        if len(left) > len(right):
            return best(right, left, lambda a, b: matches(b, a))
        return max(
            sum(matches(a, b) for a, b in zip(left, chosen, strict=True))
            for chosen in permutations(right, len(left))
        )

    in_gold = {m.id: m for m in gold.mentions}
    in_predicted = {m.id: m for m in predicted.mentions}

    def same_link(a: Link, b: Link) -> bool:
        return (
            a.label == b.label
            and same(in_gold[a.head], in_predicted[b.head])
            and same(in_gold[a.tail], in_predicted[b.tail])
        )

    return (
        best(gold.mentions, predicted.mentions, same),
        best(gold.links, predicted.links, same_link),
    )


@given(annotations(), annotations())
def test_counts_are_those_of_the_definition(gold: Annotations, predicted: Annotations) -> None:
    counts = one_to_one(gold, predicted, None)
    for mode in ("strict", "lenient"):
        expected = reference_tp(gold, predicted, mode)
        for task, tp, n_gold, n_predicted in (
            ("entities", expected[0], len(gold.mentions), len(predicted.mentions)),
            ("relations", expected[1], len(gold.links), len(predicted.links)),
        ):
            total = sum(counts[task][mode].values(), Counts())
            assert total == Counts(tp, n_predicted - tp, n_gold - tp)


@given(annotations())
def test_gold_against_itself_is_without_error(gold: Annotations) -> None:
    for modes in one_to_one(gold, gold, None).values():
        for by_label in modes.values():
            assert all(counts.fp == counts.fn == 0 for counts in by_label.values())
