import pytest

from clinical_ie.augment.filters import Case, Filter, Passage, default_filters, first_objection
from clinical_ie.augment.filters.form import make_length_ratio
from clinical_ie.augment.terms import Terms, collect_terms
from clinical_ie.doc import Mention
from tests.conftest import note

FILTERS = default_filters()


def passage(text: str, *covered: tuple[str, str]) -> Passage:
    mentions = []
    for number, (label, term) in enumerate(covered):
        start = text.index(term)
        mentions.append(Mention(f"T{number}", label, ((start, start + len(term)),)))
    return Passage(text, tuple(mentions))


SOURCE = passage("He took aspirin for pain.", ("Drug", "aspirin"), ("Reason", "pain"))
GOOD = passage("She was given heparin for a clot.", ("Drug", "heparin"), ("Reason", "clot"))


@pytest.fixture(scope="module")
def terms() -> Terms:
    return collect_terms(
        [
            note("Aspirin for pain.", ("Drug", "Aspirin"), ("Reason", "pain")),
            note("Aspirin for fever, no rash.", ("Drug", "Aspirin"), ("Reason", "fever")),
            note("Pain and a rash.", ("Reason", "Pain"), ("ADE", "rash")),
            note("A rash was seen, as before."),
        ]
    )


def test_a_good_rewrite_passes_every_filter(terms: Terms) -> None:
    assert first_objection(FILTERS, Case(SOURCE, GOOD, terms=terms)) is None
    assert first_objection(FILTERS, Case(SOURCE, GOOD, terms=Terms())) is None


@pytest.mark.parametrize(
    ("reason", "rewrite"),
    [
        ("unchanged", passage("He  took Aspirin for pain.", ("Drug", "Aspirin"), ("R", "pain"))),
        ("length", passage("Tea, pain.", ("Drug", "Tea"), ("Reason", "pain"))),
        ("length", passage("Aspirin: pain" + "x" * 60, ("Drug", "Aspirin"), ("R", "pain"))),
        ("glued_words", passage("She had heparinfor a clot.", ("D", "heparin"), ("R", "clot"))),
        ("glued_words", passage("She had an heparin for aclot.", ("D", "heparin"), ("R", "clot"))),
        ("glued_words", passage("She had heparin for a clot.", ("D", "heparin "), ("R", "clot"))),
        (
            "leftover_markup",
            passage("He had [heparin for clots.", ("D", "heparin"), ("R", "clots")),
        ),
        (
            "leftover_markup",
            passage("He (had heparin for clots.", ("D", "heparin"), ("R", "clots")),
        ),
        ("leftover_markup", passage("He had T1|heparin, clots.", ("D", "heparin"), ("R", "clots"))),
        (
            "leftover_markup",
            passage("Sign_symptom: a clot, heparin.", ("D", "heparin"), ("R", "clot")),
        ),
        ("cut_tail", passage("She had heparin for a clot of", ("D", "heparin"), ("R", "clot"))),
        (
            "wrong_label",
            passage("She took pain for some aspirin.", ("Drug", "pain"), ("R", "some")),
        ),
        (
            "untagged_mention",
            passage("With pain, heparin for clots.", ("D", "heparin"), ("R", "clots")),
        ),
    ],
)
def test_each_reason(reason: str, rewrite: Passage, terms: Terms) -> None:
    objection = first_objection(FILTERS, Case(SOURCE, rewrite, terms=terms))
    assert objection is not None
    assert objection[0] == reason


def test_what_the_source_has_is_allowed(terms: Terms) -> None:
    source = passage("xaspirin [ T1|b and pain", ("Drug", "aspirin"))
    rewrite = passage("xheparin [ T1|b, or pain", ("Drug", "heparin"))
    assert first_objection(FILTERS, Case(source, rewrite, terms=terms)) is None


def test_a_term_that_notes_also_hold_untagged_may_stand_alone(terms: Terms) -> None:
    rewrite = passage("A rash, heparin for clots.", ("Drug", "heparin"), ("Reason", "clots"))
    assert first_objection(FILTERS, Case(SOURCE, rewrite, terms=terms)) is None


def test_only_the_filters_given_are_asked(terms: Terms) -> None:
    only: dict[str, Filter] = {"size": make_length_ratio(0.9, 1.1)}
    assert first_objection(only, Case(SOURCE, SOURCE, terms=terms)) is None
    assert first_objection(only, Case(SOURCE, GOOD, terms=terms)) == (
        "size",
        "1.32 times the source",
    )


def test_bounds_that_hold_nothing() -> None:
    with pytest.raises(ValueError, match="2 to 1"):
        make_length_ratio(2, 1)
