"""Training that starts from a trained pipeline: on other notes, or with other labels."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.initialize import init_nlp
from spacy.util import dot_to_object, resolve_dot_names
from thinc.api import Config

from ..annotate import load_pipeline
from ..corpora.docbin import read_docs
from ..doc import annotations_of
from ..encoder.ensemble import ENCODER, is_ensemble
from ..heads.components import MENTION_COMPONENT, RELATION_COMPONENT, names_of
from ..relations.component import ClinicalRelations
from ..system.workplace import workplace
from ..terminal.printable import printable

logger = logging.getLogger(__name__)

# Unknown labels that a warning names.
_NAMED = 5
# How a component learns: by the config, also if the component is that of the trained pipeline.
_LEARNING = {
    ENCODER: (
        *("model.learn_rate_scale", "model.layer_decay", "model.mask_share"),
        *("model.mixed_precision", "model.freeze_embeddings", "model.batch_pieces"),
    ),
    RELATION_COMPONENT: ("predicted_share",),
}
# What a component is: by the trained pipeline.
_NATURE = {
    ENCODER: ("model.width", "model.window", "model.context", "model.lstm_depth"),
    MENTION_COMPONENT: ("model.hidden", "overlapping"),
    RELATION_COMPONENT: ("model.hidden", "max_distance"),
}
# Begins the name of a folder in that of the run.
PLACE = "start"


def started_from(
    config: Config, pipeline: str, notes: Iterable[Path]
) -> tuple[Config, dict[str, Any]]:
    """Replace components of a config by those of a trained pipeline.

    Its encoder with the BiLSTM goes on learning. So does a head that knows all labels of the notes;
    one that does not is trained from the beginning, and a warning says why. Another warning names
    settings of the config that have no effect, since they are those of the pipeline.
    config (Config): Sections other than the components stay as they are.
    pipeline (str): A folder or an installed package.
    notes (Iterable[Path]): The training notes, .spacy.
    RETURNS (tuple[Config, dict[str, Any]]): The new config; and the settings by which its
        components are to learn, where they are not those of the pipeline, by dotted name.
    RAISES (OSError, ValueError): A file cannot be read, or there is no encoder to share, or
        several.
    """
    trained = load_pipeline(pipeline)
    for whose, names in ((pipeline, trained.pipe_names), ("the config", config["components"])):
        if ENCODER not in names:
            raise ValueError(
                f"to start from {pipeline}, both it and the config need a component {ENCODER}: "
                f"{whose} has {', '.join(names) or 'none'}"
            )
    if is_ensemble(trained.config):
        raise ValueError(f"{pipeline} is an ensemble: start from one of its members")
    docs = [doc for path in notes for doc in read_docs(path)]
    started = config.copy()
    started["components"][ENCODER] = trained.config.interpolate()["components"][ENCODER]
    # The settings of heads refer to those of the encoder.
    components = started.interpolate()["components"]
    components[ENCODER] = {"source": pipeline}
    for name, find in ((MENTION_COMPONENT, _new_mentions), (RELATION_COMPONENT, _new_relations)):
        if name in components and name in trained.pipe_names:
            new = find(trained.get_pipe(name), docs)
            if new:
                _tell(name, pipeline, new)
            else:
                components[name] = {"source": pipeline}
    wanted = config.interpolate()["components"]
    own = trained.config.interpolate()["components"]
    kept = [name for name, settings in components.items() if settings.get("source") == pipeline]
    _tell_without_effect(pipeline, {name: _differing(name, wanted, own, _NATURE) for name in kept})
    learning = {
        f"components.{name}.{setting}": value
        for name in kept
        for setting, (value, _) in _differing(name, wanted, own, _LEARNING).items()
    }
    started["components"] = components
    return started, learning


def initialized_from(
    config: Config, pipeline: str, learning: dict[str, Any], folder: Path, use_gpu: int = -1
) -> Language:
    """Make the pipeline, as spaCy's `init_nlp` does, of what `started_from` returns.

    A relation head that goes on learning keeps what it was told of earlier notes; its share of
    candidates is that of these notes.
    pipeline (str): The one that was given to `started_from`.
    folder (Path): For a copy of the trained pipeline with other settings, until the end of this.
    """
    with workplace(folder, PLACE) as place:
        if learning:
            config = config.copy()
            # spaCy takes components from a pipeline as they are there.
            for settings in config["components"].values():
                if settings.get("source") == pipeline:
                    settings["source"] = str(place)
            spacy.load(pipeline, config=learning).to_disk(place)
        nlp = init_nlp(config, use_gpu=use_gpu)
    settings = nlp.config.interpolate()
    [notes] = resolve_dot_names(settings, [settings["training"]["train_corpus"]])
    for name in names_of(nlp, {RELATION_COMPONENT}):
        cast(ClinicalRelations, nlp.get_pipe(name)).measure_reach(notes(nlp))
    return nlp


def _differing(
    component: str,
    wanted: dict[str, Any],
    own: dict[str, Any],
    settings: Mapping[str, Sequence[str]],
) -> dict[str, tuple[Any, Any]]:
    """The settings of a component that are one thing here and another there, with both values."""
    found = {}
    for setting in settings.get(component, ()):
        try:
            here, there = (dot_to_object(side[component], setting) for side in (wanted, own))
        except KeyError:
            # Another architecture, or an earlier version.
            continue
        if here != there:
            found[setting] = here, there
    return found


def _tell_without_effect(
    pipeline: str, differing: Mapping[str, Mapping[str, tuple[Any, Any]]]
) -> None:
    told = [
        f"{name}.{setting} = {wanted} (there: {own})"
        for name, settings in differing.items()
        for setting, (wanted, own) in settings.items()
    ]
    if told:
        logger.warning(
            "of the config, these have no effect, since they are those of %s: %s",
            pipeline,
            ", ".join(told),
        )


def _new_mentions(head: Any, docs: Iterable[Doc]) -> list[str]:
    """Types of mentions that the head does not know."""
    return sorted({m.label for doc in docs for m in annotations_of(doc).mentions} - {*head.labels})


def _new_relations(head: Any, docs: Iterable[Doc]) -> list[str]:
    """Relations that the head would not find, by their label or their mentions' types."""
    found = set()
    for annotations in map(annotations_of, docs):
        type_of = {mention.id: mention.label for mention in annotations.mentions}
        found |= {
            (link.label, type_of[link.head], type_of[link.tail]) for link in annotations.links
        }
    known = {(label, *pair) for label in head.labels for pair in head.cfg["type_pairs"]}
    return [f"{label} ({head}, {tail})" for label, head, tail in sorted(found - known)]


def _tell(name: str, pipeline: str, new: Sequence[str]) -> None:
    more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
    logger.warning(
        "%s: trained from the beginning, on the encoder of %s, where it does not know %s%s",
        name,
        pipeline,
        ", ".join(map(printable, new[:_NAMED])),
        more,
    )
