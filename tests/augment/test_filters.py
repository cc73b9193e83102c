from pathlib import Path
from typing import Any

import pytest
import spacy

from clinical_ie.augment.filters import Case, Filter, Passage, default_filters, first_objection
from clinical_ie.augment.filters.copies import make_no_near_copy
from clinical_ie.augment.filters.form import (
    make_length_ratio,
)
from clinical_ie.augment.filters.tagger import make_tagger_agrees
from clinical_ie.augment.filters.wording import (
    make_abbreviations_follow,
    make_known_wording,
    make_term_fits_label,
    make_word_class_kept,
)
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
            passage("He had [[heparin]] for clots.", ("D", "heparin"), ("R", "clots")),
        ),
        ("glued_words", passage("He had heparin,daily, clots.", ("D", "heparin"), ("R", "clots"))),
        (
            "leftover_markup",
            passage("Sign_symptom: a clot, heparin.", ("D", "heparin"), ("R", "clot")),
        ),
        *(
            ("leftover_markup", passage(text, ("D", "heparin"), ("R", "clot")))
            for text in (
                "She had **heparin** for a clot.",
                "She had <b>heparin</b> for a clot.",
                "She had `heparin` for a clot.",
                "{She had heparin for a clot.}",
                "- She had heparin for a clot.",
                '"She had heparin for a clot."',
                "\u201cShe had heparin for a clot.\u201d",
            )
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
    source = passage("xaspirin [ T1|b and,so pain", ("Drug", "aspirin"))
    rewrite = passage("xheparin [ T1|b ,or pain", ("Drug", "heparin"))
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
    with pytest.raises(ValueError, match="min_ratio is 2, max_ratio is 1"):
        make_length_ratio(2, 1)


def objection(check: Filter, source: Passage, rewrite: Passage, **more: Any) -> str | None:
    return check(Case(source, rewrite, **more))


def test_an_abbreviation_follows_its_long_form() -> None:
    check = make_abbreviations_follow()
    source = passage("Had deep vein thrombosis (DVT).", ("D", "deep vein thrombosis"), ("D", "DVT"))
    stale = passage("Had pulmonary embolism (DVT).", ("D", "pulmonary embolism"), ("D", "DVT"))
    fresh = passage("Had pulmonary embolism (PE).", ("D", "pulmonary embolism"), ("D", "PE"))
    assert objection(check, source, stale) == "pulmonary embolism (DVT)"
    turned = [Passage(case.text, case.mentions[::-1]) for case in (source, stale)]
    assert objection(check, *turned) == "pulmonary embolism (DVT)"
    assert objection(check, source, fresh) is None
    assert objection(check, source, source) is None


TAGGED = [
    ("Medication", ["amoxicillin", "ampicillin", "aspirin", "heparin", "warfarin", "lisinopril"]),
    ("Disease", ["hepatitis", "gastritis", "arthritis", "nephritis", "acute kidney failure"]),
    ("Dose", ["5 mg", "10 mg twice", "20 units"]),
    ("Sign", ["mild chest pain", "pain", "back pain", "belly pain", "5 mm"]),
]


@pytest.fixture(scope="module")
def tagged() -> Terms:
    docs = []
    for label, terms in TAGGED:
        docs += [note(f"Here is {term} again.", (label, term)) for term in terms]
    return collect_terms(docs)


@pytest.mark.parametrize(
    ("label", "old", "new", "ok"),
    [
        ("Medication", "aspirin", "heparin", True),
        ("Medication", "aspirin", "hepatitis", False),
        ("Medication", "aspirin", "penicillin", True),
        ("Disease", "gastritis", "bronchitis", True),
        ("Medication", "aspirin", "bronchitis", False),
        ("Sign", "pain", "leg pain", True),
        ("Disease", "gastritis", "leg pain", False),
        ("Disease", "gastritis", "ABC", False),
        ("Disease", "ABC", "ABC", True),
        ("Dose", "5 mg", "7.5 mg", True),
        ("Dose", "5 mg", "10 mg twice", True),
        ("Dose", "5 mg", "20 units", False),
        ("Dose", "5 mg", "5 mm", False),
        ("Dose", "5 mg", "9 eggs", False),
        ("Dose", "5 mg", "mg", False),
        ("Dose", "5 mg", "a double dose", True),
        # In training, both terms have the same other label.
        ("Dose", "pain", "back pain", True),
        ("Medication", "aspirin", "it", False),
        ("Medication", "it", "it", True),
    ],
)
def test_a_term_fits_its_label(label: str, old: str, new: str, ok: bool, tagged: Terms) -> None:
    check = make_term_fits_label(max_doubt=2.0)
    source, rewrite = passage(f"Took {old}.", (label, old)), passage(f"Took {new}.", (label, new))
    assert (objection(check, source, rewrite, terms=tagged) is None) == ok


@pytest.mark.parametrize(
    ("others", "new", "ok"),
    [
        ([], "MRSA", False),
        ([], "two puffs", True),
        # Some terms of the label have no number.
        (["low dose", "high dose"], "half strength", True),
    ],
)
def test_where_terms_have_numbers_a_new_one_has_one(others: list[str], new: str, ok: bool) -> None:
    terms = [*(f"{number} mg" for number in range(1, 21)), *others]
    known = collect_terms([note(f"Took {term}.", ("Strength", term)) for term in terms])
    source = passage("Took 5 mg.", ("Strength", "5 mg"))
    rewrite = passage(f"Took {new}.", ("Strength", new))
    found = objection(make_term_fits_label(), source, rewrite, terms=known)
    assert found == (None if ok else f"{new!r} as Strength")


def test_another_unit_may_be_allowed(tagged: Terms) -> None:
    source = passage("Took 5 mg.", ("Dose", "5 mg"))
    rewrite = passage("Took 20 units.", ("Dose", "20 units"))
    assert objection(make_term_fits_label(same_units=False), source, rewrite, terms=tagged) is None


@pytest.mark.parametrize(
    ("after", "detail"),
    [
        ("He then received heparin.", None),
        ("He later received heparin by catheter.", "catheter"),
        ("He took heparin 3 times.", "a number"),
    ],
)
def test_words_that_training_never_has_untagged(after: str, detail: str, tagged: Terms) -> None:
    source = passage("He took aspirin.", ("Medication", "aspirin"))
    rewrite = passage(after, ("Medication", "heparin"))
    assert objection(make_known_wording(), source, rewrite, terms=tagged) == detail
    assert objection(make_known_wording(), rewrite, rewrite, terms=tagged) is None


def test_near_copies_of_source_and_siblings() -> None:
    check = make_no_near_copy()
    text = "She was given aspirin for pain in the evening and went home with it on the next day"
    source = passage(f"{text}.", ("Drug", "aspirin"))
    near = passage(f"{text}!!", ("Drug", "aspirin"))
    far = passage("He took some heparin when he came back from his walk.", ("Drug", "heparin"))
    assert (objection(check, source, near) or "").endswith("of its source")
    assert objection(check, source, far) is None
    siblings = ("He took some heparin when he came back from his walk today.",)
    assert (objection(check, source, far, siblings=siblings) or "").endswith("of its sibling")
    # A text of two words has no trigram.
    short = passage("Heparin daily.", ("Drug", "Heparin"))
    found = objection(check, source, short, siblings=("Heparin, daily",))
    assert found == "1.00 of its sibling"
    with pytest.raises(ValueError, match="max_likeness is 0"):
        make_no_near_copy(0)


class TestTaggerAgrees:
    """With a tagger that knows a fixed list of drugs."""

    @pytest.fixture
    def tagger(self, tmp_path: Path) -> Path:
        nlp = spacy.blank("en")
        ruler = nlp.add_pipe("span_ruler", config={"spans_key": "entities"})
        words = ("aspirin", "heparin", "insulin")
        ruler.add_patterns([{"label": "Drug", "pattern": word} for word in words])  # type: ignore[attr-defined]
        nlp.to_disk(tmp_path / "tagger")
        return tmp_path / "tagger"

    def test_it_must_find_what_it_found_before_and_nothing_else(self, tagger: Path) -> None:
        check = make_tagger_agrees(tagger)
        source = passage("Took aspirin.", ("Drug", "aspirin"))
        good = passage("Took heparin.", ("Drug", "heparin"))
        missed = passage("Took ramen.", ("Drug", "ramen"))
        other = passage("Took heparin and insulin.", ("Drug", "heparin"))
        assert objection(check, source, good) is None
        assert objection(check, source, missed) == "the tagger misses 'ramen' (Drug)"
        assert objection(check, source, other) == "the tagger finds 'insulin' (Drug)"
        dose = passage("Took heparin.", ("Dose", "heparin"))
        assert objection(check, source, dose) == "the tagger misses 'heparin' (Dose)"
        # Errors that the tagger also makes in the source do not count.
        weak = passage("Took tea.", ("Drug", "tea"))
        assert objection(check, weak, missed) is None
        assert objection(check, other, other) is None
        assert objection(make_tagger_agrees(tagger, max_others=1), source, other) is None

    def test_a_tagger_that_is_not_there(self, tmp_path: Path) -> None:
        check = make_tagger_agrees(tmp_path / "none")
        with pytest.raises(FileNotFoundError, match="no such pipeline"):
            objection(check, SOURCE, GOOD)
        with pytest.raises(ValueError, match="must be 0 or more"):
            make_tagger_agrees(tmp_path, max_missed=-1)


@pytest.mark.parametrize(
    ("old", "new", "ok"),
    [
        ("edematous", "swelling of it", False),
        ("edematous", "hyperemic", True),
        ("satisfactorily", "negative", False),
        ("satisfactorily", "slowly", True),
        ("peritoneal", "brain", False),
        ("clear", "high", True),
        ("pain", "cough", True),
        ("pain in the back", "edematous", True),
    ],
)
def test_an_adjective_stays_one(old: str, new: str, ok: bool) -> None:
    source, rewrite = passage(f"It was {old}.", ("S", old)), passage(f"It was {new}.", ("S", new))
    assert (objection(make_word_class_kept(), source, rewrite) is None) == ok


@pytest.mark.parametrize("returned", [False, True, "", 5, ("a", "b")])
def test_what_a_filter_returns_is_none_or_words(returned: object, terms: Terms) -> None:
    filters = {"mine": lambda case: returned}
    with pytest.raises(
        ValueError, match=r"the filter mine returned .*; expected None, or in a few"
    ):
        first_objection(filters, Case(SOURCE, GOOD, terms=terms))


def test_a_filter_that_fails_is_named(terms: Terms) -> None:
    with pytest.raises(ValueError, match="the filter mine failed: ZeroDivisionError"):
        first_objection({"mine": lambda case: 1 / 0}, Case(SOURCE, GOOD, terms=terms))
