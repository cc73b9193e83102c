"""Every item gets one verdict, and verdicts add up to the one-to-one scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.scoring import Counts
from clinical_ie.scoring.errors import (
    CORRECT,
    FALSE_KINDS,
    MENTION_KINDS,
    MISS_KINDS,
    distance_classes,
    note_errors,
)
from clinical_ie.scoring.one_to_one import one_to_one

from .helpers import mention, note


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ([("A", 0, 4)], [("A", 0, 4)], (["correct"], ["correct"])),
        ([("A", 0, 4)], [], (["missed"], [])),
        ([], [("A", 0, 4)], ([], ["spurious"])),
        ([("A", 0, 4)], [("B", 0, 4)], (["wrong type"], ["wrong type"])),
        ([("A", 0, 4)], [("B", 0, 6)], (["wrong type and borders"],) * 2),
        ([("A", 2, 4)], [("A", 0, 6)], (["too long"],) * 2),
        ([("A", 0, 4)], [("A", 0, 6)], (["too long"],) * 2),
        ([("A", 0, 6)], [("A", 2, 4)], (["too short"],) * 2),
        ([("A", 0, 6)], [("A", 2, 6)], (["too short"],) * 2),
        ([("A", 0, 6)], [("A", 4, 8)], (["shifted"],) * 2),
        ([("A", 0, 9)], [("A", 0, 4), ("A", 5, 9)], (["split"], ["split", "split"])),
        ([("A", 0, 4), ("A", 5, 9)], [("A", 0, 9)], (["merged", "merged"], ["merged"])),
        # A duplicate of a correct mention is spurious.
        ([("A", 0, 4)], [("A", 0, 4), ("A", 0, 4)], (["correct"], ["correct", "spurious"])),
        ([("A", 0, 4)], [("A", 4, 8)], (["missed"], ["spurious"])),
    ],
)
def test_mentions(gold, predicted, kinds) -> None:
    sides = [
        note(*(mention(f"T{n}", label, (a, b)) for n, (label, a, b) in enumerate(items)))
        for items in (gold, predicted)
    ]
    found = note_errors(*sides, None)
    assert [v.kind for v in found.gold_mentions] == kinds[0]
    assert [v.kind for v in found.predicted_mentions] == kinds[1]


@pytest.mark.parametrize(
    ("gold", "predicted", "kind"),
    [
        ([(0, 10)], [(0, 3), (7, 10)], "too short"),
        ([(0, 3), (7, 10)], [(0, 10)], "too long"),
        ([(0, 3), (8, 11)], [(4, 7), (8, 11)], "shifted"),
    ],
)
def test_borders_of_mentions_in_pieces(gold, predicted, kind) -> None:
    sides = (note(mention("T1", "A", *pieces)) for pieces in (gold, predicted))
    assert [v.kind for v in note_errors(*sides, None).gold_mentions] == [kind]


ENDS = mention("T1", "Drug", (0, 4)), mention("T2", "Dose", (5, 8))


@pytest.mark.parametrize(
    ("predicted", "kinds"),
    [
        ([*ENDS, Link("Has", "T1", "T2")], ("correct", "correct")),
        ([*ENDS, Link("Has", "T2", "T1")], ("wrong direction", "wrong direction")),
        ([*ENDS, Link("Had", "T1", "T2")], ("wrong label", "wrong label")),
        ([*ENDS, Link("Had", "T2", "T1")], ("wrong label", "wrong label")),
        ([*ENDS], ("not proposed", None)),
        ([ENDS[0]], ("mention missed", None)),
        (
            [ENDS[0], mention("T2", "Form", (5, 8)), Link("Has", "T1", "T2")],
            ("mention of wrong type", "mention of wrong type"),
        ),
        (
            [ENDS[0], mention("T2", "Form", (5, 9)), Link("Has", "T1", "T2")],
            ("mention of wrong type", "mention of wrong type"),
        ),
        (
            [ENDS[0], mention("T2", "Dose", (5, 9)), Link("Has", "T1", "T2")],
            ("mention with wrong borders", "mention with wrong borders"),
        ),
        (
            [ENDS[0], mention("T3", "Dose", (20, 25)), Link("Has", "T1", "T3")],
            ("mention missed", "mention spurious"),
        ),
    ],
)
def test_relations(predicted, kinds) -> None:
    gold = note(*ENDS, Link("Has", "T1", "T2"))
    found = note_errors(gold, note(*predicted), None)
    assert [v.kind for v in found.gold_links] == [kinds[0]]
    assert [v.kind for v in found.predicted_links] == ([kinds[1]] if kinds[1] else [])


def test_a_pair_that_nobody_looked_at() -> None:
    gold = note(*ENDS, Link("Has", "T1", "T2"))
    found = note_errors(gold, note(*ENDS), None, unreachable={0})
    assert found.gold_links[0].kind == "not a candidate"


def test_a_relation_between_right_mentions_that_gold_does_not_have() -> None:
    found = note_errors(note(*ENDS), note(*ENDS, Link("Has", "T1", "T2")), None)
    assert found.predicted_links[0].kind == "no such relation"


def test_distance_in_words() -> None:
    text = "drug and then some other 5 mg"
    gold = note(
        mention("T1", "Dose", (25, 29)),
        mention("T2", "Drug", (0, 4)),
        Link("Has", "T1", "T2"),
        Link("Has", "T2", "T2"),
    )
    assert distance_classes(gold, text) == ["1-5", "0"]


@st.composite
def annotations(draw: st.DrawFn) -> Annotations:
    mentions = [
        Mention(f"T{i}", draw(st.sampled_from("AB")), ((start, start + draw(st.integers(1, 6))),))
        for i, start in enumerate(draw(st.lists(st.integers(0, 15), max_size=7)))
    ]
    ids = st.sampled_from([m.id for m in mentions]) if mentions else st.nothing()
    links = st.builds(Link, st.sampled_from("XY"), ids, ids)
    return Annotations(mentions, draw(st.lists(links, max_size=6)) if mentions else [])


@given(annotations(), annotations())
def test_verdicts_add_up_to_the_scores(gold: Annotations, predicted: Annotations) -> None:
    found = note_errors(gold, predicted, None)
    counts = one_to_one(gold, predicted, None)
    for task, verdicts, kinds in (
        ("entities", (found.gold_mentions, found.predicted_mentions), (MENTION_KINDS,) * 2),
        ("relations", (found.gold_links, found.predicted_links), (MISS_KINDS, FALSE_KINDS)),
    ):
        total = sum(counts[task]["strict"].values(), Counts())
        right = [sum(v.kind == CORRECT for v in side) for side in verdicts]
        assert right == [total.tp, total.tp]
        assert [len(side) - total.tp for side in verdicts] == [total.fn, total.fp]
        for side, allowed in zip(verdicts, kinds, strict=True):
            assert {v.kind for v in side} <= {CORRECT, *allowed}
