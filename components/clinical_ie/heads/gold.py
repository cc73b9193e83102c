"""Gold annotations on the tokens of the Doc that is trained."""

from collections.abc import Callable, Iterable

from spacy.tokens import Doc, Span
from spacy.training import Example, validate_get_examples

from ..doc import Annotations, annotations_of, spans_of


def all_examples(get_examples: Callable[[], Iterable[Example]], method: str) -> list[Example]:
    """What a component is initialized with, read once: a corpus is read anew by each call, and
    spaCy's check makes one of its own.

    method (str): Whose, for the error.
    RAISES (TypeError): It is no function, or gives no examples.
    """
    examples = list(get_examples()) if callable(get_examples) else []
    validate_get_examples((lambda: examples) if examples else get_examples, method)
    return examples


def gold_spans(example: Example) -> tuple[Annotations, list[Span]]:
    """The reference's annotations, and its mentions as spans of the predicted Doc.

    The two Docs may be tokenized differently; a mention that cuts through a token takes all of it.
    RETURNS (tuple[Annotations, list[Span]]): Spans in the order of the mentions.
    RAISES (ValueError): A mention lies outside the text of the predicted Doc.
    """
    predicted: Doc = example.predicted
    annotations = annotations_of(example.reference)
    spans = []
    placed = spans_of(predicted, annotations.mentions)
    for mention, span in zip(annotations.mentions, placed, strict=True):
        if span is None:
            raise ValueError(
                f"mention {mention.id} ({mention.start}-{mention.end}) lies outside the text of "
                f"{len(predicted.text)} characters: predicted and reference must share one text"
            )
        spans.append(span)
    return annotations, spans
