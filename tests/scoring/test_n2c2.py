"""The official script's counts, compared with their description and a naive reference."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.scoring import Counts, score
from clinical_ie.scoring.folders import read_pair
from clinical_ie.scoring.n2c2 import n2c2_2018

from .helpers import mention, note, write_brat


def entities(gold: Annotations, predicted: Annotations, mode: str) -> Counts:
    return sum(n2c2_2018(gold, predicted, None)["entities"][mode].values(), Counts())


WIDE = note(mention("T1", "Drug", (0, 10)))
TWO = note(mention("T1", "Drug", (0, 4)), mention("T2", "Drug", (5, 10)))


def test_two_predicted_mentions_on_one_gold_mention() -> None:
    assert entities(WIDE, TWO, "lenient") == Counts(1, 0, 0)
    assert entities(WIDE, TWO, "strict") == Counts(0, 2, 1)


def test_one_predicted_mention_over_two_gold_mentions() -> None:
    assert entities(TWO, WIDE, "lenient") == Counts(1, 0, 1)


def test_a_duplicate_is_free() -> None:
    doubled = note(mention("T1", "Drug", (0, 10)), mention("T2", "Drug", (0, 10)))
    assert entities(WIDE, doubled, "strict") == Counts(1, 0, 0)


def test_gold_against_itself_can_be_below_one() -> None:
    nested = note(mention("T1", "Drug", (0, 10)), mention("T2", "Drug", (0, 4)))
    assert entities(nested, nested, "strict") == Counts(2, 0, 0)
    assert entities(nested, nested, "lenient") == Counts(1, 0, 1)


def test_spans_that_touch_do_not_match() -> None:
    assert entities(WIDE, note(mention("T1", "Drug", (10, 12))), "lenient") == Counts(0, 1, 1)


def test_what_one_that_is_taken_out_marks_stays_marked() -> None:
    gold = note(mention("T1", "Drug", (0, 4)), mention("T2", "Drug", (6, 9)))
    first, both, last = (
        mention("T1", "Drug", (0, 4)), mention("T2", "Drug", (2, 8)), mention("T3", "Drug", (6, 9)),
    )  # fmt: skip
    # `both` matches the marked first item, is removed and marks the second: `last` goes too.
    assert entities(gold, note(first, both, last), "lenient") == Counts(1, 0, 1)
    # In another order of lines, nothing is removed before it is counted.
    assert entities(gold, note(first, last, both), "lenient") == Counts(2, 0, 0)


def test_fragments_count_from_the_first_listed_to_the_last_listed() -> None:
    gold = note(mention("T1", "Drug", (0, 4), (8, 12)))
    assert entities(gold, note(mention("T1", "Drug", (0, 12))), "strict") == Counts(1, 0, 0)
    assert entities(gold, note(mention("T1", "Drug", (5, 7))), "lenient") == Counts(1, 0, 0)
    backwards = note(mention("T1", "Drug", (8, 12), (0, 4)))
    assert entities(gold, backwards, "strict") == Counts(0, 1, 1)
    assert entities(backwards, backwards, "strict") == Counts(1, 0, 0)


def test_relations_need_type_and_span_of_both_ends_in_their_order() -> None:
    mentions = mention("T1", "Drug", (0, 4)), mention("T2", "Form", (5, 9))
    gold = note(*mentions, Link("Form-Drug", "T2", "T1"))
    turned = note(*mentions, Link("Form-Drug", "T1", "T2"))
    wider = note(
        mention("T7", "Drug", (0, 4)), mention("T5", "Form", (5, 10)), Link("Form-Drug", "T5", "T7")
    )
    for predicted, strict, lenient in (
        (gold, Counts(1, 0, 0), Counts(1, 0, 0)),
        (turned, Counts(0, 1, 1), Counts(0, 1, 1)),
        (wider, Counts(0, 1, 1), Counts(1, 0, 0)),
    ):
        counts = n2c2_2018(gold, predicted, None)["relations"]
        assert counts == {"strict": {"Form-Drug": strict}, "lenient": {"Form-Drug": lenient}}


def test_only_notes_of_both_sides_count_and_empty_ones_are_zero_in_the_mean() -> None:
    scores = score(
        {"a": WIDE, "missing": WIDE, "empty": note()},
        {"a": WIDE, "extra": WIDE, "empty": note()},
        protocol="n2c2-2018",
    )
    strict = scores["entities"]["strict"]
    assert scores["notes"] == 2
    assert (strict["micro"]["tp"], strict["micro"]["fp"], strict["micro"]["fn"]) == (1, 0, 0)
    assert strict["macro"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert strict["by_label"]["Drug"]["macro"]["f1"] == 0.5


def test_the_order_is_that_of_the_file(tmp_path: Path) -> None:
    text = "x" * 20
    gold = {"a": (text, "T1\tDrug 0 4\txxxx\nT2\tDrug 6 9\txxx\n")}
    lines = ["T9\tDrug 0 4\txxxx\n", "T1\tDrug 2 8\txxxxxx\n", "T5\tDrug 6 9\txxx\n"]
    folder = write_brat(tmp_path / "gold", gold)
    for number, (order, tp) in enumerate([((0, 1, 2), 1), ((0, 2, 1), 2)]):
        ann = "".join(lines[i] for i in order)
        pair = read_pair(folder, write_brat(tmp_path / str(number), {"a": (text, ann)}))
        scores = score(pair.gold, pair.predicted, protocol="n2c2-2018", texts=pair.texts)
        assert scores["entities"]["lenient"]["micro"]["tp"] == tp


@st.composite
def annotations(draw: st.DrawFn) -> Annotations:
    mentions = []
    for number in range(draw(st.integers(0, 7))):
        starts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=2))
        fragments = tuple((start, start + draw(st.integers(1, 4))) for start in starts)
        mentions.append(Mention(f"T{number}", draw(st.sampled_from("AB")), fragments))
    ids = st.sampled_from([m.id for m in mentions]) if mentions else st.nothing()
    links = st.builds(Link, st.sampled_from("XY"), ids, ids)
    return Annotations(mentions, draw(st.lists(links, max_size=6)) if mentions else [])


def reference(gold: list, system: list, match: Callable[[object, object], bool]) -> Counts:
    """The rule, implemented naively with lists."""
    marked: list[int] = []
    remaining = list(range(len(system)))
    for s, item in enumerate(system):
        hits = [g for g, other in enumerate(gold) if match(other, item)]
        if any(g in marked for g in hits):
            remaining.remove(s)
        marked += [g for g in hits if g not in marked]
    right = [s for s in remaining if any(match(other, system[s]) for other in gold)]
    return Counts(len(right), len(remaining) - len(right), len(gold) - len(right))


@given(annotations(), annotations())
def test_counts_are_those_of_the_reference(gold: Annotations, predicted: Annotations) -> None:
    def span(m: Mention) -> tuple[int, int]:
        return m.fragments[0][0], m.fragments[-1][1]

    def same(a: Mention, b: Mention, mode: str) -> bool:
        (start, end), (other_start, other_end) = span(a), span(b)
        if mode == "strict":
            return a.label == b.label and (start, end) == (other_start, other_end)
        return a.label == b.label and start < other_end and other_start < end

    in_gold = {m.id: m for m in gold.mentions}
    in_predicted = {m.id: m for m in predicted.mentions}

    def same_link(a: Link, b: Link, mode: str) -> bool:
        return (
            a.label == b.label
            and same(in_gold[a.head], in_predicted[b.head], mode)
            and same(in_gold[a.tail], in_predicted[b.tail], mode)
        )

    counts = n2c2_2018(gold, predicted, None)
    for task, items, system, matches in (
        ("entities", gold.mentions, predicted.mentions, same),
        ("relations", gold.links, predicted.links, same_link),
    ):
        for mode in ("strict", "lenient"):

            def match(a: object, b: object, matches=matches, mode=mode) -> bool:
                return matches(a, b, mode)

            found = counts[task][mode]
            assert sum(found.values(), Counts()) == reference(items, system, match)
            # The row of a label: both sides are reduced to this label before counting.
            for label in {item.label for item in [*items, *system]}:
                of_label = [[i for i in side if i.label == label] for side in (items, system)]
                assert found.get(label, Counts()) == reference(*of_label, match)
