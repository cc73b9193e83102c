"""Rewrites without a language model: terms of the training split, with slightly varied wording."""

import json
import random
from functools import cached_property
from itertools import pairwise
from pathlib import Path

# spacy-llm compares these annotations with the task's, and knows only the names from typing.
from typing import Iterable  # noqa: UP035

from spacy_llm.registry import registry

from ...doc import Mention
from ...system.hashing import hash_of
from ..counterparts import Counterparts
from ..markup import decode, encode
from ..nearness import Nearness
from ..prompt import Prompt, Response
from ..terms import blanked, linked_groups, load_terms
from ..values import is_on_scale
from .wording import EXPRESSIONS, vary

# Share of the one-word terms; 8 % in English case reports, where they open a sentence or are names.
_MOST_CAPITALS = 0.7


class Rules:
    """Replaces terms of a passage with terms of the training split, drawn by the prompt's seed.

    Related mentions are replaced together, by terms with the same relations in one training note,
    or, with an encoder, each by a term that is near in meaning. Nested mentions, numbers on a scale
    (`GCS 14`) and mentions with a relation to one outside the passage stay.

    path (Path | None): Training notes (`.spacy`); without them, only the wording varies.
    encoder, least, most, max_terms: See `make_rules`.
    """

    def __init__(
        self, path: Path | None, encoder: str | None, least: float, most: float, max_terms: int
    ) -> None:
        self._path = path
        self._encoder = encoder
        self._least, self._most, self._max_terms = least, most, max_terms

    @cached_property
    def fingerprint(self) -> str:
        """Everything that affects an answer, as JSON: version, notes, weights, settings."""
        files = [Path(path) for path in (self._path, self._encoder) if path is not None]
        made_of = hash_of(files, EXPRESSIONS)
        near = self._encoder, self._least, self._most, self._max_terms
        return json.dumps(["clinical_ie.Rules.v1", 8, made_of, *near])

    @cached_property
    def _counterparts(self) -> Counterparts:
        nearness = Nearness(self._encoder) if self._encoder is not None else None
        return Counterparts(load_terms(self._path), nearness, self._least, self._most)

    @cached_property
    def _keeps_capitals(self) -> bool:
        """Whether the training notes give most terms of one word a capital, as German does."""
        spellings = [each for terms in load_terms(self._path).by_label.values() for each in terms]
        words = [each for each in spellings if each.isalpha() and each[1:].islower()]
        return sum(map(str.istitle, words)) > _MOST_CAPITALS * len(words)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer each prompt.

        RAISES (ValueError): A prompt does not come from the rewriting task.
        """
        for group in prompts:
            yield [self._answer(prompt) for prompt in group]

    def _answer(self, prompt: str) -> Response:
        if not isinstance(prompt, Prompt):
            raise ValueError(
                "clinical_ie.Rules.v1 answers only the prompts of clinical_ie.StructuredRewrite.v1"
            )
        rng = random.Random(f"{prompt.seed}/{prompt.variant}")
        text, mentions = decode(prompt.source, prompt.markers)
        new_terms = self._draw(prompt, text, mentions, rng)
        for share in (0.5, 1.0):
            rewritten, moved = _replace(
                text, mentions, new_terms, rng, share, keeps=self._keeps_capitals
            )
            if rewritten.split() != text.split():
                break
        return Response(encode(rewritten, moved).text)

    def _draw(
        self, prompt: Prompt, text: str, mentions: list[Mention], rng: random.Random
    ) -> dict[str, str]:
        """New terms by mention id, for the mentions that get one."""
        nested = {marker.parent for marker in prompt.markers if marker.parent}
        staying = set(prompt.bound) | {
            marker.mention for marker in prompt.markers if marker.parent or marker.key in nested
        }
        labels = {mention.id: mention.label for mention in mentions}
        texts = {mention.id: text[mention.start : mention.end] for mention in mentions}
        staying |= {m.id for m in mentions if is_on_scale(text[: m.start], texts[m.id])}
        links = {(x.label, x.head, x.tail) for x in prompt.links if x.head != x.tail}
        groups = [g for g in linked_groups(labels, texts, links) if not staying & g.labels.keys()]
        rng.shuffle(groups)
        drawn: dict[str, str] = {}
        if self._encoder is not None:
            for group in groups:
                drawn |= self._counterparts.same(group, rng, texts.values())
        if not drawn:
            for group in groups:
                # More than max_terms are possible: one term can go to several mentions.
                room = max(0, self._max_terms - len(drawn))
                drawn |= self._counterparts.of(group, rng, room, texts.values())
        return drawn


def _replace(
    text: str,
    mentions: list[Mention],
    terms: dict[str, str],
    rng: random.Random,
    share: float,
    *,
    keeps: bool,
) -> tuple[str, list[Mention]]:
    """Text and mentions with new terms, and with varied wording between them; the task corrects the
    articles before new terms later."""
    pieces: list[str] = []
    length = 0
    borders = sorted({0, len(text), *(p for m in mentions for p in (m.start, m.end))})
    swapped = {(m.start, m.end): m for m in mentions if m.id in terms}
    capitals = blanked(text, [(m.start, m.end) for m in mentions]).isupper()
    moved_to = {0: 0}
    for start, end in pairwise(borders):
        inside = any(m.start <= start and end <= m.end for m in mentions)
        piece = text[start:end]
        if (start, end) in swapped:
            piece = _in_place(piece, terms[swapped[start, end].id], text[:start], capitals, keeps)
        elif not inside:
            piece = vary(piece, rng, share)
        pieces.append(piece)
        length += len(piece)
        moved_to[end] = length
    moved = [Mention(m.id, m.label, ((moved_to[m.start], moved_to[m.end]),)) for m in mentions]
    return "".join(pieces), moved


def _in_place(old: str, new: str, before: str, capitals: bool, keeps: bool) -> str:
    """The new term, capitalized as its place requires.

    capitals (bool): Whether the words around it are in capitals.
    keeps (bool): Whether a word keeps its capital in the middle of a sentence.
    """
    if capitals and old.isupper():
        return new.upper()
    # In a numbered list ("1. warfarin"), the full stop ends no sentence.
    starts = not before.strip() or before.rstrip().endswith((".", "!", "?"))
    if starts and not old[:1].islower():
        return new[:1].upper() + new[1:]
    if not keeps and old[:1].islower() and " " not in new and new[1:].islower():
        return new.lower()
    return new


@registry.llm_models("clinical_ie.Rules.v1")
def make_rules(
    terms: str | Path | None = None,
    encoder: str | None = None,
    least: float = 0.7,
    most: float = 0.93,
    max_terms: int = 1,
) -> Rules:
    """A rewriter that needs no language model.

    terms (str | Path | None): Training notes (`.spacy`); without them, only the wording varies.
    encoder (str | None): A sentence encoder, a folder or a name on the hub, that finds terms near
        in meaning; without it, terms that fit in form are used.
    least, most (float): With an encoder, the bounds of the cosine between new and old term.
    max_terms (int): How many terms of a passage may be replaced by near ones: the more, the less
        sense it makes. If values or abbreviated names can change instead, none are.
    """
    return Rules(None if terms is None else Path(terms), encoder, least, most, max_terms)
