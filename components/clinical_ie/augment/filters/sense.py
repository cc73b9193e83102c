"""The sense of a rewrite: new terms near the old ones, the passage near the old passage."""

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
    """Each new term must be near in meaning to the one it replaces, and the whole to the source.

    encoder (str | Path): An encoder of sentences, a folder or a name on the hub; loaded when the
        first rewrite comes.
    least, most (float): Cosines between which new terms lie; one that differs from the old one in
        its numbers alone is not asked for `most`, nor for `least` where these are near: to an
        encoder, 101 is far from 92.
    coherence (float): The least cosine of the two passages.
    RAISES (ValueError): The bounds are not -1 <= least < most <= 1, or coherence lies outside of
        -1 to 1.
    """
    if not -1 <= least < most <= 1:
        raise ValueError(f"sense_kept: {least} to {most} is no range of cosines within -1 to 1")
    if not -1 <= coherence <= 1:
        raise ValueError(f"sense_kept: coherence is {coherence}; between -1 and 1")
    nearness = Nearness(encoder)

    def sense_kept(case: Case) -> str | None:
        pairs = [(case.source.text, case.rewrite.text)]
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            pair = case.source.covered(old), case.rewrite.covered(new)
            # What a note calls the same thing need not be near by its letters.
            same = pair[1] in case.terms.other_names(old.label, pair[0])
            if normal(pair[0]) != normal(pair[1]) and not same and not near_values(*pair):
                pairs.append(pair)
        whole, *parts = nearness.cosines(pairs)
        for (before, after), cosine in zip(pairs[1:], parts, strict=True):
            highest = 1.0 if shape_of(before) == shape_of(after) else most
            # Rounding may put a cosine a little above one.
            if not least <= min(cosine, 1.0) <= highest:
                return f"{after!r} for {before!r}: {cosine:.2f}"
        return None if whole >= coherence else f"the passage: {whole:.2f}"

    return sense_kept
