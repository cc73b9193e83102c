"""What a rewrite must preserve: negation, relation cues, gender, and one name for one thing."""

import re
from collections.abc import Set

from spacy_llm.registry import registry

from ...doc import Link, Mention
from ..terms import named_alike, normal
from .case import Case, Filter, Passage, word_border

Ends = Set[tuple[str, str, str]]

# Hand-written, after the idea of NegEx (Chapman et al. 2001): cues before and after a finding.
# They are matched against text in lower case: ignoring case would take twice as long.
_NOT = r"not|\w+n['\u2019]t"
_BEFORE = re.compile(
    rf"\b(?:no|{_NOT}|without|never|denie[sd]|deny|denying|negative for|absen(?:ce|t)|lack(?:s|ed)?"
    r"|free of|neither|nor|none|rule[sd]? out|exclude[sd]?|unremarkable for|cannot|failed to)\b"
    # Only directly before the mention.
    r"|\bnon[\s-]?\Z"
)
_AFTER = re.compile(
    rf"^-free\b|^[^.;\n]{{0,25}}?\b(?:{_NOT}|absent|negative|never|unlikely|denied"
    r"|(?:was|were|been|is|are) (?:ruled out|excluded))\b"
)
# Every cue contains one of these: a passage without any needs no closer look.
_HINT = re.compile(
    r"n[o'\u2019]|without|never|den[iy]|negative|absen|lack|free|neither|rule|exclude|unremarkable"
    r"|unlikely|cannot|failed"
)
# What ends the scope of a negation cue before a finding.
_STOP = re.compile(
    r"[.;:\n]|\b(?:but|however|although|though|yet|except|apart from|which|who|whereas|while"
    r"|because|due to|secondary to|revealed|showed|demonstrated|suggest\w*)\b"
)
# Characters before a mention that are searched for cues.
_REACH = 90
# Ends the clause after a mention: punctuation, a bracket or a mention.
_CLAUSE_END = re.compile(r"[,.;\n(]| {4,}")
_NEGATED_TERM = re.compile(r"(?:no|not|without|never|denie[sd]|negative for|absence of)\b", re.I)

_GENDERS = [
    re.compile(r"\b(?:he|his|him|himself)\b", re.IGNORECASE),
    re.compile(r"\b(?:she|hers?|herself)\b", re.IGNORECASE),
]

# Cues of a relation, by what the mention before the cue is to the one after it.
_CUES = {
    "effect of": r"due to|because of|secondary to|as a result of|from"
    r"|(?:caused|induced|produced|triggered|provoked) by"
    r"|resulting from|attribut\w+ to|thanks to|owing to|following exposure to|related to"
    r"|associated with",
    "cause of": r"led to|leads to|leading to|result(?:ed|s|ing) in"
    r"|(?:caus|induc|produc|trigger|provok)(?:e|ed|es|s|ing)(?! by)",
    "before": r"before|prior to|until|preced(?:ed|es|ing)(?! by)|followed by",
    # In "since it caused", the word gives a reason.
    "after": r"after|following|subsequent to|since(?! (?:he|it|she|that|the|they|this|we)\b)"
    r"|preceded by",
    "for": r"for|to treat|against|to control|to relieve|in the treatment of|to assess|to evaluate",
}
_CUE = {kind: re.compile(rf"\b(?:{words})\b") for kind, words in _CUES.items()}
_REVERSED = {
    "effect of": "cause of",
    "cause of": "effect of",
    "before": "after",
    "after": "before",
}


@registry.llm_misc("clinical_ie.negation_kept.v1")
def make_negation_kept() -> Filter:
    """A mention must be negated as often as in the source: by its context, by its own words, or by
    both."""

    def negation_kept(case: Case) -> str | None:
        pairs = zip(_negated(case.source), _negated(case.rewrite), strict=True)
        for mention, (before, after) in zip(case.rewrite.mentions, pairs, strict=True):
            if before != after:
                term = case.rewrite.covered(mention)
                how = ("not negated", "negated", "negated twice")[after]
                return f"{term!r} is {how}"
        return None

    return negation_kept


@registry.llm_misc("clinical_ie.gender_kept.v1")
def make_gender_kept() -> Filter:
    """Outside of mentions, no pronoun of a gender (`he`, `his`; `she`, `her`) that has none in the
    source."""

    def gender_kept(case: Case) -> str | None:
        before, after = case.source.outside(), case.rewrite.outside()
        for pattern in _GENDERS:
            found = pattern.search(after)
            if found and not pattern.search(before):
                return found[0].lower()
        return None

    return gender_kept


