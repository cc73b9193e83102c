"""The form of a rewrite: changed, of a sensible length, complete, clean, and not repetitive."""

import re
import unicodedata
from collections import Counter

from spacy_llm.registry import registry

from ...doc import Mention
from ..terms import normal
from .case import Case, Filter, Passage, runs_of_words

# The lookahead and the border of the word only save time: a word is tried once, not at each letter.
_GLUED_COMMA = re.compile(r"(?=[\w,;:])(?:\b\w++ ,|[,;:][^\W\d_]\w*|\w\.[A-Z]\w+)")
_WORD = re.compile(r"\w+")
# Not the colon of a time of day.
_COLON = re.compile(r":(?!\d)")
_STUTTERED = re.compile(r"\b([^\W\d_]{2,})\s+\1\b", re.IGNORECASE)
# Only labels with an underscore: ordinary words ("Findings:") may precede a colon.
_LABEL_AND_COLON = re.compile(r"\b(?:T\d+\||[A-Z][A-Za-z]*_[A-Za-z_]+: )")
_OTHER_MARKUP = re.compile(
    r"\*\*|__|`|[{}]|</?[A-Za-z][^<>\n]*>|\A\s*[-*#\u2022>]+\s|\A\s*[\"\u201c]|[\"\u201d]\s*\Z"
)
# Words that cannot end a sentence; case matters, because of `vitamin A`.
_OPEN_END = re.compile(
    r"\b(?:a|although|an|and|as|because|but|by|due|from|of|or|than|that|the|which|while|with)"
    r"\s*[.!?]\s*\Z"
)


@registry.llm_misc("clinical_ie.changed.v1")
def make_changed() -> Filter:
    """The rewrite must differ from the source in more than white space and case."""

    def changed(case: Case) -> str | None:
        same = _squeezed(case.source) == _squeezed(case.rewrite)
        return "same words as the source" if same else None

    return changed


@registry.llm_misc("clinical_ie.terms_changed.v1")
def make_terms_changed(min_share: float = 0.5) -> Filter:
    """At least a share of the mentions, rounded down but at least one, must have new words.

    RAISES (ValueError): min_share is not between 0 and 1.
    """
    if not 0 <= min_share <= 1:
        raise ValueError(f"terms_changed: min_share is {min_share}; expected 0 to 1")

    def terms_changed(case: Case) -> str | None:
        pairs = zip(case.source.mentions, case.rewrite.mentions, strict=True)
        changed = sum(
            normal(case.source.covered(old)) != normal(case.rewrite.covered(new))
            for old, new in pairs
        )
        total = len(case.source.mentions)
        enough = changed >= min(total, max(1, int(total * min_share)))
        return None if enough else f"{changed} of {total}"

    return terms_changed


@registry.llm_misc("clinical_ie.length_ratio.v1")
def make_length_ratio(min_ratio: float = 0.5, max_ratio: float = 2.0) -> Filter:
    """The rewrite's length divided by the source's, in characters, must lie within bounds.

    RAISES (ValueError): Not 0 <= min_ratio < max_ratio.
    """
    if not 0 <= min_ratio < max_ratio:
        raise ValueError(
            f"length_ratio: min_ratio is {min_ratio}, max_ratio is {max_ratio}; expected "
            "0 <= min_ratio < max_ratio"
        )

    def length_ratio(case: Case) -> str | None:
        ratio = len(case.rewrite.text) / max(len(case.source.text), 1)
        return None if min_ratio <= ratio <= max_ratio else f"{ratio:.2f} times the source"

    return length_ratio


@registry.llm_misc("clinical_ie.no_glued_words.v1")
def make_no_glued_words() -> Filter:
    """No mention may begin or end inside a word or with a blank unless the source's did; there must
    be no blank before a comma, and one between punctuation and the next word."""

    def no_glued_words(case: Case) -> str | None:
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            for glued in (_glued_before, _glued_after, _blank_ends):
                if glued(case.rewrite, new) and not glued(case.source, old):
                    return case.rewrite.text[max(new.start - 10, 0) : new.end + 10]
        comma = _GLUED_COMMA.search(case.rewrite.text)
        return comma.group() if comma and not _GLUED_COMMA.search(case.source.text) else None

    return no_glued_words


@registry.llm_misc("clinical_ie.no_leftover_markup.v1")
def make_no_leftover_markup() -> Filter:
    """The rewrite must not introduce an unpaired bracket, `T1|`, `Some_label: `, or markup of
    Markdown, HTML or JSON."""

    def unpaired(passage: Passage) -> set[str]:
        text = passage.text
        return {pair for pair in ("[]", "()") if text.count(pair[0]) != text.count(pair[1])}

    def no_leftover_markup(case: Case) -> str | None:
        for bracket in ("[[", "]]"):
            if bracket in case.rewrite.text and bracket not in case.source.text:
                return bracket
        alone = unpaired(case.rewrite) - unpaired(case.source)
        if alone:
            return f"{min(alone)} without its partner"
        for markup in (_LABEL_AND_COLON, _OTHER_MARKUP):
            found = markup.findall(case.rewrite.text)
            known = set(markup.findall(case.source.text)) if found else set()
            left = [m for m in found if m not in known]
            if left:
                return str(left[0].strip())
        return None

    return no_leftover_markup


