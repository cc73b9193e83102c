"""Filters, where one case lies beside another."""

from clinical_ie.augment.filters import Case, Passage
from clinical_ie.augment.filters.copies import make_no_near_copy
from clinical_ie.augment.filters.form import make_no_repetition
from clinical_ie.augment.filters.meaning import make_negation_kept
from clinical_ie.doc import Mention


def passage(text: str, *terms: str) -> Passage:
    mentions, at = [], 0
    for number, term in enumerate(terms, start=1):
        at = text.index(term, at)
        mentions.append(Mention(f"T{number}", "Drug", ((at, at + len(term)),)))
        at += len(term)
    return Passage(text, tuple(mentions))


def test_the_last_stop_before_a_mention_ends_the_scope_of_a_cue() -> None:
    source = passage("He ate; he had fever; took aspirin.", "aspirin")
    rewrite = passage("He ate; no fever; took heparin.", "heparin")
    assert make_negation_kept()(Case(source, rewrite)) is None


def test_one_more_term_that_recurs_is_one_too_many() -> None:
    twice, others = ("aspirin", "aspirin"), ("heparin", "insulin")
    source = passage("aspirin, aspirin, heparin and insulin", *twice, *others)
    rewrite = passage("aspirin, aspirin, heparin and heparin", *twice, "heparin", "heparin")
    assert make_no_repetition()(Case(source, rewrite)) == "aspirin"


def test_no_sibling_is_repeated() -> None:
    source, rewrite = passage("one two three four"), passage("five six seven eight")
    case = Case(source, rewrite, siblings=("nine ten eleven twelve", "five six seven eight"))
    assert make_no_near_copy()(case) == "1.00 of its sibling"
