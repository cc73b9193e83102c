"""No language model: other terms of the training split, and a few other words around them."""

import hashlib
import json
import random
import re
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path

# spacy-llm compares these very types with those of the task, and knows typing's names alone.
from typing import Iterable, Iterator  # noqa: UP035

from spacy_llm.registry import registry

from ...doc import Mention
from ..articles import fit_article
from ..markup import decode, encode
from ..prompt import Prompt, Response
from ..terms import Group, Terms, linked_groups, load_terms, normal
from .wording import vary

# So many training groups are looked at for the one whose terms are most like those they replace.
_CANDIDATES = 30


class Rules:
    """Puts terms of the training split in the place of a passage's own, by the prompt's seed.

    Mentions that relations tie together are replaced together, by terms that stand in the same
    relations in one training note, or not at all. Nested mentions, and those with a relation to
    one outside the passage, stay.

    path (Path | None): Training notes (`.spacy`); without any, only the wording varies.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @cached_property
    def fingerprint(self) -> str:
        """The rules' version and the training split."""
        content = self._path.read_bytes() if self._path else b""
        return json.dumps(["clinical_ie.Rules.v1", hashlib.sha256(content).hexdigest()])

    @cached_property
    def _terms(self) -> Terms:
        return load_terms(self._path)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer each prompt.

        RAISES (ValueError): It does not come from the rewriting task.
        """
        for group in prompts:
            yield [self._answer(prompt) for prompt in group]

    def _answer(self, prompt: str) -> Response:
        if not isinstance(prompt, Prompt):
            raise ValueError("clinical_ie.Rules.v1 answers clinical_ie.StructuredRewrite.v1 alone")
        rng = random.Random(f"{prompt.seed}/{prompt.variant}")
        text, mentions = decode(prompt.source, prompt.markers)
        new_terms = self._draw(prompt, text, mentions, rng)
        rewritten, moved = _replace(text, mentions, new_terms, rng, share=0.5)
        if rewritten.split() == text.split():
            rewritten, moved = _replace(text, mentions, new_terms, rng, share=1.0)
        return Response(encode(rewritten, moved).text)

    def _draw(
        self, prompt: Prompt, text: str, mentions: list[Mention], rng: random.Random
    ) -> dict[str, str]:
        """New terms by mention id, for those that get one."""
        nested = {marker.parent for marker in prompt.markers if marker.parent}
        staying = set(prompt.bound) | {
            marker.mention for marker in prompt.markers if marker.parent or marker.key in nested
        }
        labels = {mention.id: mention.label for mention in mentions}
        texts = {mention.id: text[mention.start : mention.end] for mention in mentions}
        links = {(x.label, x.head, x.tail) for x in prompt.links if x.head != x.tail}
        drawn: dict[str, str] = {}
        for group in linked_groups(labels, texts, links):
            if not staying & group.labels.keys():
                drawn |= self._counterpart(group, rng)
        return drawn

    def _counterpart(self, group: Group, rng: random.Random) -> dict[str, str]:
        """Other terms for a group, out of one training group; none where there is no such group."""
        degree = {id_: sum(id_ in link[1:] for link in group.links) for id_ in group.labels}
        hub = max(degree, key=lambda id_: degree[id_])
        known = self._terms.groups.get(group.labels[hub], [])
        matches = (
            (other, next(_matches(group, other, {hub: other_hub}), None))
            for other, other_hub in rng.sample(known, len(known))
            if len(other.links) >= len(group.links)
        )
        found = ({i: other.texts[match[i]] for i in match} for other, match in matches if match)
        different = (terms for terms in found if _spelled(terms) != _spelled(group.texts))
        # Another hub first: the same drug with another strength is the smaller change.
        return max(
            islice(different, _CANDIDATES),
            key=lambda terms: (
                normal(terms[hub]) != normal(group.texts[hub]),
                _likeness(group.texts, terms),
            ),
            default={},
        )


def _spelled(terms: dict[str, str]) -> dict[str, str]:
    return {id_: normal(term) for id_, term in terms.items()}


def _matches(group: Group, other: Group, match: dict[str, str]) -> Iterator[dict[str, str]]:
    """Every way to find the group's labels and relations again in another, from a first pair on."""
    if len(match) == len(group.labels):
        yield match
        return
    # A mention with a relation to one that is matched already: there the choice is small.
    new = next(
        id_
        for id_ in group.labels
        if id_ not in match
        and any(id_ in (h, t) and {h, t} & match.keys() for _, h, t in group.links)
    )
    for candidate, label in other.labels.items():
        if label != group.labels[new] or candidate in match.values():
            continue
        extended = match | {new: candidate}
        if all(
            (relation, extended[head], extended[tail]) in other.links
            for relation, head, tail in group.links
            if head in extended and tail in extended
        ):
            yield from _matches(group, other, extended)


def _likeness(old: dict[str, str], new: dict[str, str]) -> int:
    pairs = ((_shape(old[id_]), _shape(new[id_])) for id_ in old)
    return sum(a == b for left, right in pairs for a, b in zip(left, right, strict=True))


def _shape(term: str) -> tuple[bool, bool, str]:
    """What makes a term fit where another one stood: a number, more than one word, its ending."""
    return bool(re.search(r"\d", term)), " " in term, term[-2:]


def _replace(
    text: str, mentions: list[Mention], terms: dict[str, str], rng: random.Random, share: float
) -> tuple[str, list[Mention]]:
    """Text and mentions with other terms, and with the wording between mentions varied."""
    pieces: list[str] = []
    length = 0
    borders = sorted({0, len(text), *(p for m in mentions for p in (m.start, m.end))})
    swapped = {(m.start, m.end): m for m in mentions if m.id in terms}
    moved_to = {0: 0}
    for start, end in pairwise(borders):
        inside = any(m.start <= start and end <= m.end for m in mentions)
        piece = text[start:end]
        if (start, end) in swapped:
            piece = _in_place(piece, terms[swapped[start, end].id], text[:start])
            if pieces:
                fitted = fit_article(pieces[-1], piece)
                length += len(fitted) - len(pieces[-1])
                pieces[-1] = fitted
                moved_to[start] = length
        elif not inside:
            piece = vary(piece, rng, share)
        pieces.append(piece)
        length += len(piece)
        moved_to[end] = length
    moved = [Mention(m.id, m.label, ((moved_to[m.start], moved_to[m.end]),)) for m in mentions]
    return "".join(pieces), moved


def _in_place(old: str, new: str, before: str) -> str:
    """The new term with the capital that its place asks for."""
    if not before.strip() or before.rstrip().endswith((".", "!", "?")):
        return new[:1].upper() + new[1:]
    if old[:1].islower() and " " not in new and new[1:].islower():
        return new.lower()
    return new


@registry.llm_models("clinical_ie.Rules.v1")
def make_rules(terms: str | Path | None = None) -> Rules:
    """A rewriter that needs no language model.

    terms (str | Path | None): Training notes (`.spacy`); without any, only the wording varies.
    """
    return Rules(None if terms is None else Path(terms))
