"""The sense of a rewrite: its terms and the whole passage must stay near the source's."""

from pathlib import Path

from spacy_llm.registry import registry

from ..nearness import Nearness
from ..terms import normal, shape_of
from ..values import near_values
from .case import Case, Filter


@registry.llm_misc("clinical_ie.sense_kept.v1")
def make_sense_kept(
    encoder: str | Path, least: float = 0.5, most: float = 1.0, coherence: float = 0.8
) -> Filter:
    """Each new term must be near in meaning to the one it replaces, and the passage to the source.

    encoder (str | Path): A sentence encoder, a folder or a name on the hub; loaded for the first
        rewrite.
    least, most (float): Bounds of the cosine between new and old term; `most` does not apply to
        terms that differ only in numbers or months. Known synonyms and near numbers are not
        checked: to an encoder, 101 is far from 92.
    coherence (float): Smallest cosine between the two passages.
    RAISES (ValueError): Not -1 <= least < most <= 1, or coherence is outside -1 to 1.
    """
    if not -1 <= least < most <= 1:
        raise ValueError(
            f"sense_kept: least is {least}, most is {most}; expected -1 <= least < most <= 1"
        )
    if not -1 <= coherence <= 1:
        raise ValueError(f"sense_kept: coherence is {coherence}; expected -1 to 1")
    nearness = Nearness(encoder)

    def sense_kept(case: Case) -> str | None:
        pairs = [(case.source.text, case.rewrite.text)]
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            pair = case.source.covered(old), case.rewrite.covered(new)
            # An encoder need not place an abbreviation near its long form.
            same = pair[1] in case.terms.other_names(old.label, pair[0])
            if normal(pair[0]) != normal(pair[1]) and not same and not near_values(*pair):
                pairs.append(pair)
        whole, *parts = nearness.cosines(pairs)
        for (before, after), cosine in zip(pairs[1:], parts, strict=True):
            highest = 1.0 if shape_of(before) == shape_of(after) else most
            # Rounding can raise a cosine slightly above 1.
            if not least <= min(cosine, 1.0) <= highest:
                return f"{after!r} for {before!r}: {cosine:.2f}"
        return None if whole >= coherence else f"the passage: {whole:.2f}"

    return sense_kept
