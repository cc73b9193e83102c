"""Few-shot pairs for the prompt: written by hand, or found in the training notes."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from spacy_llm.registry import registry

from ..corpora.docbin import read_docs
from ..doc import Link
from .markup import encode, keys_in
from .segment import Segment, segments_of
from .source import named

# How many mappings between two training segments are tried to find equal relations in both.
_MAX_WAYS = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """A few-shot example, both sides in markup and with the same markers."""

    source: str
    rewrite: str

    def as_dict(self) -> dict[str, str]:
        """The pair as a dict."""
        return asdict(self)


def checked_pairs(pairs: Iterable[Any]) -> list[Pair]:
    """Pairs from mappings with the keys `source` and `rewrite`.

    RAISES (ValueError): An item is no such mapping, or its sides have different markers.
    """
    checked = []
    for number, pair in enumerate(pairs, start=1):
        if isinstance(pair, Pair):
            pair = pair.as_dict()
        if not isinstance(pair, dict) or pair.keys() != {"source", "rewrite"}:
            found = sorted(pair) if isinstance(pair, dict) else type(pair).__name__
            raise ValueError(f"example {number} has {found}; expected source and rewrite")
        if sorted(keys_in(pair["source"])) != sorted(keys_in(pair["rewrite"])):
            raise ValueError(f"example {number}: source and rewrite hold different markers")
        checked.append(Pair(**pair))
    return checked


class TrainingPairs:
    """Pairs of segments from different training notes with the same labels and relations: each
    shows what a rewrite of the other could look like, written and annotated by people.

    path (Path): The training notes (`.spacy`); read when the object is called.
    mentions (tuple[int, int]): Minimum and maximum number of mentions in a segment.
    """

    def __init__(
        self, path: Path, size: int, seed: int, max_words: int, mentions: tuple[int, int]
    ) -> None:
        self._path = path
        self._size = size
        self._seed = seed
        self._max_words = max_words
        self._mentions = mentions

    def __call__(self) -> list[Pair]:
        """The pairs; no two have the same labels.

        RAISES (FileNotFoundError): There are no training notes.
        """
        low, high = self._mentions
        alike: dict[tuple[str, ...], list[Segment]] = defaultdict(list)
        for doc in named(read_docs(self._path)):
            for segment in segments_of(doc, self._max_words, nested=False)[0]:
                mentions = segment.annotations.mentions
                if low <= len(mentions) <= high and not segment.bound:
                    alike[tuple(sorted(m.label for m in mentions))].append(segment)
        rng = random.Random(self._seed)
        kinds = [labels for labels, segments in alike.items() if len(segments) > 1]
        rng.shuffle(kinds)
        pairs: list[Pair] = []
        for labels in kinds:
            if len(pairs) == self._size:
                break
            segments = rng.sample(alike[labels], len(alike[labels]))
            pairs += _first_pair(segments)
        return pairs


def _first_pair(segments: Sequence[Segment]) -> list[Pair]:
    for place, source in enumerate(segments):
        for other in segments[place + 1 :]:
            if other.note_id != source.note_id and (pair := _pair(source, other)):
                return [pair]
    return []


def _pair(source: Segment, other: Segment) -> Pair | None:
    """The two segments as an example, or None if their relations differ."""
    markup = encode(source.text, source.annotations.mentions)
    key_of = {marker.mention: marker.key for marker in markup.markers}
    wanted = {(x.label, key_of[x.head], key_of[x.tail]) for x in source.annotations.links}
    for keys in _ways(source, other):
        if _keyed(other.annotations.links, keys) == wanted:
            return Pair(markup.text, encode(other.text, other.annotations.mentions, keys).text)
    return None


def _ways(source: Segment, other: Segment) -> Iterable[dict[str, str]]:
    """Ways to assign the keys of one segment to the mentions of another with the same labels."""
    markers = encode(source.text, source.annotations.mentions).markers
    ids = [mention.id for mention in other.annotations.mentions]
    labels = [mention.label for mention in other.annotations.mentions]
    for number, order in enumerate(permutations(markers)):
        if number == _MAX_WAYS:
            return
        if [marker.label for marker in order] == labels:
            yield {id_: marker.key for id_, marker in zip(ids, order, strict=True)}


def _keyed(links: Iterable[Link], keys: dict[str, str]) -> set[tuple[str, str, str]]:
    return {(link.label, keys[link.head], keys[link.tail]) for link in links}


@registry.llm_misc("clinical_ie.TrainingPairs.v1")
def make_training_pairs(
    path: str | Path,
    size: int = 4,
    seed: int = 0,
    max_words: int = 30,
    min_mentions: int = 3,
    max_mentions: int = 6,
) -> Callable[[], Iterable[Any]]:
    """A reader of few-shot examples, taken from the training split only.

    path (str | Path): The training notes (`.spacy`).
    size, seed (int, int): How many pairs, and the seed that draws them.
    max_words, min_mentions, max_mentions (int, int, int): Limits for the segments.
    """
    return TrainingPairs(Path(path), size, seed, max_words, (min_mentions, max_mentions))
