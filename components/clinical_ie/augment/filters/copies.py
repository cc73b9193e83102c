"""Rejects rewrites that nearly repeat another text, and so add nothing."""

from spacy_llm.registry import registry

from .case import Case, Filter, runs_of_words


@registry.llm_misc("clinical_ie.no_near_copy.v1")
def make_no_near_copy(max_likeness: float = 0.8) -> Filter:
    """The word trigrams of a rewrite must not overlap too much with those of the source, of another
    rewrite of the segment, or of a few-shot example.

    max_likeness (float): Largest Jaccard index of the trigrams, above 0, at most 1.
    RAISES (ValueError): max_likeness is outside that range.
    """
    if not 0 < max_likeness <= 1:
        raise ValueError(f"no_near_copy: max_likeness is {max_likeness}; expected 0 < x <= 1")

    def no_near_copy(case: Case) -> str | None:
        runs, _ = runs_of_words(case.rewrite.text)
        for kind, texts in (("source", (case.source.text,)), ("sibling", case.siblings)):
            for text in texts:
                likeness = _likeness(runs, runs_of_words(text)[0])
                if likeness > max_likeness:
                    return f"{likeness:.2f} of its {kind}"
        return None

    return no_near_copy


def _likeness(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    shared = len(one & other)
    return shared / max(len(one) + len(other) - shared, 1)
