"""What both heads have in common."""

from pathlib import Path

import pytest
import spacy

TEXTS = [
    "He took aspirin 81 mg daily for chest pain.",
    "Started on metformin 500 mg for diabetes.",
    "Lisinopril was stopped because of cough.",
]


@pytest.mark.parametrize("head", ["clinical_ner", "clinical_relations"])
def test_of_a_batch_only_the_docs_are_lost_on_which_a_head_fails(learned: Path, head: str):
    nlp = spacy.load(learned)
    expected = [nlp(text) for text in TEXTS]
    pipe = nlp.get_pipe(head)
    predict = pipe.predict

    def fail(docs):
        if any("metformin" in doc.text for doc in docs):
            raise ValueError("metformin is too much")
        return predict(docs)

    pipe.predict = fail
    with pytest.raises(ValueError, match="metformin is too much"):
        list(nlp.pipe(TEXTS))
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, error: failed.append((name, docs, error)))
    found = list(nlp.pipe(TEXTS))
    [(name, [doc], error)] = failed
    assert (name, doc.text, str(error)) == (head, TEXTS[1], "metformin is too much")
    for doc, own in zip(found, expected[::2], strict=True):
        assert doc.text == own.text
        assert [str(span) for span in doc.spans["entities"]] == [
            str(span) for span in own.spans["entities"]
        ]
        assert [str(relation) for relation in doc._.relations] == [
            str(relation) for relation in own._.relations
        ]
