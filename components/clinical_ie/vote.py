"""The component `clinical_vote`: mentions by the vote of several pipelines.

Models that learned from the same notes err in different places: the vote of a few is better than
the best of them, but as slow as all together. It is meant to annotate notes from which a small,
fast pipeline then learns.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config_from_str, load_model_from_config, load_model_from_path, minibatch
from srsly import msgpack_dumps, msgpack_loads
from thinc.api import Model

from .doc import Annotations, Mention, annotate, annotations_of, first_new_number
from .encoder.reading import Precision
from .encoder.shim import EncoderShim
from .scoring.evaluation import MENTION_COMPONENT, RELATION_COMPONENT, VOTE_COMPONENT, names_of
from .scoring.scores import score

# Start, end and label of a mention.
Key = tuple[int, int, str]
Votes = Mapping[Key, float]
# A mention of another type stands beside one that it overlaps if at least this much of the vote is
# for it, for instance an ADE that is also a Reason.
BESIDE = 0.7
_THRESHOLDS = [step / 20 for step in range(1, 20)]
# For the vocabularies of members: what ends a memory zone frees what other threads made in it. Not
# one lock for each vote, since pipelines are pickled; and a member may be a vote itself.
_IN_ZONE = RLock()


@Language.factory(
    VOTE_COMPONENT,
    assigns=["doc.spans", "doc.ents"],
    requires=["doc.spans"],
    default_config={"threshold": 0.5, "own_weight": 1.0, "weights": []},
)
def make_clinical_vote(
    nlp: Language, name: str, threshold: float, own_weight: float, weights: list[float]
) -> "ClinicalVote":
    """Make the component; `members` are set afterwards, or read with the pipeline."""
    return ClinicalVote(name, threshold=threshold, own_weight=own_weight, weights=weights)


class ClinicalVote:
    """Replaces the mentions on a Doc by those that it and other pipelines agree on.

    The vote for a mention is the weighted mean of its scores, 0 from a pipeline that does not find
    it, and becomes its score. The pipeline's relations come later and connect what was elected.

    name (str): Name of the component in the pipeline.
    threshold (float): The least vote for a mention, between 0 and 1.
    own_weight (float): The weight of the mentions that are on the Doc.
    weights (Sequence[float]): The weights of the members.
    """

    def __init__(
        self, name: str, *, threshold: float, own_weight: float, weights: Sequence[float]
    ) -> None:
        self.name = name
        self.threshold = threshold
        self.weights = [own_weight, *weights]
        self.members: list[Language] = []

    def __call__(self, doc: Doc) -> Doc:
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 16) -> Iterator[Doc]:
        """Vote on the mentions of each Doc."""
        for batch in minibatch(stream, batch_size):
            docs = list(batch)
            for doc, found in zip(docs, self.found(docs), strict=True):
                votes = tally(found, self.weights)
                annotate(doc, elected(votes, self.threshold, first_new_number(doc)))
                yield doc

    def found(self, docs: Sequence[Doc]) -> list[tuple[Annotations, ...]]:
        """For each Doc, what is on it, then what each member finds in its text.

        RAISES (ValueError): There is not one member for each weight.
        """
        if len(self.members) != len(self.weights) - 1:
            raise ValueError(
                f"{self.name}: has {len(self.members)} members for {len(self.weights) - 1} "
                "weights; load it with the pipeline that it was saved in"
            )
        by_pipeline = [[annotations_of(doc) for doc in docs]]
        texts = [doc.text for doc in docs]
        for member in self.members:
            # Otherwise the member's vocabulary keeps each word of all notes.
            with _IN_ZONE, member.memory_zone():
                pipe = member.pipe(texts, batch_size=len(texts) or 1)
                by_pipeline.append([annotations_of(doc) for doc in pipe])
        return list(zip(*by_pipeline, strict=True))

    def read_with(self, precision: Precision) -> None:
        """Choose the precision with which the members' encoders read."""
        models = (getattr(pipe, "model", None) for nlp in self.members for _, pipe in nlp.pipeline)
        layers = (layer for model in models if isinstance(model, Model) for layer in model.walk())
        for shim in (shim for layer in layers for shim in layer.shims):
            if isinstance(shim, EncoderShim):
                shim.read_with(precision)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the members as pipelines, in folders by number."""
        Path(path).mkdir(exist_ok=True)
        for number, member in enumerate(self.members):
            member.to_disk(Path(path) / str(number))

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "ClinicalVote":
        """Load the members."""
        folders = (Path(path) / str(number) for number in range(len(self.weights) - 1))
        self.members = [load_model_from_path(folder) for folder in folders]
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The members with their configs."""
        parts: Any = [(member.config.to_str(), member.to_bytes()) for member in self.members]
        return msgpack_dumps(parts)

    def from_bytes(self, content: bytes, *, exclude: Iterable[str] = ()) -> "ClinicalVote":
        """Load the members."""
        parts: Any = msgpack_loads(content)
        self.members = [
            load_model_from_config(load_config_from_str(config)).from_bytes(member)
            for config, member in parts
        ]
        return self


