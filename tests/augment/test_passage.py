import random

import pytest

from clinical_ie.augment.filters import Case, Passage, default_filters, first_objection
from clinical_ie.augment.tables import in_columns
from clinical_ie.augment.terms import blanked
from clinical_ie.doc import Link, Mention


def passage(drug: str) -> Passage:
    end = 9 + len(drug)
    mentions = Mention("T0", "Drug", ((9, end),)), Mention("T1", "Reason", ((end + 5, end + 9),))
    return Passage(f"Was given {drug} for pain."[1:], mentions)


def test_spans_are_blanked_wherever_they_overlap() -> None:
    rng = random.Random(0)
    text = "a1_ bc\nd" * 2
    for _ in range(2000):
        spans = [tuple(sorted(rng.choices(range(len(text) + 1), k=2))) for _ in range(3)]
        inside = {at for start, end in spans for at in range(start, end)}
        expected = "".join(" " if at in inside else char for at, char in enumerate(text))
        assert blanked(text, spans) == expected


def test_filters_share_the_parts_of_a_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(text: str, spans: object) -> str:
        made.append(text)
        return blanked(text, spans)

    monkeypatch.setattr("clinical_ie.augment.filters.case.blanked", counted)
    rewrite = passage("heparin")
    source = passage("aspirin")
    links = (Link("Reason-Drug", "T1", "T0"),)
    assert first_objection(default_filters(), Case(source, rewrite, links)) is None
    assert sorted(made) == sorted([source.text, rewrite.text])


def test_a_mention_that_begins_in_the_gap_before_its_column_loses_no_letter() -> None:
    old = [Mention("T1", "Drug", ((0, 7),)), Mention("T2", "Frequency", ((13, 18),))]
    new = [Mention("T1", "Drug", ((0, 19),)), Mention("T2", "Frequency", ((22, 32),))]
    written = "hydrochlorothiazide      nightly."
    text, mentions = in_columns("aspirin      daily.", old, written, new)
    assert [text[m.start : m.end].strip() for m in mentions] == ["hydrochlorothiazide", "nightly"]
