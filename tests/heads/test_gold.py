from collections.abc import Callable, Iterable, Iterator

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from tests.conftest import examples


@pytest.mark.parametrize("name", ["clinical_ner", "clinical_relations"])
def test_a_corpus_is_read_once_by_each_head(notes: list[Doc], name: str) -> None:
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name)
    reads = []

    def read() -> Iterator[Example]:
        reads.append(name)
        yield from examples(nlp, notes)

    pipe.initialize(read, nlp=nlp)
    assert reads == [name]


@pytest.mark.parametrize("name", ["clinical_ner", "clinical_relations"])
@pytest.mark.parametrize("given", [None, lambda: [], lambda: ["a note"]])
def test_what_gives_no_examples_is_said(
    name: str, given: Callable[[], Iterable[Example]] | None
) -> None:
    pipe = spacy.blank("en").add_pipe(name)
    with pytest.raises(TypeError, match="initialize"):
        pipe.initialize(given)


@pytest.mark.parametrize("name", ["clinical_ner", "clinical_relations"])
def test_an_update_before_initialize_is_said(notes: list[Doc], name: str) -> None:
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name)
    with pytest.raises(ValueError, match=rf"\[E109\].*{name}"):
        pipe.update(examples(nlp, notes))
