"""What a trained pipeline, the teacher, thought of a note, kept on its Doc for a smaller one.

Annotations say what the teacher decided. Its probabilities say, too, how sure it was, and what else
it took into account. After Hinton, Vinyals and Dean (2015).
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..doc import Link, annotations_of

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
# Less probable tags and relations are left out: nearly all are.
NEGLIGIBLE = 0.001
# In the form of spaCy's own extension keys; see `doc.KEYS`.
_KEY: Any = ("._.", "clinical_ie.taught", None, None)


@dataclass(frozen=True, slots=True)
class Taught:
    """A teacher's probabilities, as they are kept.

    n_tokens (int): Of the note.
    labels (list[str]): The teacher's types of mentions.
    competing, alone (tuple[bytes, bytes]): The probability of each tag where labels exclude each
        other, and where each is by itself.
    links (list[Link]): Relations between the Doc's mentions, with their probability, if both
        mentions are right.
    """

    n_tokens: int
    labels: list[str]
    competing: tuple[bytes, bytes]
    alone: tuple[bytes, bytes]
    links: list[Link]

    def tags(self, labels: Sequence[str], competing: bool) -> Floats:
        """The probability of each tag of a head's own labels, shape (n_tokens, n_labels, 4)."""
        given = np.zeros((self.n_tokens, len(self.labels), 4), dtype=np.float32)
        places, values = self.competing if competing else self.alone
        given.reshape(-1)[np.frombuffer(places, "<u4")] = np.frombuffer(values, "<f2")
        if list(labels) == self.labels:
            return given
        # A label that the teacher does not know is nowhere.
        tags = np.zeros((self.n_tokens, len(labels), 4), dtype=np.float32)
        own = {label: at for at, label in enumerate(labels)}
        for at, label in enumerate(self.labels):
            if label in own:
                tags[:, own[label]] = given[:, at]
        return tags

    @classmethod
    def of(cls, doc: Doc) -> "Taught | None":
        """What is kept on a Doc; None if there is nothing, or if its annotations were edited since:
        whoever did that knows better than the teacher."""
        kept = doc.user_data.get(_KEY)
        if kept is None:
            return None
        # Files of earlier versions do not tell what the annotations were.
        if kept.get("annotated") not in {None, _annotated(doc)}:
            _tell_edited(doc._.note_id)
            return None
        links = [Link(*values) for values in kept["links"]]
        return cls(len(doc), list(kept["labels"]), kept["competing"], kept["alone"], links)


def keep_taught(
    doc: Doc, labels: Sequence[str], competing: Floats, alone: Floats, links: Sequence[Link]
) -> None:
    """Keep a teacher's probabilities on a Doc, from where they go into `.spacy` files.

    The arguments are as in `Taught`, the probabilities of tags of shape (n_tokens, n_labels, 4).
    """
    doc.user_data[_KEY] = {
        "labels": list(labels),
        "competing": _packed(competing),
        "alone": _packed(alone),
        "links": [tuple(link) for link in links],
        "annotated": _annotated(doc),
    }


def _annotated(doc: Doc) -> str:
    """A hash of the mentions and relations of a Doc, whatever their order, ids and scores."""
    found = annotations_of(doc)
    mentions = {mention.id: (mention.label, mention.fragments) for mention in found.mentions}
    links = sorted((link.label, mentions[link.head], mentions[link.tail]) for link in found.links)
    return hashlib.sha256(repr((sorted(mentions.values()), links)).encode()).hexdigest()


@cache
def _tell_edited(note_id: str) -> None:
    logger.warning(
        "%r was edited after its teacher annotated it: learned from its annotations alone", note_id
    )


def _packed(probabilities: Floats) -> tuple[bytes, bytes]:
    """The places of all that are not negligible, and their values."""
    flat = probabilities.reshape(-1)
    places = np.flatnonzero(flat >= NEGLIGIBLE)
    return places.astype("<u4").tobytes(), flat[places].astype("<f2").tobytes()
