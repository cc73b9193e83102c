"""Gold annotations, projected onto the tokens of the predicted Doc."""

from collections.abc import Callable, Iterable

from spacy.tokens import Span
from spacy.training import Example, validate_get_examples

from ..doc import Annotations, spans_of
from ..references import gold_annotations


def all_examples(get_examples: Callable[[], Iterable[Example]], method: str) -> list[Example]:
    """The examples that a component is initialized with. Each call reads the whole corpus, so there
    is only one, and spaCy's validation gets a list.

    method (str): Name of the calling method, for the error message.
    RAISES (TypeError): `get_examples` is not a function, or gives no examples.
    """
    examples = list(get_examples()) if callable(get_examples) else []
    validate_get_examples((lambda: examples) if examples else get_examples, method)
    return examples


def gold_spans(example: Example) -> tuple[Annotations, list[Span]]:
    """The reference's annotations, and its mentions as spans of the predicted Doc.

    The two Docs may be tokenized differently; a token that is only partly in a mention counts as
    part of it.
    RETURNS (tuple[Annotations, list[Span]]): Annotations, and spans in the order of their mentions.
    RAISES (ValueError): The two Docs are of different texts, or a mention lies outside of its own.
    """
    annotations = gold_annotations(example)
    spans = []
    placed = spans_of(example.predicted, annotations.mentions)
    for mention, span in zip(annotations.mentions, placed, strict=True):
        if span is None:
            raise ValueError(
                f"mention {mention.id} ({mention.start}-{mention.end}) lies outside the text of "
                f"{len(example.predicted.text)} characters"
            )
        spans.append(span)
    return annotations, spans
