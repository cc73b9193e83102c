"""Removes the words of the training notes from the strings of a saved pipeline."""

import json
import logging
from pathlib import Path

from spacy.util import load_config

from ..system.workplace import write_whole

logger = logging.getLogger(__name__)

# Factories of components that need only the strings of their labels, which they add themselves or
# which are kept here; all others may look up strings that came from notes.
_LABELS_ALONE = frozenset(
    {
        *("tok2vec", "transformer", "ner", "spancat", "spancat_singlelabel", "span_finder"),
        *("senter", "sentencizer", "textcat", "textcat_multilabel", "tagger"),
        *("clinical_ner", "clinical_relations", "clinical_sentences"),
        *("merge_entities", "merge_subtokens", "doc_cleaner"),
    }
)
# An empty map in msgpack: no word has a vector.
_NO_KEYS = b"\x80"


def forget_words(pipeline: Path, copy: Path | None = None, *, tell: bool = True) -> bool:
    """Remove the words of notes from a saved pipeline's `vocab/strings.json`.

    spaCy saves every string that a pipeline has seen, so that all words of the training and dev
    notes, including names and numbers of patients, would go wherever the pipeline goes. To read
    notes, it needs only its labels: the tokenizer adds its own strings when it is loaded.

    pipeline (Path): A folder that `Language.to_disk` made.
    copy (Path | None): A copy of the pipeline, to be changed instead.
    tell (bool): Whether to warn if the words are kept.
    RETURNS (bool): Whether the words were removed. Nothing is changed if a component may need
        them, or if words have vectors.
    RAISES (OSError): A file is missing, or cannot be written.
    RAISES (ValueError): The config or meta.json is not a pipeline's.
    """
    try:
        config = load_config(pipeline / "config.cfg")
        factories = {
            name: config["components"][name].get("factory") for name in config["nlp"]["pipeline"]
        }
        meta = json.loads((pipeline / "meta.json").read_text(encoding="utf8"))
        labels = sorted({label for found in meta["labels"].values() for label in found})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{pipeline}: not a pipeline saved by spaCy ({error!r})") from error
    needs = [name for name, factory in factories.items() if factory not in _LABELS_ALONE]
    if (pipeline / "vocab" / "key2row").read_bytes() != _NO_KEYS:
        needs.append("the vectors of words")
    if needs:
        if tell:
            logger.warning(
                "%s: vocab/strings.json keeps each word of the notes it was trained on, which %s "
                "may need: look through it before the pipeline leaves this machine",
                pipeline.name,
                ", ".join(needs),
            )
        return False
    write_whole((copy or pipeline) / "vocab" / "strings.json", json.dumps(labels, indent=1) + "\n")
    return True
