from collections import Counter
from typing import Any

import pytest

from clinical_ie.augment.attempt import Rewrite
from clinical_ie.augment.outcome import Outcome, Tokens
from clinical_ie.augment.segment import Segment
from clinical_ie.doc import Annotations, Mention

MENTIONS = [Mention("T1", "Drug", ((5, 12),)), Mention("T2", "ADE", ((17, 21),))]
SEGMENT = Segment("n", 0, 23, "Took aspirin for pain.", Annotations(MENTIONS), frozenset())
TEXT = "Took ASA, took it for Pain."


def rewrite(**changes: Any) -> Rewrite:
    values = {
        "text": TEXT,
        "spans": [[5, 8], [22, 26]],
        "markup": "Took [[Drug: ASA]]",
        "reason": "",
        "detail": "",
        "prompt_sha256": "",
        "seed": 0,
        "variant": 0,
        "prompt_tokens": None,
        "completion_tokens": None,
        "seconds": 0.0,
        "replayed": False,
        "likelihood": None,
    }
    return Rewrite(**values | changes)


def outcome() -> Outcome:
    return Outcome({"n_augmented": 1}, (1.0, 2.0), {"ADE": {"pain"}}, (Counter(), Counter()))


@pytest.mark.parametrize(
    ("answers", "untold", "cost"),
    [
        ([], 0, 0.0),
        ([(None, None)], 1, None),
        # What is reported is paid for, though it is not all.
        ([(None, None), (1_000_000, None)], 2, 1.0),
        ([(None, 1_000_000)], 1, 2.0),
        ([(500_000, 250_000), (500_000, 250_000)], 0, 2.0),
    ],
)
def test_a_cost_is_that_of_the_tokens_that_are_reported(answers, untold, cost) -> None:
    tokens = Tokens()
    for prompt, completion in answers:
        tokens.add(rewrite(prompt_tokens=prompt, completion_tokens=completion))
    # A request without an answer has no tokens to report.
    tokens.add(rewrite(answered=False))
    assert (tokens.untold, tokens.cost((1.0, 2.0))) == (untold, cost)
    assert (tokens.cost((1.0, 0.0)) is None) == (cost is None)
    assert tokens.cost((0.0, 0.0)) == 0.0


def test_requests_are_counted_by_what_came_back() -> None:
    counts = outcome()
    for found in (
        rewrite(prompt_tokens=3, completion_tokens=1, seconds=0.5),
        rewrite(prompt_tokens=3, completion_tokens=1, seconds=0.5, replayed=True),
        rewrite(answered=False),
        rewrite(answered=False, refused=True),
    ):
        counts.count(found)
    assert (counts.requests, counts.replayed, counts.unanswered, counts.refused) == (2, 1, 1, 1)
    assert counts.asked == 3
    assert (counts.tokens.prompt, counts.paid.prompt, counts.model_seconds) == (6, 3, 1.0)


def test_a_segment_is_given_up_if_no_variant_of_it_is_good() -> None:
    counts = outcome()
    lost = rewrite(reason="lost", detail="T2", text="", spans=[])
    counts.drop(SEGMENT, lost, last=False)
    assert not counts.given_up
    counts.drop(SEGMENT, rewrite(reason="lost", detail="T1", variant=1), last=True)
    assert not counts.given_up
    counts.drop(SEGMENT, lost, last=True)
    counts.drop(SEGMENT, rewrite(reason="outage", answered=False), last=True)
    # Another request may still get an answer.
    counts.drop(SEGMENT, rewrite(reason="outage", answered=False), last=False)
    assert counts.given_up == {SEGMENT.place}
    assert counts.missing == 1
    found = counts.as_dict()["dropped"]
    assert list(found) == ["lost", "outage"]
    assert (found["lost"]["answers"], found["lost"]["segments"]) == (3, 2)
    # The first one is shown.
    assert found["lost"]["example"]["detail"] == "T2"
    counts.add("n-1", Annotations(MENTIONS), [(SEGMENT, rewrite(variant=1))])
    assert not counts.given_up


def test_new_words_and_terms_are_counted_once() -> None:
    counts = outcome()
    counts.add("n-1", Annotations(MENTIONS), [(SEGMENT, rewrite())])
    found = counts.as_dict()
    assert found["diversity"] == {
        "words": {"source": 4, "rewrite": 6},
        "distinct_words": {"source": 4, "rewrite": 5},
        "distinct_words_new": 2,
        # "took" is in the source once only.
        "words_kept": 0.5,
    }
    assert found["new_terms"] == {"ADE": {"terms": 1, "new": 0}, "Drug": {"terms": 1, "new": 1}}
    assert found["mentions"]["Drug"] == {"train": 0, "augmented": 1}
    assert found["examples"] == [
        {
            "note": "n-1",
            "source": "Took [[Drug: aspirin]] for [[ADE: pain]].",
            "rewrite": "Took [[Drug: ASA]], took it for [[ADE: Pain]].",
        }
    ]


def test_an_example_has_the_ids_of_its_source_whatever_their_order() -> None:
    mentions = [Mention("T7", "Drug", ((0, 1),)), Mention("T8", "Drug", ((7, 8),))]
    segment = Segment("n", 0, 8, "A, not B", Annotations(mentions, []), frozenset())
    counts = outcome()
    counts.add(
        "n.aug1", segment.annotations, [(segment, rewrite(text="D or C", spans=[[5, 6], [0, 1]]))]
    )
    assert counts.pairs[0]["rewrite"] == "[[T2|Drug: D]] or [[T1|Drug: C]]"


def test_no_more_than_a_few_examples_of_bounded_length_are_kept() -> None:
    counts = outcome()
    for _ in range(30):
        counts.add("n-1", Annotations(MENTIONS), [(SEGMENT, rewrite())])
    assert (len(counts.pairs), counts.rewrites, counts.accepted) == (20, 30, 30)
    counts.drop(SEGMENT, rewrite(reason="endless", markup="x" * 10**6), last=True)
    assert len(counts.dropped["endless"].example["rewrite"]) == 2000
