"""Several trained pipelines as one, by the mean of their scores.

Models that learned from the same notes err in different places. Each encoder keeps its own heads;
the scores of tags, and of relations, are averaged before anything is decided. The result is a
pipeline like any other, as slow as all of them together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Model

from .encoder.ensemble import ARCHITECTURE, ENCODER, is_ensemble
from .heads.components import MENTION_COMPONENT, RELATION_COMPONENT
from .heads.ensemble import MeanOfHeads
from .heads.pipe import LearnedLabelsPipe
from .torch_shim import LazyTorchShim

_KINDS = [ENCODER, MENTION_COMPONENT, RELATION_COMPONENT]


@dataclass(frozen=True, slots=True)
class _Member:
    """A pipeline, and what it is called in messages."""

    name: str
    nlp: Language

    @property
    def factories(self) -> list[str]:
        return [self.nlp.get_pipe_meta(name).factory for name in self.nlp.pipe_names]

    def pipe(self, factory: str) -> Any:
        return self.nlp.get_pipe(self.nlp.pipe_names[self.factories.index(factory)])

    def settings(self, factory: str) -> Any:
        """The section of a component in the config."""
        name = self.nlp.pipe_names[self.factories.index(factory)]
        return self.nlp.config.interpolate()["components"][name]

    @property
    def width(self) -> int:
        """Of its encoder's vectors."""
        return int(self.pipe(ENCODER).model.get_dim("nO"))


def join(pipelines: dict[str, Language]) -> Language:
    """Join pipelines that were trained with the same labels.

    Bias, thresholds and calibration are those of an untrained pipeline, to be chosen on dev.

    pipelines (dict[str, Language]): By name, as messages name them. They are not changed.
    RAISES (ValueError): There are fewer than two, one has other components than an encoder and its
        two heads, or they differ in what has to be the same.
    """
    members = [_Member(name, nlp) for name, nlp in pipelines.items()]
    if len(members) < 2:
        raise ValueError("an ensemble has two members or more")
    for member in members:
        _check(member)
    first = members[0]
    for what, value_of in _SAME.items():
        for member in members[1:]:
            if (own := value_of(member)) != (wanted := value_of(first)):
                raise ValueError(
                    f"{member.name} cannot join {first.name}: {what} must be the same, but "
                    f"{_difference(wanted, own)}"
                )
    nlp = load_model_from_config(_config(members), auto_fill=True)
    tokenizer: Any = nlp.tokenizer
    tokenizer.from_bytes(cast(Any, first.nlp.tokenizer).to_bytes())
    joined = _Member("all together", nlp)
    encoders: Model = joined.pipe(ENCODER).model
    for layer, member in zip(encoders.layers, members, strict=True):
        layer.from_bytes(member.pipe(ENCODER).model.to_bytes())
    encoders.set_dim("nO", sum(member.width for member in members))
    for factory in joined.factories[1:]:
        _fill(joined.pipe(factory), [member.pipe(factory) for member in members])
    return nlp


def _check(member: _Member) -> None:
    if member.factories not in (_KINDS, _KINDS[:2]):
        raise ValueError(
            f"{member.name} cannot be a member: its components are "
            f"{', '.join(member.factories) or 'none'}; expected {', '.join(_KINDS)}, the last of "
            "which may be missing"
        )
    if is_ensemble(member.nlp.config):
        raise ValueError(f"{member.name} is an ensemble itself: name its members in its place")
    for factory in member.factories[1:]:
        if "Listener" not in member.settings(factory)["model"]["tok2vec"]["@architectures"]:
            raise ValueError(
                f"{member.name} cannot be a member: its {factory} has an encoder of its own"
            )


def _of(factory: str, value_of: Callable[[_Member], Any]) -> Callable[[_Member], Any]:
    """The same function, which gives None for a pipeline without such a component."""
    return lambda member: value_of(member) if factory in member.factories else None


