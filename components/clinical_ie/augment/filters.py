"""Reasons not to believe a rewrite that decodes well.

A filter takes the source passage, the rewritten one and the training split's terms, and returns
None, or a short detail of what is wrong. In a config, filters stand under the name that a dropped
rewrite is counted by:

    [components.llm.task.filters.length]
    @llm_misc = "clinical_ie.length_ratio.v1"
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spacy_llm.registry import registry

from ..doc import Mention
from .terms import Terms, normal


@dataclass(frozen=True, slots=True)
class Passage:
    """Text with the mentions in it; those of source and rewrite stand in the same order."""

    text: str
    mentions: tuple[Mention, ...]

    def covered(self, mention: Mention) -> str:
        """The mention's text."""
        return self.text[mention.start : mention.end]


Filter = Callable[[Passage, Passage, Terms], str | None]

# A capital, so that the closing words of a sentence ("as follows:") are left alone.
_LABEL_AND_COLON = re.compile(r"\b(?:T\d+\||[A-Z][A-Za-z]*_[A-Za-z_]+: )")


@registry.llm_misc("clinical_ie.changed.v1")
def make_changed() -> Filter:
    """Something other than white space and case must differ from the source."""

    def changed(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        return "same words as the source" if _squeezed(source) == _squeezed(rewrite) else None

    return changed


@registry.llm_misc("clinical_ie.length_ratio.v1")
def make_length_ratio(min_ratio: float = 0.5, max_ratio: float = 2.0) -> Filter:
    """The rewrite's length over the source's, in characters, must lie within bounds.

    RAISES (ValueError): The bounds are not 0 <= min_ratio < max_ratio.
    """
    if not 0 <= min_ratio < max_ratio:
        raise ValueError(f"length_ratio: {min_ratio} to {max_ratio} is no range of ratios")

    def length_ratio(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        ratio = len(rewrite.text) / max(len(source.text), 1)
        return None if min_ratio <= ratio <= max_ratio else f"{ratio:.2f} times the source"

    return length_ratio


@registry.llm_misc("clinical_ie.no_glued_words.v1")
def make_no_glued_words() -> Filter:
    """No mention may begin or end inside a word, or with a blank, where its source did not."""

    def no_glued_words(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        for old, new in zip(source.mentions, rewrite.mentions, strict=True):
            for glued in (_glued_before, _glued_after, _blank_ends):
                if glued(rewrite, new) and not glued(source, old):
                    return rewrite.text[max(new.start - 10, 0) : new.end + 10]
        return None

    return no_glued_words


@registry.llm_misc("clinical_ie.no_leftover_markup.v1")
def make_no_leftover_markup() -> Filter:
    """No bracket without its partner, no `T1|`, no `Some_label: ` may be left in the text."""

    def unpaired(passage: Passage) -> set[str]:
        text = passage.text
        return {pair for pair in ("[]", "()") if text.count(pair[0]) != text.count(pair[1])}

    def no_leftover_markup(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        for bracket in ("[[", "]]"):
            if bracket in rewrite.text and bracket not in source.text:
                return bracket
        alone = unpaired(rewrite) - unpaired(source)
        if alone:
            return f"{min(alone)} without its partner"
        known = set(_LABEL_AND_COLON.findall(source.text))
        left = [m for m in _LABEL_AND_COLON.findall(rewrite.text) if m not in known]
        return left[0].strip() if left else None

    return no_leftover_markup


@registry.llm_misc("clinical_ie.whole_sentence.v1")
def make_whole_sentence() -> Filter:
    """Where the source ends with a stop, the rewrite must end with one."""

    def whole_sentence(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        ends = _ends_with_stop(rewrite.text) or not _ends_with_stop(source.text)
        return None if ends else f"…{rewrite.text[-20:]}"

    return whole_sentence


@registry.llm_misc("clinical_ie.term_fits_label.v1")
def make_term_fits_label() -> Filter:
    """No term that the training split knows may come under a label that it never has there."""

    def term_fits_label(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        for mention in rewrite.mentions:
            term = rewrite.covered(mention)
            known = terms.labels.get(normal(term))
            if known and mention.label not in known:
                return f"{term!r} as {mention.label}, known as {', '.join(sorted(known))}"
        return None

    return term_fits_label


@registry.llm_misc("clinical_ie.nothing_untagged.v1")
def make_nothing_untagged() -> Filter:
    """A term that the training split tags may not stand outside of every mention, unless it does
    so in the source."""

    def nothing_untagged(source: Passage, rewrite: Passage, terms: Terms) -> str | None:
        allowed = {normal(term) for term in terms.untagged(source.text, source.mentions)}
        new = (
            term
            for term in terms.untagged(rewrite.text, rewrite.mentions)
            if normal(term) not in allowed
        )
        return next(new, None)

    return nothing_untagged


def default_filters() -> dict[str, Filter]:
    """Every filter with its defaults, in the order in which they are asked."""
    return {
        "unchanged": make_changed(),
        "length": make_length_ratio(),
        "glued_words": make_no_glued_words(),
        "leftover_markup": make_no_leftover_markup(),
        "cut_tail": make_whole_sentence(),
        "wrong_label": make_term_fits_label(),
        "untagged_mention": make_nothing_untagged(),
    }


def first_objection(
    filters: dict[str, Filter], source: Passage, rewrite: Passage, terms: Terms
) -> tuple[str, str] | None:
    """Name and detail of the first filter that objects."""
    return next(_objections(filters, source, rewrite, terms), None)


def _objections(
    filters: dict[str, Filter], source: Passage, rewrite: Passage, terms: Terms
) -> Iterator[tuple[str, str]]:
    for name, check in filters.items():
        detail = check(source, rewrite, terms)
        if detail is not None:
            yield name, detail


def _squeezed(passage: Passage) -> str:
    return " ".join(passage.text.lower().split())


def _glued_before(passage: Passage, mention: Mention) -> bool:
    before = passage.text[max(mention.start - 1, 0) : mention.start]
    return before.isalnum() and passage.text[mention.start].isalnum()


def _glued_after(passage: Passage, mention: Mention) -> bool:
    after = passage.text[mention.end : mention.end + 1]
    return after.isalnum() and passage.text[mention.end - 1].isalnum()


def _blank_ends(passage: Passage, mention: Mention) -> bool:
    covered = passage.covered(mention)
    return covered != covered.strip()


def _ends_with_stop(text: str) -> bool:
    return text.rstrip("\"')]}\u201d\u2019 \n").endswith((".", "!", "?", ":", ";"))
