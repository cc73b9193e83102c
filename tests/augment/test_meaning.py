import pytest

from clinical_ie.augment.filters.case import Passage
from clinical_ie.augment.filters.meaning import (
    make_gender_kept,
    make_named_alike,
    make_negation_kept,
    make_relation_cues_kept,
)
from clinical_ie.doc import Link, Mention
from tests.augment.test_filters import objection, passage


def linked(text: str, *covered: tuple[str, str]) -> tuple[Passage, tuple[Link, ...]]:
    found = passage(text, *covered)
    return found, (Link("R", found.mentions[0].id, found.mentions[1].id),)


@pytest.mark.parametrize(
    ("before", "after", "ok"),
    [
        ("No fever was seen.", "She denied any cough.", True),
        ("No fever was seen.", "There was cough.", False),
        ("There was fever.", "There was no cough.", False),
        ("There was fever.", "No doubt: but there was cough.", True),
        ("Fever was absent.", "There was no cough.", True),
        ("Fever was ruled out.", "Cough was ruled out.", True),
        ("Had fever without chills.", "Had cough.", True),
        ("Fever.", "[no cough]", False),
        ("She didn't have fever.", "She had cough.", False),
        ("She did not have fever.", "She didn\u2019t have cough.", True),
        ("There was fever.", "There wasn't any cough.", False),
        ("Fever wasn't seen.", "Cough was seen.", False),
        ("Fever wasn't seen.", "Cough was not seen.", True),
        ("A non-fever state.", "A cough state.", False),
        ("A non-fever state.", "There was no cough.", True),
        ("Now fever-free.", "Now free of cough.", True),
        ("Now fever-free.", "Now cough.", False),
        ("A man with fever.", "An anon cough.", True),
    ],
)
def test_negation_is_kept(before: str, after: str, ok: bool) -> None:
    term = "Fever" if "Fever" in before else "fever"
    new = "no cough" if "[" in after else "Cough" if "Cough" in after else "cough"
    source, rewrite = passage(before, ("Sign", term)), passage(after, ("Sign", new))
    assert (objection(make_negation_kept(), source, rewrite) is None) == ok


BEFORE = (
    "no not hasn't hasn\u2019t without never denies denied deny denying negative_for absence absent"
    " lack lacks lacked free_of neither nor none rule_out rules_out ruled_out exclude excludes"
    " excluded unremarkable_for cannot failed_to non"
)
AFTER = "-free not isn't isn\u2019t absent negative never unlikely denied was_ruled_out is_excluded"


@pytest.mark.parametrize("cue", BEFORE.split())
def test_every_cue_before_a_finding_denies_it(cue: str) -> None:
    source = passage(f"{cue.replace('_', ' ')} fever", ("Sign", "fever"))
    assert objection(make_negation_kept(), source, passage("A fever", ("Sign", "fever")))


@pytest.mark.parametrize("cue", AFTER.split())
def test_every_cue_after_a_finding_denies_it(cue: str) -> None:
    blank = "" if cue == "-free" else " "
    source = passage(f"fever{blank}{cue.replace('_', ' ')}", ("Sign", "fever"))
    assert objection(make_negation_kept(), source, passage("A fever", ("Sign", "fever")))


def test_half_a_word_far_ahead_is_no_negation() -> None:
    # Only the 90 characters before a mention are searched.
    source = passage(f"It was minor {'a ' * 43}fever.", ("Sign", "fever"))
    rewrite = passage("It was some cough.", ("Sign", "cough"))
    assert objection(make_negation_kept(), source, rewrite) is None
    source = passage(f"Neither nor {'a ' * 43}fever.", ("Sign", "fever"))
    assert objection(make_negation_kept(), source, rewrite) == "'cough' is not negated"
    source = passage(f"None {'a ' * 45}fever.", ("Sign", "fever"))
    assert objection(make_negation_kept(), source, rewrite) is None
    # Fewer if the text starts later.
    source = passage(f"No fever {'a ' * 60}.", ("Sign", "fever"))
    assert objection(make_negation_kept(), source, rewrite) == "'cough' is not negated"


def test_a_negation_reaches_over_a_list_and_not_over_a_but() -> None:
    source = passage("No fever or rash, but pain.", *[("S", x) for x in ("fever", "rash", "pain")])
    good = passage("No cough, no itch; but ache.", *[("S", x) for x in ("cough", "itch", "ache")])
    bad = passage("No cough but itch and ache.", *[("S", x) for x in ("cough", "itch", "ache")])
    assert objection(make_negation_kept(), source, good) is None
    assert objection(make_negation_kept(), source, bad) == "'itch' is not negated"


@pytest.mark.parametrize(
    ("after", "ok"),
    [
        ("Itch secondary to heparin.", True),
        ("Itch because of heparin.", True),
        ("Itch and heparin.", False),
        ("Itch before heparin.", False),
        ("Itch caused heparin.", False),
        ("Itch, since it was caused by heparin.", True),
        ("Itch, since it caused heparin.", False),
        ("Itch triggered by heparin.", True),
    ],
)
def test_the_words_that_carry_a_relation_are_kept(after: str, ok: bool) -> None:
    source, links = linked("Rash due to aspirin.", ("ADE", "Rash"), ("Drug", "aspirin"))
    rewrite = passage(after, ("ADE", "Itch"), ("Drug", "heparin"))
    found = objection(make_relation_cues_kept(), source, rewrite, links=links)
    assert (found is None) == ok


