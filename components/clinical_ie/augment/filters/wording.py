"""Compares terms and words with the training split: which are tagged, as what, and which not."""

import itertools
import re
from collections import Counter
from functools import cache
from importlib.resources import files

import srsly
from spacy.lang.en.stop_words import STOP_WORDS
from spacy_llm.registry import registry

from ..kinds import ACRONYM
from ..terms import Terms, head_of, normal, shape_of
from .case import Case, Filter

# A head word seen less often is weak evidence.
_EVIDENCE = 3
# If this share of a label's terms, of at least so many, have a number, a new one needs one too.
_NUMBERED, _SPELLINGS = 0.95, 20
# A rough guess: adverbs and adjectives by their endings, and some adjectives without one.
_ADVERB = re.compile(r"[a-z]{3,}ly")
_ADJECTIVE = re.compile(r"[a-z]+(?:ous|ic|al|ar|ive|ary|able|ible|less|ful|ed|oid|ile|ing|ent|ant)")
_PLAIN_ADJECTIVES = {
    "clear", "normal", "left", "right", "high", "low", "mild", "severe", "acute", "large", "small",
    "multiple", "diffuse", "dense", "good", "poor", "firm", "soft", "thin", "thick", "rare",
    "benign", "malignant", "stable", "round", "irregular", "complete", "adverse", "intense",
}  # fmt: skip


@registry.llm_misc("clinical_ie.term_fits_label.v1")
def make_term_fits_label(
    min_share: float = 0.2, same_units: bool = True, max_doubt: float | None = None
) -> Filter:
    """A term must be known from training under its label, or look like such terms.

    The first rule that applies decides:

    - an unchanged term fits;
    - a term with digits fits if its shape (`0 mg`) is that of the old term, or is known for the
      label and (`same_units`) has a unit of the old term;
    - a known term fits if it often enough has the label, or shares another label with the old term;
    - function words alone (`it`), or a value's words without its number, do not fit;
    - a known head word decides by how often it has the label;
    - a term without a number does not fit in place of a value, if nearly all terms of the label
      have a number (`MRSA` for `5 mg`);
    - with `max_doubt`, the old head word fits, an acronym does not, and endings and form (`Kinds`)
      decide about the rest; without it, the rest fits.

    min_share (float): Smallest share of the label among the occurrences of a known term or head.
    same_units (bool): Whether a value keeps its unit, as it must if what was measured stays.
    max_doubt (float | None): How much likelier, as a logarithm, another label may be for a term
        with a rare or new head word; None, for small training splits, accepts any.
    """

    def term_fits_label(case: Case) -> str | None:
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            before, after = case.source.covered(old), case.rewrite.covered(new)
            if not _fits(before, after, new.label, case.terms, min_share, same_units, max_doubt):
                return f"{after!r} as {new.label}"
        return None

    return term_fits_label


@registry.llm_misc("clinical_ie.nothing_untagged.v1")
def make_nothing_untagged() -> Filter:
    """A term that is usually tagged in training must not occur outside of mentions, unless it does
    in the source."""

    def nothing_untagged(case: Case) -> str | None:
        source, rewrite, terms = case.source, case.rewrite, case.terms
        found = terms.untagged(rewrite.text, rewrite.mentions)
        # Most rewrites have none, and need no look at their source.
        old = terms.untagged(source.text, source.mentions) if found else []
        allowed = set(map(normal, old))
        return next((term for term in found if normal(term) not in allowed), None)

    return nothing_untagged


@registry.llm_misc("clinical_ie.known_wording.v1")
def make_known_wording(min_count: int = 2) -> Filter:
    """Outside of mentions, a rewrite may use only words that training has there, and no more
    numbers than the source: annotators might tag anything new. Function words and those of
    `plain_words.v1.yml` are always allowed.

    min_count (int): How often training must have a word outside of mentions.
    """

    plain = _plain_words()

    def known_wording(case: Case) -> str | None:
        if not case.terms.wording:
            return None
        for word in case.rewrite.words_outside():
            if word in plain or case.terms.wording[word] >= min_count:
                continue
            if word not in case.source.words_outside():
                return word
        numbers = [len(re.findall(r"\d+", p.outside())) for p in (case.source, case.rewrite)]
        return "a number" if numbers[1] > numbers[0] else None

    return known_wording


