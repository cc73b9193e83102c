"""No language model: other terms of the training split, and a few other words around them."""

import json
import random
from functools import cached_property
from itertools import pairwise
from pathlib import Path

# spacy-llm compares these very types with those of the task, and knows typing's names alone.
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


class Rules:
    """Puts terms of the training split in the place of a passage's own, by the prompt's seed.

    Mentions that relations tie together are replaced together, by terms that stand in the same
    relations in one training note, or, with an encoder, each by one that is near in meaning.
    Nested mentions, numbers on a scale (`GCS 14`), and those with a relation to one outside the
    passage, stay.

    path (Path | None): Training notes (`.spacy`); without any, only the wording varies.
    encoder, least, most, max_terms: As `make_rules` has them.
    """

    def __init__(
        self, path: Path | None, encoder: str | None, least: float, most: float, max_terms: int
    ) -> None:
        self._path = path
        self._encoder = encoder
        self._least, self._most, self._max_terms = least, most, max_terms

    @cached_property
    def fingerprint(self) -> str:
        """The rules' version, the training split, the encoder's weights, and expressions."""
        files = [Path(path) for path in (self._path, self._encoder) if path is not None]
        made_of = hash_of(files, EXPRESSIONS)
        near = self._encoder, self._least, self._most, self._max_terms
        return json.dumps(["clinical_ie.Rules.v1", 6, made_of, *near])

    @cached_property
    def _counterparts(self) -> Counterparts:
        nearness = Nearness(self._encoder) if self._encoder is not None else None
        return Counterparts(load_terms(self._path), nearness, self._least, self._most)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer each prompt.

        RAISES (ValueError): It does not come from the rewriting task.
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
                # One term can go to several mentions.
                room = max(0, self._max_terms - len(drawn))
                drawn |= self._counterparts.of(group, rng, room, texts.values())
        return drawn


def _replace(
    text: str, mentions: list[Mention], terms: dict[str, str], rng: random.Random, share: float
) -> tuple[str, list[Mention]]:
    """Text and mentions with other terms, and with the wording between mentions varied; the task
    sets the articles before new terms right."""
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
            piece = _in_place(piece, terms[swapped[start, end].id], text[:start], capitals)
        elif not inside:
            piece = vary(piece, rng, share)
        pieces.append(piece)
        length += len(piece)
        moved_to[end] = length
    moved = [Mention(m.id, m.label, ((moved_to[m.start], moved_to[m.end]),)) for m in mentions]
    return "".join(pieces), moved


def _in_place(old: str, new: str, before: str, capitals: bool) -> str:
    """The new term with the capital that its place asks for.

    capitals (bool): Whether the words around it are in capitals.
    """
    if capitals and old.isupper():
        return new.upper()
    # "1. warfarin" of a list has none, and its "." ends no sentence.
    starts = not before.strip() or before.rstrip().endswith((".", "!", "?"))
    if starts and not old[:1].islower():
        return new[:1].upper() + new[1:]
    if old[:1].islower() and " " not in new and new[1:].islower():
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

    terms (str | Path | None): Training notes (`.spacy`); without any, only the wording varies.
    encoder (str | None): An encoder of sentences, a folder or a name on the hub, that tells which
        terms are near in meaning; None takes what fits in form.
    least, most (float): Cosines between which new terms lie, with an encoder.
    max_terms (int): So many terms of a passage are replaced by near ones at most: the more, the
        less it makes sense. None is where the passage has values, or names with an abbreviation,
        to change.
    """
    return Rules(None if terms is None else Path(terms), encoder, least, most, max_terms)
