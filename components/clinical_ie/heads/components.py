"""The heads among the components of a pipeline, and what comes after them."""

from collections.abc import Collection

from spacy.language import Language

from .pipe import LearnedLabelsPipe

MENTION_COMPONENT = "clinical_ner"
RELATION_COMPONENT = "clinical_relations"


def calibrated_pipes(nlp: Language) -> dict[str, LearnedLabelsPipe]:
    """The components whose scores can be calibrated, by task: the last of each kind."""
    return {
        task: pipe
        for task, factory in (("entities", MENTION_COMPONENT), ("relations", RELATION_COMPONENT))
        for name in names_of(nlp, {factory})
        if isinstance(pipe := nlp.get_pipe(name), LearnedLabelsPipe)
    }


def finders(nlp: Language) -> list[str]:
    """The names of the components that write mentions."""
    return [name for name in nlp.pipe_names if writes_mentions(nlp, name)]


def writes_mentions(nlp: Language, name: str) -> bool:
    """Whether a component writes mentions, enabled or not."""
    return bool({"doc.spans", "doc.ents"} & set(nlp.get_pipe_meta(name).assigns))


def names_of(nlp: Language, factories: Collection[str]) -> list[str]:
    """The names of the components made by any of these factories, in pipeline order."""
    return [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in factories]


def names_after(nlp: Language, factories: Collection[str]) -> list[str]:
    """The components after the last one made by any of these factories. They may change the Docs
    that it read, as `merge_entities` does, or take its vectors away, as `doc_cleaner` does."""
    made = names_of(nlp, factories)
    return nlp.pipe_names[nlp.pipe_names.index(made[-1]) + 1 :] if made else []
