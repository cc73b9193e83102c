"""Whether a term still fits the words right before and after it."""

import re

from spacy_llm.registry import registry

from ...doc import Mention
from .case import Case, Filter, Passage, word_border


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_A, _ARTICLES = _words("a an"), _words("a an the")
# Words that can replace `a`: other determiners, and verbs after which the term needs none.
_INSTEAD = _ARTICLES | _words(
    "another any each every her his its my no one our some that their this"
    " are as be been being is remained was were"
)
_PREPOSITIONS = _words(
    "above across after around at before behind below beneath between by during for from in near of"
    " on over through to under until upon with within without"
)
# Words that a verb follows; a term is seldom a verb.
_MODALS = _words("can cannot could did do does may might must not should will would")
_BE = _words("am are be been being is was were")
_COPULAS = _BE | _words(
    "appear appeared appears became become becomes look looked looks remain remained remains"
    " seem seemed seems stayed"
)
_GAP = re.compile(r"\s*-?\s*")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_WORDS_BEFORE = re.compile(r"(?:([^\W\d_]+)\s+)?([^\W\d_]+)\s*\Z")
_VERB = re.compile(r"\s+(?:was|is|has|(?P<plural>were|are|have))\b")
# Characters before a mention that are searched for words, and on both sides that are shown.
_NEAR = 40


@registry.llm_misc("clinical_ie.joints_kept.v1")
def make_joints_kept() -> Filter:
    """Terms must still fit the words next to them:

    - before a term that begins with a preposition, no new article or preposition: no `found at the
      above the junction`;
    - before any term, no new modal verb: no `could not unable to walk`;
    - a term that followed `a` or `an` still follows an article, or a word that can replace it: no
      `experienced uneventful recovery`;
    - a term that opened a bracket still does: no `[[tomography]] of the [[CT]]`;
    - the verb after an unchanged term keeps its number: no `all margins was`;
    - an unchanged term that followed a form of `be` (a participle also with a word between) still
      does, or follows a verb like `seem`: no `lungs showed [[clear]]`;
    - adjacent terms stay adjacent: no `[[induction]], she had [[chemotherapy]]`.
    """

    def joints_kept(case: Case) -> str | None:
        side_by_side = _side_by_side(case.source) - _side_by_side(case.rewrite)
        apart = {case.source.mentions[place].id for _, place in side_by_side}
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            if old.id in apart or _is_broken(case.source, old, case.rewrite, new):
                text = case.rewrite.text
                return " ".join(text[max(0, new.start - _NEAR) : new.end + _NEAR].split())
        return None

    return joints_kept


def _is_broken(source: Passage, old: Mention, rewrite: Passage, new: Mention) -> bool:
    (earlier, was), (second, before) = _words_before(source, old), _words_before(rewrite, new)
    if _begins_bracket(source, old) and not _begins_bracket(rewrite, new):
        return True
    if was in _A and before and not {before, second} & _INSTEAD:
        return True
    term = rewrite.covered(new)
    first = _FIRST_WORD.match(term)
    doubled = before in _ARTICLES | _PREPOSITIONS and first and first[0].lower() in _PREPOSITIONS
    if before != was and (doubled or before in _MODALS):
        return True
    if term != source.covered(old):
        return False
    copulas = {earlier, was} if term.endswith("ed") else {was}
    if copulas & _BE and not {second, before} & _COPULAS:
        return True
    numbers = _number_after(source, old), _number_after(rewrite, new)
    return None not in numbers and numbers[0] != numbers[1]


def _side_by_side(passage: Passage) -> set[tuple[int, int]]:
    """The pairs of mentions with only white space or a hyphen between them."""
    starts = {mention.start: place for place, mention in enumerate(passage.mentions)}
    pairs = set()
    for place, mention in enumerate(passage.mentions):
        gap = _GAP.match(passage.text, mention.end)
        if gap and gap.end() in starts:
            pairs.add((place, starts[gap.end()]))
    return pairs


def _words_before(passage: Passage, mention: Mention) -> tuple[str, str]:
    """The two words right before a mention, in lower case; an empty string if there is no word."""
    start = word_border(passage.text, mention.start - _NEAR)
    found = _WORDS_BEFORE.search(passage.text, start, mention.start)
    return ((found[1] or "").lower(), found[2].lower()) if found else ("", "")


def _begins_bracket(passage: Passage, mention: Mention) -> bool:
    return passage.text[: mention.start].rstrip().endswith("(")


def _number_after(passage: Passage, mention: Mention) -> bool | None:
    """Whether the verb right after a mention is plural; None if no known verb follows."""
    verb = _VERB.match(passage.text, mention.end)
    return bool(verb["plural"]) if verb else None
