import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.augment.kinds import ACRONYM, Kinds, features_of
from clinical_ie.augment.terms import (
    Terms,
    blanked,
    collect_terms,
    head_of,
    shape_of,
    words_outside,
)
from tests.conftest import note

KINDS = Kinds.of(
    [(f"{x}itis", "Disease") for x in ("gastr", "hepat", "arthr", "nephr", "col")]
    + [(f"{x}cillin", "Drug") for x in ("peni", "amoxi", "ampi", "oxa", "clo")]
)


def test_a_new_term_is_known_by_its_ending() -> None:
    assert KINDS.doubt("bronchitis", "Disease") == 0.0
    assert KINDS.doubt("bronchitis", "Drug") > 1.0
    assert KINDS.doubt("dicloxacillin", "Drug") == 0.0
    assert KINDS.doubt("gastritis", "Form") == float("inf")


@pytest.mark.parametrize("term", ["CT", "MRIs", "IL-6", "PaO2", "IgG", "ADAMTS13"])
def test_an_acronym(term: str) -> None:
    assert ACRONYM.fullmatch(term)
    assert "acronym True" in features_of(term)


@pytest.mark.parametrize("term", ["", "T", "Is", "Aspirin", "CT scan", "pH", "5HT3"])
def test_no_acronym(term: str) -> None:
    assert not ACRONYM.fullmatch(term)


def test_heads_and_shapes() -> None:
    assert head_of("severe pain in the left leg") == "pain"
    assert head_of("kidney stones") == head_of("stone")
    assert head_of("surgeries") == "surgery"
    assert head_of("stenosis") == "stenosis"
    assert head_of("12") == ""
    assert shape_of("2.5 mg") == shape_of("10 MG") == "0 mg"
    assert shape_of("three days") == "0 days"
    assert shape_of("May 2013") == shape_of("June 2014")


def test_what_stands_outside_of_spans() -> None:
    text = "Had mild fevers, 38.5, and a rash"
    spans = [(9, 14), (29, 33), (27, 30)]
    assert blanked(text, spans) == "Had mild      s, 38.5, and       "
    # A word that a span overlaps is not outside.
    assert words_outside(text, spans) == ["had", "mild", "and"]
    assert words_outside(text, []) == ["had", "mild", "fevers", "and", "a", "rash"]


@given(
    st.text(st.sampled_from("aZ\u0130\u03a3\u00b2\u0301 1_-'."), max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), max_size=3),
)
def test_words_outside_are_those_without_a_letter_inside(text: str, spans: list[list[int]]) -> None:
    covered = {at for start, end in spans for at in range(start, end)}
    expected = [
        match[0].lower()
        for match in re.finditer(r"[^\W\d_]+", text)
        if covered.isdisjoint(range(*match.span()))
    ]
    assert words_outside(text, [(start, end) for start, end in spans]) == expected


def test_terms_survive_as_plain_values() -> None:
    doc = note(
        "Took tea 5 g for pain.",
        *(("Drug", "tea"), ("Strength", "5 g"), ("Reason", "pain")),
        links=(("Strength-Drug", 1, 0),),
    )
    terms = collect_terms([doc])
    assert Terms.from_dict(terms.as_dict()) == terms
