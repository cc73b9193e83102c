"""Counts what happens in a run of the augmenter."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..doc import Annotations
from .attempt import Rewrite
from .markup import encode
from .segment import Place, Segment
from .source import LabelCounts, add_labels
from .terms import normal

MAX_EXAMPLES = 20
# A broken answer can be a megabyte long.
_MAX_SHOWN = 2000
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Dropped:
    """Answers dropped for one reason.

    answers (int): How many.
    segments (int): How many of them were the last try at their segment.
    example (dict[str, str]): Source, answer and detail of the first one.
    """

    answers: int = 0
    segments: int = 0
    example: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Tokens:
    """Token counts, as the model reports them.

    prompt, completion (int | None): None if the model never reports them.
    untold (int): Answers for which it does not report both.
    """

    prompt: int | None = None
    completion: int | None = None
    untold: int = 0

    def add(self, rewrite: Rewrite) -> None:
        """Count an answer's tokens."""
        if rewrite.prompt_tokens is not None:
            self.prompt = (self.prompt or 0) + rewrite.prompt_tokens
        if rewrite.completion_tokens is not None:
            self.completion = (self.completion or 0) + rewrite.completion_tokens
        untold = rewrite.prompt_tokens is None or rewrite.completion_tokens is None
        self.untold += rewrite.answered and untold

    def cost(self, prices: tuple[float, float]) -> float | None:
        """The price of the reported tokens; None if there are answers but no reported tokens.

        prices (tuple[float, float]): Per million prompt and completion tokens.
        """
        if any(prices) and self.untold and self.prompt is None and self.completion is None:
            return None
        return ((self.prompt or 0) * prices[0] + (self.completion or 0) * prices[1]) / 1e6


@dataclass(slots=True)
class Diversity:
    """How accepted rewrites differ from their sources, in words and in terms.

    words (dict[str, set[str]]): The distinct words of each side.
    totals (Counter[str]): How many words each side has, and how many words of the rewrites are
        shared with their own source.
    terms (dict[str, set[str]]): The distinct terms of each label in rewrites.
    """

    words: dict[str, set[str]] = field(default_factory=lambda: {"source": set(), "rewrite": set()})
    totals: Counter[str] = field(default_factory=Counter)
    terms: dict[str, set[str]] = field(default_factory=dict)

    def add(self, segment: Segment, rewrite: Rewrite) -> None:
        """Count an accepted rewrite."""
        sides = {"source": segment.text, "rewrite": rewrite.text}
        counts = {side: Counter(_WORD.findall(text.lower())) for side, text in sides.items()}
        for side, counted in counts.items():
            self.words[side] |= counted.keys()
            self.totals[side] += counted.total()
        self.totals["shared"] += (counts["source"] & counts["rewrite"]).total()
        for mention in rewrite.mentions(segment.annotations.mentions):
            term = normal(rewrite.text[mention.start : mention.end])
            self.terms.setdefault(mention.label, set()).add(term)

    def as_dict(self) -> dict[str, Any]:
        """The counts of words."""
        total = self.totals["rewrite"]
        return {
            "words": {side: self.totals[side] for side in self.words},
            "distinct_words": {side: len(words) for side, words in self.words.items()},
            "distinct_words_new": len(self.words["rewrite"] - self.words["source"]),
            "words_kept": round(self.totals["shared"] / total, 3) if total else None,
        }

    def new_terms(self, known: Mapping[str, set[str]]) -> dict[str, dict[str, int]]:
        """By label, the number of distinct terms in rewrites, and of those that training lacks."""
        return {
            label: {"terms": len(terms), "new": len(terms - known.get(label, set()))}
            for label, terms in sorted(self.terms.items())
        }


