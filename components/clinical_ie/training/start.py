"""Training that starts from a trained pipeline: on other notes, or with other labels."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.initialize import init_nlp
from spacy.util import resolve_dot_names
from thinc.api import Config

from ..annotate import load_pipeline
from ..corpora.docbin import read_docs
from ..doc import annotations_of
from ..encoder.ensemble import ENCODER, is_ensemble
from ..relations.component import ClinicalRelations
from ..scoring.evaluation import MENTION_COMPONENT, RELATION_COMPONENT, names_of

logger = logging.getLogger(__name__)

# Unknown labels that a warning names.
_NAMED = 5


def started_from(config: Config, pipeline: str, notes: Iterable[Path]) -> Config:
    """Replace components of a config by those of a trained pipeline.

    Its encoder with the BiLSTM goes on learning. So does a head that knows all labels of the notes;
    one that does not is trained from the beginning, and a warning says why.
    config (Config): Sections other than the components stay as they are.
    pipeline (str): A folder or an installed package.
    notes (Iterable[Path]): The training notes, .spacy.
    RAISES (OSError, ValueError): A file cannot be read, or there is no encoder to share, or
        several.
    """
    trained = load_pipeline(pipeline)
    for whose, names in ((pipeline, trained.pipe_names), ("the config", config["components"])):
        if ENCODER not in names:
            raise ValueError(
                f"to start from {pipeline}, both it and the config need a component {ENCODER}: "
                f"{whose} has {', '.join(names)}"
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
    started["components"] = components
    return started


def initialized_from(config: Config, use_gpu: int = -1) -> Language:
    """Make the pipeline, as spaCy's `init_nlp` does, of a config from `started_from`.

    A relation head that goes on learning keeps what it was told of earlier notes; its share of
    candidates is that of these notes.
    """
    nlp = init_nlp(config, use_gpu=use_gpu)
    settings = nlp.config.interpolate()
    [notes] = resolve_dot_names(settings, [settings["training"]["train_corpus"]])
    for name in names_of(nlp, {RELATION_COMPONENT}):
        cast(ClinicalRelations, nlp.get_pipe(name)).measure_reach(notes(nlp))
    return nlp


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
        ", ".join(new[:_NAMED]),
        more,
    )
