"""What a pipeline found in a text."""

import logging
from functools import cache

from spacy.tokens import Doc

from .doc import SPANS_KEY, Annotations, annotations_of

logger = logging.getLogger(__name__)


def found_in(doc: Doc) -> Annotations:
    """The mentions and relations of a Doc that has been through a pipeline.

    Logs a warning for mentions that a component wrote to `doc.ents` alone, once for each label:
    the mentions of a Doc are in `doc.spans["entities"]`, if it has that group.
    """
    found = annotations_of(doc)
    if SPANS_KEY in doc.spans:
        _tell_others(doc, found)
    return found


def _tell_others(doc: Doc, found: Annotations) -> None:
    # A mention in `doc.ents` covers whole tokens, and no white space at its ends.
    borders: dict[str, list[tuple[int, int]]] = {}
    for mention in found.mentions:
        borders.setdefault(mention.label, []).append((mention.start, mention.end))
    known = {label: set(each) for label, each in borders.items()}
    for ent in doc.ents:
        label, start, end = ent.label_, ent.start_char, ent.end_char
        if (start, end) in known.get(label, ()):
            continue
        if not any(first < end and start < last for first, last in borders.get(label, ())):
            _tell(label)


@cache
def _tell(label: str) -> None:
    logger.warning(
        "a component of the pipeline writes %r to doc.ents alone: these mentions are in no output, "
        'score or relation; have it write to doc.spans["entities"] (an entity_ruler: as span_ruler '
        'with spans_key = "entities", overwrite = false and annotate_ents = true, before '
        "clinical_relations)",
        label,
    )
