"""Checks of the pipeline around `clinical_relations`, before it is trained."""

import logging

from spacy.language import Language

from ..heads.components import writes_mentions

logger = logging.getLogger(__name__)

# Settings of spaCy's corpus reader that leave relations out.
_LOSSY_SETTINGS = ("max_length", "gold_preproc", "augmenter")


def check_readers(name: str, nlp: Language) -> None:
    """Check that no corpus of the config is read without its relations, which spaCy does silently.

    RAISES (ValueError): One is.
    """
    for corpus, reader in nlp.config.interpolate()["corpora"].items():
        # One reader may be for all corpora, with its settings in their place.
        if not isinstance(reader, dict) or reader.get("@readers") != "spacy.Corpus.v1":
            continue
        lossy = [setting for setting in _LOSSY_SETTINGS if reader.get(setting)]
        if lossy:
            raise ValueError(
                f"{name}: with {' and '.join(lossy)} in [corpora.{corpus}], spaCy's reader leaves "
                'out relations; leave that out, or use @readers = "clinical_ie.Notes.v1"'
            )


def check_order(name: str, nlp: Language) -> None:
    """Warn if mentions are only found after their relations, or not at all."""
    # Those that are frozen or go on from a trained pipeline are disabled meanwhile.
    names = nlp.component_names
    makers = [each for each in names if writes_mentions(nlp, each)]
    if not makers:
        logger.warning(
            "%s: no component of the pipeline finds mentions: it is scored on the gold ones in "
            "training, and relates those that a Doc already has",
            name,
        )
    later = names[names.index(name) :] if name in names else []
    if makers and makers[0] in later:
        logger.warning(
            "%s comes before %s in nlp.pipeline, and relates only mentions that are on a Doc "
            "already: put it after, if it is to relate what %s finds",
            name,
            makers[0],
            makers[0],
        )