# What has to be the same: its name in messages, and how it is found.
_SAME: dict[str, Callable[[_Member], Any]] = {
    "the components": lambda m: m.factories,
    "nlp.lang": lambda m: m.nlp.lang,
    "nlp.tokenizer": lambda m: m.nlp.config["nlp"]["tokenizer"],
    "the labels of mentions": lambda m: list(m.pipe(MENTION_COMPONENT).labels),
    "overlapping": lambda m: m.pipe(MENTION_COMPONENT).overlapping,
    "clinical_ner.model.hidden": lambda m: m.settings(MENTION_COMPONENT)["model"]["hidden"],
    "the labels of relations": _of(
        RELATION_COMPONENT, lambda m: list(m.pipe(RELATION_COMPONENT).labels)
    ),
    "the types of mentions beside relations": _of(
        RELATION_COMPONENT, lambda m: m.pipe(RELATION_COMPONENT).model.attrs["types"]
    ),
    "max_distance": _of(RELATION_COMPONENT, lambda m: m.pipe(RELATION_COMPONENT).max_distance),
    "clinical_relations.model.hidden": _of(
        RELATION_COMPONENT, lambda m: m.settings(RELATION_COMPONENT)["model"]["hidden"]
    ),
}


def _difference(wanted: Any, own: Any) -> str:
    """How a value differs; of lists, what is not in both."""
    if isinstance(wanted, list) and isinstance(own, list) and set(wanted) != set(own):
        missing, more = sorted(set(wanted) - set(own)), sorted(set(own) - set(wanted))
        told = [f"lacks {', '.join(missing)}"] if missing else []
        told += [f"also has {', '.join(more)}"] if more else []
        return f"it {' and '.join(told)}"
    return f"it has {own!r}, not {wanted!r}"


def _config(members: Sequence[_Member]) -> Any:
    """The config of the first, with the encoders of all."""
    first = members[0]
    # Not interpolated, so that [paths] remains the only section with names of folders.
    config = first.nlp.config.copy()
    own = config["components"]
    components = {
        factory: own[name]
        for factory, name in zip(first.factories, first.nlp.pipe_names, strict=True)
    }
    components[ENCODER]["model"] = {
        "@architectures": ARCHITECTURE,
        "precision": None,
        "encoders": {str(at): _encoder_settings(member) for at, member in enumerate(members)},
    }
    widths = [member.width for member in members]
    for factory in first.factories[1:]:
        model = components[factory]["model"]
        model["parts"] = widths
        model["tok2vec"] |= {"width": sum(widths), "upstream": "*"}
    config["components"] = components
    config["nlp"]["pipeline"] = first.factories
    return config


def _encoder_settings(member: _Member) -> Any:
    settings = member.settings(ENCODER)["model"]
    # The weights are in the pipeline, and a path would only tell whose folder they came from.
    return settings | {"name": Path(settings["name"]).name} if "name" in settings else settings


def _fill(joined: LearnedLabelsPipe, heads: Sequence[LearnedLabelsPipe]) -> None:
    """Fill a component with the labels and the weights of those of the members."""
    first = heads[0]
    joined.cfg["labels"] = list(first.labels)
    if "type_pairs" in first.cfg:
        pairs = {tuple(pair) for head in heads for pair in head.cfg["type_pairs"]}
        # A share of the training notes, of which each member may have had its own.
        ceilings = {head.cfg["candidate_ceiling"] for head in heads}
        joined.cfg["type_pairs"] = sorted(map(list, pairs))
        joined.cfg["candidate_ceiling"] = ceilings.pop() if len(ceilings) == 1 else None
        joined.model.attrs["types"] = list(first.model.attrs["types"])
    joined.model.set_dim("nO", first.model.get_dim("nO"), force=True)
    shim, *shims = (cast(LazyTorchShim, head.model.shims[0]) for head in (joined, *heads))
    shim.build(**{**shims[0].sizes, "n_in": joined.model.get_ref("tok2vec").get_dim("nO")})
    for part, trained in zip(cast(MeanOfHeads, shim._model).heads, shims, strict=True):
        part.load_state_dict(trained._model.state_dict())