@dataclass(slots=True)
class Outcome:
    """The counts of a run.

    settings (dict[str, Any]): What was requested: config, model, seed, strategy and so on.
    prices (tuple[float, float]): Per million prompt and completion tokens.
    known (dict[str, set[str]]): The terms of each label in training.
    segments (int): Segments that can be rewritten; `skipped` counts the others by reason.
    tried (int): How many of them were passed to the model.
    accepted (int): New notes.
    rewrites (int): Accepted rewrites; a note may contain several.
    requests, replayed (int): Answers, and how many of them came from the journal.
    unanswered, refused (int): Requests without an answer, and prompts that the model rejects.
    missing (int): Rewrites given up because requests got no answer.
    ended (str): Why no more requests could be made before the end; empty if they could.
    given_up (set[Place]): Segments that were given up and have no rewrite.
    before, after (tuple[Counter, Counter]): Mentions and relations by label, in the training notes
        and in the new ones.
    pairs (list[dict[str, str]]): Source and rewrite of the first few, in markup.
    tokens, paid (Tokens): Of all answers, and of those that did not come from the journal.
    seconds, model_seconds (float): Duration of the run, and of the answers when they were written.
    """

    settings: dict[str, Any]
    prices: tuple[float, float]
    known: dict[str, set[str]]
    before: LabelCounts
    segments: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    accepted: int = 0
    rewrites: int = 0
    requests: int = 0
    replayed: int = 0
    unanswered: int = 0
    refused: int = 0
    missing: int = 0
    ended: str = ""
    given_up: set[Place] = field(default_factory=set)
    dropped: dict[str, Dropped] = field(default_factory=dict)
    after: LabelCounts = field(default_factory=lambda: (Counter(), Counter()))
    pairs: list[dict[str, str]] = field(default_factory=list)
    diversity: Diversity = field(default_factory=Diversity)
    tokens: Tokens = field(default_factory=Tokens)
    paid: Tokens = field(default_factory=Tokens)
    seconds: float = 0.0
    model_seconds: float = 0.0

    @property
    def wanted(self) -> int:
        """Number of new notes requested."""
        return int(self.settings["n_augmented"])

    @property
    def asked(self) -> int:
        """Number of requests that this run sent."""
        return self.requests + self.unanswered + self.refused - self.replayed

    @property
    def cut_off(self) -> bool:
        """Whether notes are missing because requests got no answer or could not be made."""
        # A note with some of its segments rewritten is accepted, too.
        return bool(self.ended) or (self.accepted < self.wanted and self.missing > 0)

    @property
    def hopeless(self) -> bool:
        """Whether the run ended since none of its first answers was accepted."""
        limit = self.settings["give_up_after"]
        return limit is not None and not self.accepted and self.requests >= limit

    def count(self, rewrite: Rewrite) -> None:
        """Count an answer and its cost, or a request without an answer."""
        self.requests += rewrite.answered
        self.unanswered += rewrite.missing
        self.refused += rewrite.refused
        self.model_seconds += rewrite.seconds
        self.tokens.add(rewrite)
        if rewrite.replayed:
            self.replayed += 1
        else:
            self.paid.add(rewrite)

    def drop(self, segment: Segment, rewrite: Rewrite, last: bool) -> None:
        """Count an answer that is not used, or a request without an answer.

        last (bool): Whether the segment is given up.
        """
        dropped = self.dropped.setdefault(rewrite.reason, Dropped())
        dropped.answers += 1
        dropped.segments += last
        self.missing += last and rewrite.missing
        if last and not rewrite.variant:
            self.given_up.add(segment.place)
        if not dropped.example:
            dropped.example = {**_pair(segment, rewrite), "detail": rewrite.detail}

    def add(
        self, note_id: str, annotations: Annotations, rewrites: Iterable[tuple[Segment, Rewrite]]
    ) -> None:
        """Count a new note and its rewrites."""
        self.accepted += 1
        add_labels(self.after, annotations)
        for segment, rewrite in rewrites:
            self.rewrites += 1
            # A later variant may succeed where the first one failed.
            self.given_up.discard(segment.place)
            self.diversity.add(segment, rewrite)
            if len(self.pairs) < MAX_EXAMPLES:
                self.pairs.append({"note": note_id, **_pair(segment, rewrite, as_it_is=True)})

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        by_answers = sorted(self.dropped.items(), key=lambda item: -item[1].answers)
        return {
            **self.settings,
            "accepted": self.accepted,
            "rewrites": self.rewrites,
            "requests": self.requests,
            "replayed": self.replayed,
            "unanswered": self.unanswered,
            "refused": self.refused,
            "ended": self.ended,
            "segments": {
                "available": self.segments,
                "tried": self.tried,
                "given up": len(self.given_up),
                "skipped": dict(self.skipped.most_common()),
            },
            "dropped": {
                reason: {"answers": d.answers, "segments": d.segments, "example": d.example}
                for reason, d in by_answers
            },
            "tokens": {
                "prompt": self.tokens.prompt,
                "completion": self.tokens.completion,
                "untold": self.tokens.untold,
            },
            "cost": {
                "all": _rounded(self.tokens.cost(self.prices)),
                "this_run": _rounded(self.paid.cost(self.prices)),
            },
            "seconds": {"total": round(self.seconds, 1), "model": round(self.model_seconds, 1)},
            "mentions": _side_by_side(self.before[0], self.after[0]),
            "relations": _side_by_side(self.before[1], self.after[1]),
            "new_terms": self.diversity.new_terms(self.known),
            "diversity": self.diversity.as_dict(),
            "examples": self.pairs,
        }


def _rounded(cost: float | None) -> float | None:
    return None if cost is None else round(cost, 6)


def _pair(segment: Segment, rewrite: Rewrite, as_it_is: bool = False) -> dict[str, str]:
    """Source and rewrite in markup.

    as_it_is (bool): Whether to show the rewrite as it goes into the note, with articles and first
        capital mended, or as the model wrote it.
    """
    mentions = segment.annotations.mentions
    source = encode(segment.text, mentions)
    # By the text order of the rewrite, an id would name another mention than in the source.
    keys = {marker.mention: marker.key for marker in source.markers}
    markup = (
        encode(rewrite.text, rewrite.mentions(mentions), keys).text if as_it_is else rewrite.markup
    )
    return {"source": source.text, "rewrite": markup[:_MAX_SHOWN]}


def _side_by_side(before: Counter[str], after: Counter[str]) -> dict[str, dict[str, int]]:
    labels = [label for label, _ in (before + after).most_common()]
    return {label: {"train": before[label], "augmented": after[label]} for label in labels}