def tally(found: Sequence[Annotations], weights: Sequence[float]) -> Votes:
    """The weighted mean of the scores of each mention in one note.

    found (Sequence[Annotations]): What each pipeline found.
    """
    votes: dict[Key, float] = defaultdict(float)
    for annotations, weight in zip(found, weights, strict=True):
        scores: dict[Key, float] = {}
        for mention in annotations.mentions:
            key = (mention.start, mention.end, mention.label)
            scores[key] = max(mention.score, scores.get(key, 0.0))
        for key, value in scores.items():
            votes[key] += weight * value / sum(weights)
    return votes


def elected(votes: Votes, threshold: float, first: int = 1) -> Annotations:
    """The mentions with the most votes; of those with the same label, no two overlap.

    first (int): The number in the first mention's id.
    """
    kept: list[tuple[Key, float]] = []
    # The labels of what is kept, by character.
    taken: dict[int, set[str]] = defaultdict(set)
    for key, share in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
        start, end, label = key
        met = set().union(*(taken[at] for at in range(start, end) if at in taken))
        if share >= threshold and (not met or (share >= BESIDE and label not in met)):
            kept.append((key, share))
            for at in range(start, end):
                taken[at].add(label)
    return Annotations([
        Mention(f"T{number}", label, ((start, end),), min(share, 1.0))
        for number, ((start, end, label), share) in enumerate(sorted(kept), start=first)
    ])  # fmt: skip


def add_vote(
    nlp: Language, members: Sequence[Language], weights: Sequence[float], threshold: float = 0.5
) -> ClinicalVote:
    """Add the component to a pipeline, behind the one that finds its mentions, or replace it.

    weights (Sequence[float]): That of the pipeline itself, then those of the members.
    RAISES (ValueError): The pipeline has no `clinical_ner`.
    """
    finders = names_of(nlp, {MENTION_COMPONENT})
    if not finders:
        raise ValueError(
            f"the first pipeline has no {MENTION_COMPONENT}, but {', '.join(nlp.pipe_names)}; "
            "put one first that was trained here"
        )
    for name in names_of(nlp, {VOTE_COMPONENT}):
        nlp.remove_pipe(name)
    config = {"threshold": threshold, "own_weight": weights[0], "weights": list(weights[1:])}
    vote: Any = nlp.add_pipe(VOTE_COMPONENT, after=finders[-1], config=config)
    for member in members:
        for name in names_of(member, {RELATION_COMPONENT}):
            # Relations come from the first pipeline.
            member.remove_pipe(name)
    vote.members = list(members)
    return vote


def best_threshold(
    votes: Mapping[str, Votes], gold: Mapping[str, Annotations], texts: Mapping[str, str]
) -> tuple[float, float]:
    """The threshold with the best strict F1 of mentions, the highest of equals, and that F1.

    votes, gold, texts (Mapping): By note.
    """
    found = {}
    for threshold in _THRESHOLDS:
        chosen = {name: elected(each, threshold) for name, each in votes.items()}
        found[threshold] = strict_f1(gold, chosen, texts)
    threshold = max(found, key=lambda threshold: (found[threshold], threshold))
    return threshold, found[threshold]


def strict_f1(
    gold: Mapping[str, Annotations], found: Mapping[str, Annotations], texts: Mapping[str, str]
) -> float:
    """Strict micro F1 of mentions, one-to-one, as `evaluate` gives it.

    gold, found, texts (Mapping): By note.
    """
    return score(gold, found, texts=texts)["entities"]["strict"]["micro"]["f1"]
