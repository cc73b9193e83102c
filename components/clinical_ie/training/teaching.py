"""Notes annotated by a trained pipeline, with its probabilities, for another to learn from."""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from ..annotate.notes import Failure, InputNote
from ..annotate.texts import run_each
from ..corpora.docbin import PackedDoc, pack
from ..doc import Link
from ..heads.components import MENTION_COMPONENT, RELATION_COMPONENT, names_after, names_of
from ..heads.taught import NEGLIGIBLE, keep_taught
from ..ner.component import ClinicalNER
from ..ner.tags import tag_probabilities
from ..relations.component import ClinicalRelations
from .taught_parts import Parts


class Teacher:
    """A trained pipeline whose probabilities are kept.

    nlp (Language): Has a `clinical_ner`; without a `clinical_relations`, no relations are taught.
    RAISES (ValueError): It has no `clinical_ner`.
    """

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp
        self._after = names_after(nlp, {MENTION_COMPONENT, RELATION_COMPONENT})
        mentions = names_of(nlp, {MENTION_COMPONENT})
        if not mentions:
            raise ValueError(
                f"the pipeline has no {MENTION_COMPONENT} to learn from; its components are "
                f"{', '.join(nlp.pipe_names) or 'none'}"
            )
        self._mentions = cast(ClinicalNER, nlp.get_pipe(mentions[-1]))
        self._relations = [
            cast(ClinicalRelations, nlp.get_pipe(name))
            for name in names_of(nlp, {RELATION_COMPONENT})
        ]

    def teach(self, notes: Sequence[InputNote]) -> list[PackedDoc | str]:
        """Each note annotated, with the probabilities, or why the pipeline failed on it."""
        texts = [note.text for note in notes]
        with self._nlp.select_pipes(disable=self._after):
            return run_each(self._nlp, texts, lambda doc, at: self._packed(doc, notes[at]))

    def _packed(self, doc: Doc, note: InputNote) -> PackedDoc:
        doc._.note_id, doc._.bom = note.name, note.bom
        if len(doc):
            self._mentions.require_vectors([doc])
            ops = self._mentions.model.ops
            scores = ops.to_numpy(self._mentions.model.predict([doc])[0])
            competing = tag_probabilities(scores, [len(doc)], competing=True)[1]
            # Its scores have no meaning for each label by itself if it never learned that.
            alone = (
                tag_probabilities(scores, [len(doc)], competing=False)[1]
                if self._mentions.overlapping
                else competing
            )
            keep_taught(doc, self._mentions.labels, competing, alone, self._links(doc))
        return pack(doc)

    def _links(self, doc: Doc) -> list[Link]:
        found = []
        for pipe in self._relations:
            [(candidates, probabilities)] = pipe.relate([doc])
            ids = [span.id_ for span in candidates.spans]
            for pair, label in np.argwhere(probabilities >= NEGLIGIBLE).tolist():
                ends = ids[candidates.heads[pair]], ids[candidates.tails[pair]]
                found.append(Link(pipe.labels[label], *ends, float(probabilities[pair, label])))
        return found


def teach_batch(
    teacher: Teacher, batch: Iterable[InputNote | Failure], parts: Parts
) -> list[Failure]:
    """Annotate some notes, and write them.

    RETURNS (list[Failure]): Those that could not be read or processed.
    """
    failures: list[Failure] = []
    notes: list[InputNote] = []
    for note in batch:
        if isinstance(note, Failure):
            failures.append(note)
        else:
            notes.append(note)
    good, docs = [], []
    for note, doc in zip(notes, teacher.teach(notes), strict=True):
        if isinstance(doc, str):
            failures.append(Failure(note.place, doc))
        else:
            good.append(note)
            docs.append(doc)
    if docs:
        parts.add(good, docs)
    return failures