@registry.llm_misc("clinical_ie.abbreviations_follow.v1")
def make_abbreviations_follow() -> Filter:
    """In `[[X: long form]] ([[X: LF]])`, both change or neither: the abbreviation must fit."""

    def abbreviations_follow(case: Case) -> str | None:
        pairs = list(zip(case.source.mentions, case.rewrite.mentions, strict=True))
        pairs.sort(key=lambda pair: pair[0].start)
        for (old_long, new_long), (old_short, new_short) in itertools.pairwise(pairs):
            short = case.source.covered(old_short)
            between = case.source.text[old_long.end : old_short.start].strip()
            if between != "(" or not ACRONYM.fullmatch(short):
                continue
            changed = [
                normal(case.source.covered(old)) != normal(case.rewrite.covered(new))
                for old, new in ((old_long, new_long), (old_short, new_short))
            ]
            if changed[0] != changed[1]:
                return f"{case.rewrite.covered(new_long)} ({case.rewrite.covered(new_short)})"
        return None

    return abbreviations_follow


@registry.llm_misc("clinical_ie.word_class_kept.v1")
def make_word_class_kept() -> Filter:
    """If a term of one word looks like an adjective or adverb, the new term must end in one too: no
    `was swelling` for `was edematous`, no `of brain spread` for `of peritoneal spread`."""

    def word_class_kept(case: Case) -> str | None:
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            before, after = case.source.covered(old), case.rewrite.covered(new)
            kind = _word_class(before)
            if kind and _word_class(after.split()[-1] if after.split() else "") != kind:
                return f"{after!r} for {before!r}"
        return None

    return word_class_kept


def _word_class(term: str) -> str | None:
    """`adverb` or `adjective` for such a word; None for other words, and for several words."""
    word = term.lower()
    if _ADVERB.fullmatch(word):
        return "adverb"
    return "adjective" if _ADJECTIVE.fullmatch(word) or word in _PLAIN_ADJECTIVES else None


@cache
def _plain_words() -> frozenset[str]:
    path = files("clinical_ie.augment") / "templates" / "plain_words.v1.yml"
    words = srsly.yaml_loads(path.read_text(encoding="utf8"))["words"]
    return frozenset(words.split()) | STOP_WORDS


def _fits(
    before: str,
    after: str,
    label: str,
    terms: Terms,
    min_share: float,
    same_units: bool,
    max_doubt: float | None,
) -> bool:
    if not terms.labels or normal(before) == normal(after):
        return True
    if any(char.isdigit() for char in after):
        shapes = shape_of(before), shape_of(after)
        known = shapes[1] in terms.shapes.get(label, ())
        fits = not same_units or bool(_units(before) & _units(after))
        return shapes[0] == shapes[1] or (known and fits)
    old_kinds, kinds = terms.labels.get(normal(before), Counter()), terms.labels.get(normal(after))
    if kinds:
        # Replacing a term that shares another label with it is as right as the old term was.
        return _share(kinds, label) >= min_share or bool(kinds.keys() & old_kinds.keys() - {label})
    if set(_words(after)) <= STOP_WORDS or _is_bare(before, after):
        return False
    head_kinds = terms.heads.get(head_of(after), Counter())
    if head_kinds.total() >= _EVIDENCE or (head_kinds and max_doubt is None):
        return _share(head_kinds, label) >= min_share
    lost = _has_number(before) and not _has_number(after)
    if lost and _is_for_numbers(terms.by_label.get(label, [])):
        return False
    if max_doubt is None or head_of(after) == head_of(before):
        return True
    if ACRONYM.fullmatch(after):
        return False
    return terms.kinds.doubt(after, label) <= max_doubt


def _words(term: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", term.lower())


def _is_bare(before: str, after: str) -> bool:
    """Whether a new term is the old value without its leading number: `mg`, `year old`."""
    return bool(re.match(r"\s*\d", before)) and set(_words(after)) <= set(_words(before))


def _has_number(term: str) -> bool:
    return "0" in shape_of(term)


def _is_for_numbers(terms: list[str]) -> bool:
    """Whether nearly all of a label's terms have a number."""
    return len(terms) >= _SPELLINGS and sum(map(_has_number, terms)) >= _NUMBERED * len(terms)


def _units(term: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+|%", shape_of(term)))


def _share(kinds: Counter[str], label: str) -> float:
    return kinds[label] / kinds.total()
