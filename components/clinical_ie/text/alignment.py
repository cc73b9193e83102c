"""How the characters of annotations meet the tokens of a Doc."""

from collections.abc import Iterable

from spacy.tokens import Doc


def misaligned_offsets(doc: Doc, offsets: Iterable[int]) -> list[int]:
    """The offsets that lie inside a token, in the order given.

    offsets (Iterable[int]): Starts and ends of mentions, in characters.
    """
    borders = {0, len(doc.text)}
    for token in doc:
        borders.add(token.idx)
        borders.add(token.idx + len(token))
    return [offset for offset in offsets if offset not in borders]
