"""What the reference of an example says, in offsets of its predicted Doc."""

from bisect import bisect_left
from itertools import compress, count

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from .doc import SPANS_KEY, Annotations, Mention, annotations_of
from .text.columns import text_of


def is_annotated(reference: Doc) -> bool:
    """Whether somebody looked for mentions in it, and be it without finding any.

    The reference of an example that is for another component (`{"cats": …}`) says nothing of
    mentions. This project's readers set the span group of every note.
    """
    return SPANS_KEY in reference.spans or reference.has_annotation("ENT_IOB")


def same_tokens(doc: Doc, other: Doc) -> bool:
    """Whether two Docs have the same text and tokens."""
    return np.array_equal(doc.to_array(["ORTH", "SPACY"]), other.to_array(["ORTH", "SPACY"]))


def gold_annotations(example: Example) -> Annotations:
    """The reference's annotations, with offsets in the text of the predicted Doc.

    As everywhere in spaCy, the two texts may differ in white space and capitals: a reference made
    from words alone has a blank between any two.
    RAISES (ValueError): The texts differ otherwise.
    """
    annotations = annotations_of(example.reference)
    if not annotations.mentions or same_tokens(example.predicted, example.reference):
        return annotations
    source, target = text_of(example.reference), text_of(example.predicted)
    return annotations if source == target else _moved(annotations, source, target)


def _moved(annotations: Annotations, source: str, target: str) -> Annotations:
    places, others = (
        list(compress(count(), (not sign.isspace() for sign in text))) for text in (source, target)
    )
    if [source[at].lower() for at in places] != [target[at].lower() for at in others]:
        raise ValueError(
            "the texts of predicted and reference differ, and not only in white space and "
            "capitals, so the reference's offsets mean nothing in the predicted Doc; expected "
            "both Docs made from one text"
        )

    def move(mention: Mention) -> Mention:
        words = [
            (bisect_left(places, start), bisect_left(places, end))
            for start, end in mention.fragments
        ]
        # A piece of nothing but white space may have no counterpart.
        pieces = tuple((others[a], others[b - 1] + 1) for a, b in words if a < b)
        return mention._replace(fragments=pieces)

    moved = [move(mention) for mention in annotations.mentions]
    kept = [mention for mention in moved if mention.fragments]
    ids = {mention.id for mention in kept}
    links = [link for link in annotations.links if link.head in ids and link.tail in ids]
    return Annotations(kept, links)
