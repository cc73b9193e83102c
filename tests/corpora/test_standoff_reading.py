import pytest

from clinical_ie.brat import Note, Problem, Standoff
from clinical_ie.corpora import standoff_reading
from clinical_ie.corpora.standoff_reading import LinkSettings, note_to_annotations
from clinical_ie.doc import Annotations, Link

TEXT = "Aspirin caused rash, and more rash in March."
MENTIONS = "T1\tDrug 0 7\tAspirin\nT2\tADE 15 19\trash\nT3\tADE 30 34\trash\n"


def read(ann: str, **settings: bool) -> tuple[Annotations, list[str]]:
    note = Note("n", TEXT, Standoff.parse(ann), [])
    annotations, problems = note_to_annotations(note, LinkSettings(**settings))
    return annotations, [f"{problem.severity}: {problem}" for problem in problems]


@pytest.mark.parametrize(
    ("bound", "told"),
    [
        ("Drug 15 19\taspirin", "says 'aspirin', its offsets cover 'rash'"),
        ("Drug 15 19\tmore", "says 'more', its offsets cover 'rash' (that text is at 25 29)"),
        ("Drug 15 19\tAspirin", "says 'Aspirin', its offsets cover 'rash' (that text is at 0 7)"),
        # This text occurs twice.
        ("ADE 0 4\trash", "says 'rash', its offsets cover 'Aspi'"),
        ("ADE 38 43;99 103\tMarch rash", "ends at 103, the text has 44 characters"),
    ],
)
def test_a_mention_elsewhere_is_left_out_with_its_place_if_that_is_sure(bound, told):
    annotations, problems = read(f"T1\t{bound}\n")
    assert annotations.mentions == []
    assert problems == [f"error: n.ann:1: T1 {told}: left out"]


def test_a_mention_at_the_end_of_the_text_is_kept_in_another_case():
    annotations, problems = read("T1\tDate 38 44\tmarch.\n")
    assert [mention.id for mention in annotations.mentions] == ["T1"]
    assert problems == [
        "warning: n.ann:1: T1 says 'march.', its offsets cover 'March.': offsets kept"
    ]


def test_the_places_of_a_few_mentions_alone_are_searched_for(monkeypatch):
    monkeypatch.setattr(standoff_reading, "MAX_SEARCHES", 2)
    _, problems = read("".join(f"T{n}\tADE 0 4\tmore\n" for n in range(1, 5)))
    assert ["that text is at 25 29" in problem for problem in problems] == [
        True,
        True,
        False,
        False,
    ]


def test_a_relation_with_one_end_is_left_out_and_what_names_it_is_told_of_that():
    annotations, problems = read(
        f"A1\tSure R2\n{MENTIONS}R1\tX Arg1:T1 Arg2:T2\nR2\tX Arg1:T1 Arg2:T9\nA2\tSure R1\n"
    )
    assert annotations.links == [Link("X", "T1", "T2")]
    assert problems == [
        "error: n.ann:1: A1 names R2, not an annotation here: left out",
        "error: n.ann:6: R2 names T9, which is not a mention here: left out",
    ]


def test_any_number_of_equivalences_may_be_listed():
    annotations, problems = read(f"{MENTIONS}*\tSame T2 T9 T3\n*\tSame T1 T2\n", equivalences=True)
    assert annotations.links == [Link("Same", "T2", "T3"), Link("Same", "T1", "T2")]
    assert problems == [
        "error: n.ann:4: an equivalence names T9, which is not a mention here: left out"
    ]


def test_each_event_has_roles_of_its_own_trigger():
    annotations, problems = read(
        f"{MENTIONS}E1\tADE:T2 By:T1 Like:T8\nE1\tADE:T3 By:T1\nE2\tADE:T9 By:T1\n", roles=True
    )
    assert annotations.links == [Link("By", "T2", "T1"), Link("By", "T3", "T1")]
    assert problems == [
        "error: n.ann:4: E1: its Like T8 is not a mention here: role left out",
        "warning: n.ann:5: the id E1 is used twice: references mean the first",
        "error: n.ann:6: E2: its trigger T9 is not a mention here: left out",
    ]


@pytest.mark.parametrize("ann", [MENTIONS, f"{MENTIONS}A1\tSure T9\n"])
def test_what_was_wrong_with_the_files_is_told_but_once(ann):
    wrong = Problem("n.txt", 0, "not UTF-8")
    note = Note("n", TEXT, Standoff.parse(ann), [wrong])
    for _ in range(2):
        _, problems = note_to_annotations(note)
        assert problems.count(wrong) == 1
        assert len(problems) == ann.count("\n") - 2
    assert note.problems == [wrong]
