"""A note of more than a million characters, which spaCy refuses by default."""

import pytest
import spacy

from clinical_ie.annotate import load_pipeline
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.reader import NotesReader
from clinical_ie.text.limit import LONGEST_TEXT, lift_length_limit

LONG = "pain. " * 170_000


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
def test_a_pipeline_with_one_of_the_heads_reads_it(head):
    nlp = spacy.blank("en")
    nlp.add_pipe(head)
    assert nlp.make_doc(LONG).text == LONG


def test_any_pipeline_that_is_loaded_to_annotate_reads_it(tmp_path):
    spacy.blank("en").to_disk(tmp_path)
    assert load_pipeline(str(tmp_path)).make_doc(LONG).text == LONG


def test_it_is_trained_on(tmp_path):
    nlp = spacy.blank("en")
    write_docs([nlp.tokenizer(LONG)], tmp_path / "long.spacy")
    [example] = NotesReader(tmp_path / "long.spacy")(spacy.blank("en"))
    assert example.predicted.text == LONG


def test_a_higher_limit_stays():
    nlp = spacy.blank("en")
    nlp.max_length = 2 * LONGEST_TEXT
    lift_length_limit(nlp)
    assert nlp.max_length == 2 * LONGEST_TEXT
