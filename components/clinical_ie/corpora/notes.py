"""From brat notes to Docs, and back."""

from functools import cache

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..brat import Event, Note, Problem, Relation, Standoff, TextBound
from ..brat.files import covered_text
from ..doc import Annotations, Link, Mention, annotate, annotations_of, unique_ids
from ..text.sentences import merge_inside_mentions


@cache
def corpus_nlp() -> Language:
    """The pipeline that corpora are tokenized with: tokenizer and sentence boundaries."""
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_sentences")
    # A note is one Doc however long: no component here needs memory beyond the text's.
    nlp.max_length = 10**9
    return nlp


def make_doc(nlp: Language, text: str, annotations: Annotations, note_id: str) -> Doc:
    """A tokenized, sentence-split and annotated Doc.

    RAISES (ValueError): A mention lies outside the text.
    """
    doc = nlp(text)
    lost = annotate(doc, annotations)
    if lost:
        raise ValueError(
            f"{note_id}: mention {lost[0].id} ends at {lost[0].end}, the text at {len(text)}"
        )
    merge_inside_mentions(doc)
    doc._.note_id = note_id
    return doc


def note_to_doc(nlp: Language, note: Note) -> tuple[Doc, list[Problem]]:
    """A Doc that holds a brat note whole: its annotations, and its `.ann` as read.

    RETURNS (tuple[Doc, list[Problem]]): The Doc, and what could not be taken over as it stands.
    """
    annotations, problems = note_to_annotations(note)
    doc = make_doc(nlp, note.text, annotations, note.name)
    doc._.standoff = note.standoff
    return doc, problems


def note_to_annotations(note: Note) -> tuple[Annotations, list[Problem]]:
    """Mentions and binary relations of a note; an event id stands for its trigger.

    RETURNS (tuple[Annotations, list[Problem]]): Problems name file, line and remedy. A relation
        whose argument is missing and a mention past the end of the text are left out; a text
        column that differs from the covered text is reported, and the offsets are believed.
    """
    file = f"{note.name}.ann"
    problems = list(note.problems)
    triggers = {event.id: event.trigger for event in note.standoff.records(Event)}
    bounds: list[TextBound] = []
    relations: list[tuple[int, Relation]] = []
    for number, line in enumerate(note.standoff.lines, start=1):
        record = line.record
        if isinstance(record, Relation):
            relations.append((number, record))
        if not isinstance(record, TextBound):
            continue
        end = max(end for _, end in record.fragments)
        if end > len(note.text):
            message = (
                f"{record.id} ends at {end}, the text has {len(note.text)} characters: left out"
            )
            problems.append(Problem(file, number, message))
            continue
        covered = covered_text(note.text, record.fragments)
        if covered != record.text.replace("\n", " "):
            message = (
                f"{record.id} says {record.text!r}, its offsets cover {covered!r}: offsets believed"
            )
            problems.append(Problem(file, number, message))
        bounds.append(record)
    ids = unique_ids(bound.id for bound in bounds)
    mentions = [
        Mention(id_, bound.label, bound.fragments) for id_, bound in zip(ids, bounds, strict=True)
    ]
    for mention, bound in zip(mentions, bounds, strict=True):
        if mention.id != bound.id:
            problems.append(Problem(file, 0, f"the id {bound.id} is used twice: now {mention.id}"))
    known = set(ids)
    links = []
    for number, relation in relations:
        head, tail = (_trigger(end, triggers) for end in relation.ends)
        missing = [end for end in (head, tail) if end not in known]
        if missing:
            message = f"{relation.id} names {missing[0]}, which is no mention here: left out"
            problems.append(Problem(file, number, message))
        else:
            links.append(Link(relation.label, head, tail))
    return Annotations(mentions, links), problems


def annotations_to_standoff(annotations: Annotations, text: str) -> Standoff:
    """An `.ann` made anew from annotations; mentions are numbered from T1 in the order given."""
    standoff = Standoff()
    new_id = {}
    for mention in annotations.mentions:
        covered = covered_text(text, mention.fragments)
        new_id[mention.id] = standoff.add_textbound(mention.label, mention.fragments, covered).id
    for link in annotations.links:
        standoff.add_relation(link.label, new_id[link.head], new_id[link.tail])
    return standoff


def doc_to_standoff(doc: Doc) -> Standoff:
    """The `.ann` of a Doc: the one it was read from, else one made from what is on the Doc."""
    standoff: Standoff = doc._.standoff
    return standoff if standoff.lines else annotations_to_standoff(annotations_of(doc), doc.text)


def _trigger(id_: str, triggers: dict[str, str]) -> str:
    """The text-bound id behind an event id; an id that is part of a circle stays as it is."""
    seen = set()
    while id_ in triggers and id_ not in seen:
        seen.add(id_)
        id_ = triggers[id_]
    return id_