@registry.llm_misc("clinical_ie.relation_cues_kept.v1")
def make_relation_cues_kept() -> Filter:
    """If a cue between head and tail says how they are related (`due to`, `after`, `for`), the
    rewrite must have a cue of the same sense there, or of the opposite sense if head and tail have
    changed places. Nor may a mention come between them that could be taken for one of the two: with
    the ids of two strengths exchanged, each would be that of the other drug."""

    def relation_cues_kept(case: Case) -> str | None:
        place = {mention.id: i for i, mention in enumerate(case.source.mentions)}
        known = {(link.label, link.head, link.tail) for link in case.links}
        for link in case.links:
            ends = place[link.head], place[link.tail]
            rival = _rival(case.rewrite, link, ends, known)
            if rival and not _rival(case.source, link, ends, known):
                return f"{link.label}: {case.rewrite.covered(rival)!r} has come between"
            kinds, turned = _cues(case.source, *ends)
            if not kinds:
                continue
            new_kinds, new_turned = _cues(case.rewrite, *ends)
            kind = kinds[0]
            expected = kind if new_turned == turned else _REVERSED.get(kind, kind)
            if expected not in new_kinds:
                found = ", ".join(new_kinds) or "nothing"
                if new_turned == turned:
                    return f"{link.label}: {kind!r} has become {found!r}"
                return f"{link.label}: {found!r} in place of {expected!r}, as its ends are turned"
        return None

    return relation_cues_kept


@registry.llm_misc("clinical_ie.named_alike.v1")
def make_named_alike() -> Filter:
    """Related mentions with the same label and the same words in the source must share their words
    in the rewrite too. A mention with such a partner outside the segment, where nothing changes,
    keeps its words."""

    def named_alike_still(case: Case) -> str | None:
        labels = {mention.id: mention.label for mention in case.source.mentions}
        if not case.echoed and all(labels[x.head] != labels[x.tail] for x in case.links):
            return None
        pairs = list(zip(case.source.mentions, case.rewrite.mentions, strict=True))
        before = {old.id: case.source.covered(old) for old, _ in pairs}
        after = {old.id: case.rewrite.covered(new) for old, new in pairs}
        links = [(x.head, x.tail) for x in case.links]
        for group in named_alike(labels, before, links):
            terms = [after[id_] for id_ in group]
            terms += [before[id_] for id_ in group if id_ in case.echoed]
            words = dict.fromkeys(map(normal, terms))
            if len(words) > 1:
                return " and ".join(map(repr, words))
        return None

    return named_alike_still


def _negated(passage: Passage) -> list[int]:
    """How often each mention is negated: by cues around it, and by its own words (0 to 2)."""
    outside = passage.outside()
    hinted = _HINT.search(outside.lower()) is not None
    result = []
    for mention in passage.mentions:
        by_itself = _NEGATED_TERM.match(passage.covered(mention))
        result.append((hinted and _denied(outside, mention)) + bool(by_itself))
    return result


def _denied(outside: str, mention: Mention) -> bool:
    """Whether a cue before or after a mention negates it."""
    before = outside[word_border(outside, mention.start - _REACH) : mention.start].lower()
    stops = [match.end() for match in _STOP.finditer(before)]
    before = before[max(stops, default=0) :]
    return bool(_BEFORE.search(before) or _AFTER.search(_clause(outside, mention.end)))


def _clause(outside: str, start: int) -> str:
    """The text after a mention, up to the next punctuation, bracket or mention, in lower case."""
    return _CLAUSE_END.split(outside[start : start + 60], maxsplit=1)[0].lower()


def _rival(passage: Passage, link: Link, ends: tuple[int, int], known: Ends) -> Mention | None:
    """A mention between head and tail with the label of one of them, and without the same relation
    to the other.

    ends (tuple[int, int]): The places of head and tail among the mentions.
    known (Ends): Label, head and tail of each relation.
    """
    head, tail = (passage.mentions[end] for end in ends)
    low, high = sorted((head.start, tail.start))
    for mention in passage.mentions:
        if low < mention.start < high and (
            (mention.label == head.label and (link.label, mention.id, link.tail) not in known)
            or (mention.label == tail.label and (link.label, link.head, mention.id) not in known)
        ):
            return mention
    return None


def _cues(passage: Passage, head: int, tail: int) -> tuple[list[str], bool]:
    """The kinds of cues between two mentions, and whether the tail precedes the head."""
    first, last = passage.mentions[head], passage.mentions[tail]
    turned = last.start < first.start
    if turned:
        first, last = last, first
    between = passage.outside()[first.end : last.start].lower()
    return [kind for kind, pattern in _CUE.items() if pattern.search(between)], turned
