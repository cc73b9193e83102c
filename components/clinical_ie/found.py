"""What a pipeline found in a text."""

import logging
from functools import cache

from spacy.tokens import Doc

from .doc import SPANS_KEY, Annotations, annotations_of, scored_mentions

logger = logging.getLogger(__name__)


def found_in(doc: Doc) -> Annotations:
    """The mentions and relations of a Doc that has been through a pipeline.

    Logs a warning for mentions that a component wrote to `doc.ents` alone, once for each label:
    the mentions of a Doc are in `doc.spans["entities"]`, if it has that group.
    """
    if SPANS_KEY in doc.spans:
        _tell_others(doc)
    return annotations_of(doc)


def _tell_others(doc: Doc) -> None:
    borders: dict[str, set[tuple[int, int]]] = {}
    for span in scored_mentions(doc)[0]:
        borders.setdefault(span.label_, set()).add((span.start, span.end))
    for ent in doc.ents:
        known = borders.get(ent.label_, set())
        if (ent.start, ent.end) in known:
            continue
        # In `doc.ents`, a mention has no white space at its ends.
        if not any(first <= ent.start and ent.end <= after for first, after in known):
            _tell(ent.label_)


@cache
def _tell(label: str) -> None:
    logger.warning(
        "a component of the pipeline writes %r to doc.ents alone: these mentions are in no output, "
        'score or relation; have it write to doc.spans["entities"] (an entity_ruler: as span_ruler '
        "before clinical_relations, with the settings that the README has for it)",
        label,
    )
