import pytest

from clinical_ie.augment.filters.addition import make_nothing_added
from clinical_ie.augment.filters.case import Case
from clinical_ie.augment.mend import mended
from clinical_ie.doc import Mention
from tests.augment.test_filters import passage

BONE = ("Structure", "bone")


@pytest.mark.parametrize(
    ("before", "after", "objection"),
    [
        ("The bone was seen.", "The bone could now be seen.", None),
        ("The bone was seen.", "As was known by then, the bone was seen.", "5 words"),
        ("The bone was seen.", "The bone was seen due to pus.", "due to pus"),
        ("The bone hurt due to pus.", "The bone hurt because of pus.", None),
        ("We could see an old bone.", "There stood out one long bone.", None),
        ("The bone was seen.", "Two bone were seen.", "two"),
        ("Two of the bone were seen.", "The two bone were seen.", None),
        # Words inside mentions are left to other filters.
        ("The bone was seen.", "The two long and old bone was seen.", "two"),
    ],
)
def test_nothing_is_added_between_mentions(before: str, after: str, objection: str | None) -> None:
    found = make_nothing_added()(Case(passage(before, BONE), passage(after, BONE)))
    assert found is None if objection is None else found and objection in found


def test_how_many_words_may_be_added_is_checked() -> None:
    case = Case(passage("The bone.", BONE), passage("The old bone.", BONE))
    assert make_nothing_added(max_words=0)(case) == "1 words: old"
    assert make_nothing_added(max_words=1)(case) is None
    with pytest.raises(ValueError, match="max_words is -1"):
        make_nothing_added(max_words=-1)


def test_a_capital_is_mended_behind_white_space_too() -> None:
    mention = Mention("a", "S", ((1, 5),))
    assert mended(" bone was seen.", [mention], ["bone"], capital=True, articles=True) == (
        " Bone was seen.",
        [mention],
    )
    assert mended("", [], [], capital=True, articles=True) == ("", [])
    assert mended("  ", [], [], capital=True, articles=True) == ("  ", [])