def test_a_reason_is_no_time_and_one_cue_of_several_is_enough() -> None:
    source, links = linked("Rash after aspirin.", ("ADE", "Rash"), ("Drug", "aspirin"))
    said = passage(
        "Itch seen, caused by heparin, after heparin.", ("ADE", "Itch"), ("Drug", "heparin.")
    )
    assert objection(make_relation_cues_kept(), source, said, links=links) is None
    said = passage("Itch, since she had heparin.", ("ADE", "Itch"), ("Drug", "heparin"))
    found = objection(make_relation_cues_kept(), source, said, links=links)
    assert found == "R: 'after' has become 'nothing'"
    # The same word, and yet the opposite.
    said = passage("Heparin after itch.", ("ADE", "itch"), ("Drug", "Heparin"))
    found = objection(make_relation_cues_kept(), source, said, links=links)
    assert found == "R: 'after' in place of 'before', as its ends are turned"
    source, links = linked("No aspirin, since it gave rash.", ("ADE", "rash"), ("Drug", "aspirin"))
    said = passage("No heparin, as it brought itch.", ("ADE", "itch"), ("Drug", "heparin"))
    assert objection(make_relation_cues_kept(), source, said, links=links) is None


@pytest.mark.parametrize(
    ("strengths", "links", "ok"),
    [
        (("5 mg", "9 mg"), [("T2", "T0"), ("T3", "T1")], True),
        # The ids of the strengths are exchanged.
        (("9 mg", "5 mg"), [("T2", "T0"), ("T3", "T1")], False),
        # Both belong to both drugs.
        (("9 mg", "5 mg"), [(s, d) for s in ("T2", "T3") for d in ("T0", "T1")], True),
    ],
)
def test_nothing_comes_between_that_could_be_taken_for_an_end(
    strengths: tuple[str, str], links: list[tuple[str, str]], ok: bool
) -> None:
    def doses(text: str, *terms: str) -> Passage:
        labels = "Drug", "Drug", "Strength", "Strength"
        return passage(text, *zip(labels, terms, strict=True))

    source = doses("Took aspirin 1 mg, codeine 2 mg.", "aspirin", "codeine", "1 mg", "2 mg")
    rewrite = doses("Took heparin 5 mg, digoxin 9 mg.", "heparin", "digoxin", *strengths)
    related = tuple(Link("Dose", head, tail) for head, tail in links)
    found = objection(make_relation_cues_kept(), source, rewrite, links=related)
    assert found == (None if ok else "Dose: 'digoxin' has come between")


def test_a_relation_may_be_said_the_other_way_round() -> None:
    source, links = linked("Rash due to aspirin.", ("ADE", "Rash"), ("Drug", "aspirin"))
    ends = [Mention("T0", "ADE", ((15, 19),)), Mention("T1", "Drug", ((0, 7),))]
    turned = Passage("Heparin caused itch.", tuple(ends))
    assert objection(make_relation_cues_kept(), source, turned, links=links) is None
    flipped = Passage("Heparin due to itch.", tuple(ends))
    assert objection(make_relation_cues_kept(), source, flipped, links=links) is not None


@pytest.mark.parametrize(
    ("before", "after", "objected"),
    [
        ("He had a clot.", "There was a clot in his leg.", None),
        ("He had a clot.", "She had a clot.", "she"),
        ("Her clot grew.", "The clot of hers grew.", None),
        ("The clot grew.", "HIS clot grew.", "his"),
        ("Here was a clot.", "The clot was there.", None),
    ],
)
def test_nobody_becomes_a_man_or_a_woman(before: str, after: str, objected: str | None) -> None:
    term = ("Reason", "clot")
    assert objection(make_gender_kept(), passage(before, term), passage(after, term)) == objected


LINKED = (Link("IDENTICAL", "T0", "T1"),)


@pytest.mark.parametrize(
    ("new", "links", "echoed", "detail"),
    [
        ("heparin", LINKED, [], None),
        ("naproxen", LINKED, [], "'naproxen' and 'heparin'"),
        ("naproxen", (), [], None),
        ("heparin", LINKED, ["T1"], "'heparin' and 'aspirin'"),
        ("naproxen", (), ["T0"], "'naproxen' and 'aspirin'"),
    ],
)
def test_what_a_relation_calls_the_same_gets_no_two_names(
    new: str, links: tuple[Link, ...], echoed: list[str], detail: str | None
) -> None:
    check, ties = make_named_alike(), {"links": links, "echoed": frozenset(echoed)}
    source = passage("Took aspirin. Aspirin ended.", ("Drug", "aspirin"), ("Drug", "Aspirin"))
    rewrite = passage(f"Took {new}. Heparin ended.", ("Drug", new), ("Drug", "Heparin"))
    assert objection(check, source, rewrite, **ties) == detail
    assert objection(check, source, source, **ties) is None


def test_terms_that_were_different_may_be_others() -> None:
    source = passage(
        "Aspirin, so ASA, for pain.", ("Drug", "Aspirin"), ("Drug", "ASA"), ("R", "pain")
    )
    rewrite = passage(
        "Heparin, so ASA, for ache.", ("Drug", "Heparin"), ("Drug", "ASA"), ("R", "ache")
    )
    links = (*LINKED, Link("Reason-Drug", "T2", "T0"))
    assert objection(make_named_alike(), source, rewrite, links=links) is None


def test_what_is_denied_by_itself_is_not_denied_again() -> None:
    term = ("Lab_value", "negative for cells")
    source = passage("Brushings were negative for cells.", term)
    rewrite = passage("Brushings showed no sign of negative for cells.", term)
    expected = "'negative for cells' is negated twice"
    assert objection(make_negation_kept(), source, rewrite) == expected
    assert objection(make_negation_kept(), source, source) is None