@registry.llm_misc("clinical_ie.no_chatter.v1")
def make_no_chatter() -> Filter:
    """The answer must not talk about the rewrite (`Here it is: `): it may not have more lines than
    the source, nor more colons before its first mention."""

    def no_chatter(case: Case) -> str | None:
        lines = [passage.text.splitlines() for passage in (case.source, case.rewrite)]
        if len(lines[1]) > len(lines[0]):
            return f"{len(lines[1])} lines for {len(lines[0])}"
        leads = [_lead(passage) for passage in (case.source, case.rewrite)]
        colons = [len(_COLON.findall(lead)) for lead in leads]
        return leads[1].strip() if colons[1] > colons[0] else None

    return no_chatter


@registry.llm_misc("clinical_ie.whole_sentence.v1")
def make_whole_sentence() -> Filter:
    """If the source ends with closing punctuation, so must the rewrite, and not right after a word
    that needs a continuation: no `They were normal, although.`"""

    def whole_sentence(case: Case) -> str | None:
        if not _ends_with_stop(case.source.text):
            return None
        ends = _ends_with_stop(case.rewrite.text)
        open_end = _OPEN_END.search(case.rewrite.text) and not _OPEN_END.search(case.source.text)
        return f"…{case.rewrite.text[-20:]}" if open_end or not ends else None

    return whole_sentence


@registry.llm_misc("clinical_ie.clean_characters.v1")
def make_clean_characters() -> Filter:
    """The rewrite must not introduce control characters, invisible format characters (such as marks
    of writing direction) or U+FFFD."""

    def clean_characters(case: Case) -> str | None:
        strange = {
            char
            for char in set(case.rewrite.text) - set(case.source.text)
            if char == "\ufffd" or (unicodedata.category(char) in {"Cc", "Cf"} and char != "\n")
        }
        return f"U+{ord(min(strange)):04X}" if strange else None

    return clean_characters


@registry.llm_misc("clinical_ie.likely.v1")
def make_likely(min_logprob: float) -> Filter:
    """The model must have given its own answer a high enough probability, if it reports one.

    min_logprob (float): Smallest log-probability of the answer divided by its number of mentions,
        below 0. If a grammar fixes the words between the terms, this is roughly that of a term.
    """

    def likely(case: Case) -> str | None:
        if case.likelihood is None or case.likelihood >= min_logprob:
            return None
        return f"{case.likelihood:.2f} a mention"

    return likely


@registry.llm_misc("clinical_ie.no_repetition.v1")
def make_no_repetition(max_repeats: int = 2) -> Filter:
    """No word trigram may be more frequent than the source's most frequent one, no more terms may
    recur under one label than in the source, and no word twice in a row unless one does there.

    max_repeats (int): How often a trigram may occur in any case.
    RAISES (ValueError): max_repeats is below 1.
    """
    if max_repeats < 1:
        raise ValueError(f"no_repetition: max_repeats is {max_repeats}; expected 1 or more")

    def no_repetition(case: Case) -> str | None:
        distinct, total = runs_of_words(case.rewrite.text)
        # Otherwise no run occurs more often than `max_repeats`.
        if total - len(distinct) >= max_repeats:
            before, after = _trigrams(case.source), _trigrams(case.rewrite)
            allowed = max(max_repeats, *before.values(), 0)
            many = next((words for words, count in after.items() if count > allowed), None)
            if many:
                return " ".join(many)
        stuttered = _STUTTERED.search(case.rewrite.text)
        if stuttered and not _STUTTERED.search(case.source.text):
            return stuttered.group()
        terms = _doubled(case.rewrite)
        return terms[0] if terms and len(terms) > len(_doubled(case.source)) else None

    return no_repetition


def _trigrams(passage: Passage) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(passage.text.lower())
    return Counter(zip(words, words[1:], words[2:], strict=False))


def _doubled(passage: Passage) -> list[str]:
    """The terms that occur more than once under one label."""
    terms = Counter((m.label, passage.covered(m).lower()) for m in passage.mentions)
    return [term for (_, term), count in terms.items() if count > 1]


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


def _lead(passage: Passage) -> str:
    """The text before the first mention."""
    return passage.text[: min((m.start for m in passage.mentions), default=None)]


def _ends_with_stop(text: str) -> bool:
    return text.rstrip("\"')]}\u201d\u2019 \n").endswith((".", "!", "?", ":", ";"))
