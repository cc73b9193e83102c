"""The strings of a saved pipeline, less the words of the notes that it was trained on."""

import json
import logging
from pathlib import Path

from spacy.util import load_config

from ..system.workplace import write_whole

logger = logging.getLogger(__name__)

# Factories of components that work with the strings of their labels alone, which they add
# themselves or are kept here; all others may look strings up that came from notes.
_LABELS_ALONE = frozenset(
    {
        *("tok2vec", "transformer", "ner", "spancat", "spancat_singlelabel", "span_finder"),
        *("senter", "sentencizer", "textcat", "textcat_multilabel", "tagger"),
        *("clinical_ner", "clinical_relations", "clinical_sentences"),
        *("merge_entities", "merge_subtokens", "doc_cleaner"),
    }
)
# A map without entries, in msgpack: no word has a vector.
_NO_KEYS = b"\x80"


def forget_words(pipeline: Path, copy: Path | None = None, *, tell: bool = True) -> bool:
    """Take the words of notes out of a saved pipeline's `vocab/strings.json`.

    spaCy saves every string that a pipeline has met, so that each word of the training and dev
    notes, names and numbers of patients among them, would go wherever the pipeline goes. To read,
    it needs its labels: what the tokenizer knows is added when it is loaded.

    pipeline (Path): A folder that `Language.to_disk` made.
    copy (Path | None): A copy of it, which is changed in its place.
    tell (bool): Whether to say so where it is not done.
    RETURNS (bool): Whether it was done. Where there is a component that may need the words, or
        where words have vectors, nothing is changed.
    RAISES (OSError): A file is missing, or cannot be written.
    RAISES (ValueError): The config or the meta.json is none of a pipeline's.
    """
    try:
        config = load_config(pipeline / "config.cfg")
        factories = {
            name: config["components"][name].get("factory") for name in config["nlp"]["pipeline"]
        }
        meta = json.loads((pipeline / "meta.json").read_text(encoding="utf8"))
        labels = sorted({label for found in meta["labels"].values() for label in found})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{pipeline}: no pipeline that spaCy saved ({error!r})") from error
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
