"""Gold annotations on the tokens of the Doc that is trained."""

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..doc import Annotations, annotations_of, spans_of


def gold_spans(example: Example) -> tuple[Annotations, list[Span]]:
    """The reference's annotations, and its mentions as spans of the predicted Doc.

    The two Docs may be tokenized differently; a mention that cuts through a token takes all of it.
    RETURNS (tuple[Annotations, list[Span]]): Spans in the order of the mentions.
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
