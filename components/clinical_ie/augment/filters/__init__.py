"""Checks that reject rewrites although they decode.

A filter takes a `Case` and returns None, or a short description of what is wrong. In a config, each
filter has the name under which the rewrites it drops are counted; filters run in config order:

    [components.llm.task.filters.length]
    @llm_misc = "clinical_ie.length_ratio.v1"
"""

from ...terminal.printable import shown
from .case import Case, Filter, Passage
from .copies import make_no_near_copy
from .form import (
    make_changed,
    make_clean_characters,
    make_length_ratio,
    make_no_chatter,
    make_no_glued_words,
    make_no_leftover_markup,
    make_no_repetition,
    make_whole_sentence,
)
from .meaning import make_named_alike, make_negation_kept, make_relation_cues_kept
from .wording import (
    make_abbreviations_follow,
    make_known_wording,
    make_nothing_untagged,
    make_term_fits_label,
)

__all__ = ["Case", "Filter", "Passage", "default_filters", "first_objection"]


def default_filters() -> dict[str, Filter]:
    """The filters that suit every model, with their defaults, fast ones first.

    Left out are `terms_changed`, since new wording around the same terms is a rewrite too;
    `nothing_added`, `joints_kept`, `gender_kept` and `word_class_kept`, which also drop good
    rewrites and are meant for models that often fail there; `likely`, which needs a threshold; and
    those that need an encoder or a trained pipeline.
    """
    return {
        "unchanged": make_changed(),
        "strange_characters": make_clean_characters(),
        "length": make_length_ratio(),
        "glued_words": make_no_glued_words(),
        "leftover_markup": make_no_leftover_markup(),
        "chatter": make_no_chatter(),
        "cut_tail": make_whole_sentence(),
        "repetition": make_no_repetition(),
        "near_copy": make_no_near_copy(),
        "parted_terms": make_named_alike(),
        "negation": make_negation_kept(),
        "relation_cue": make_relation_cues_kept(),
        "abbreviation": make_abbreviations_follow(),
        "wrong_label": make_term_fits_label(),
        "untagged_mention": make_nothing_untagged(),
        "new_wording": make_known_wording(),
    }


def first_objection(filters: dict[str, Filter], case: Case) -> tuple[str, str] | None:
    """The name of the first filter that objects, and its description of what is wrong.

    RAISES (ValueError): A filter fails, or returns neither None nor words: taken as an objection,
        a `False` would drop every good rewrite.
    """
    for name, check in filters.items():
        try:
            detail = check(case)
        except Exception as error:
            raise ValueError(f"the filter {name} failed: {error!r}") from error
        if detail is None:
            continue
        if not (isinstance(detail, str) and detail):
            raise ValueError(
                f"the filter {name} returned {shown(detail)}; expected None, or in a few words "
                "what is wrong with the rewrite"
            )
        return name, detail
    return None
