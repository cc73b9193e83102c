import pytest

from clinical_ie.augment.filters.case import Case
from clinical_ie.augment.filters.joints import make_joints_kept
from tests.augment.test_filters import passage


@pytest.mark.parametrize(
    ("before", "after", "objection"),
    [
        ("It lay above the bone.", "It was found at the above the bone.", "the above the bone"),
        ("It lay above the bone.", "It was found in above the bone.", "in above the bone"),
        ("It lay above the bone.", "It was found above the bone.", None),
        ("It lay in above the bone.", "It was in above the bone.", None),
        ("Above the bone it lay.", "above the bone it stood.", None),
    ],
)
def test_a_term_with_a_preposition_follows_what_can_stand_before_it(
    before: str, after: str, objection: str | None
) -> None:
    term = "above the bone" if "above" in before else "Above the bone"
    new = "above the bone"
    case = Case(passage(before, ("S", term)), passage(after, ("S", new)))
    assert made_of(make_joints_kept()(case), objection)


@pytest.mark.parametrize(
    ("before", "after", "objection"),
    [
        ("He was too ill to walk.", "He could not too ill to walk.", "not too ill to walk"),
        ("He was too ill to walk.", "He appeared too ill to walk.", None),
        ("He was not too ill to walk.", "The man was not too ill to walk.", None),
    ],
)
def test_a_term_comes_not_to_stand_behind_a_helping_verb(
    before: str, after: str, objection: str | None
) -> None:
    term = ("S", "too ill to walk")
    found = make_joints_kept()(Case(passage(before, term), passage(after, term)))
    assert made_of(found, objection)


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ("He had an easy course.", "He experienced easy course.", True),
        ("He had an easy course.", "He experienced another easy course.", False),
        ("He had an easy course.", "He had a rather easy course.", False),
        ("A easy course was had.", "easy course was had.", False),
        ("The scan (easy course) was done.", "The scan of the easy course was done.", True),
        ("The scan (easy course) was done.", "The scan was done (easy course).", False),
        ("All easy course were seen.", "The entire easy course was seen.", True),
        ("All easy course were seen.", "Every easy course had been seen.", False),
        ("All easy course were seen.", "All easy course are seen.", False),
        ("An easy course bled.", "Easy course, the bled.", True),
        ("An easy course bled.", "An easy course bled.", False),
        ("The easy course was soon bled.", "The easy course underwent bled.", True),
        ("The easy course was soon bled.", "The easy course was bled.", False),
        ("They were bled.", "They showed bled.", True),
        ("They were bled.", "They remained bled.", False),
        ("The easy course had bled.", "The easy course soon bled.", False),
    ],
)
def test_a_term_keeps_article_bracket_and_number(before: str, after: str, broken: bool) -> None:
    cases = []
    for text in (before, after):
        terms = [term for term in ("easy course", "Easy course", "bled") if term in text]
        cases.append(passage(text, *(("S", term) for term in terms)))
    case = Case(*cases)
    assert (make_joints_kept()(case) is not None) is broken


def test_another_term_may_have_a_verb_in_another_number() -> None:
    source = passage("All margins were clear.", ("S", "margins"), ("V", "clear"))
    rewrite = passage("The border was free.", ("S", "border"), ("V", "free"))
    assert make_joints_kept()(Case(source, rewrite)) is None


def test_half_a_word_far_ahead_takes_the_place_of_no_article() -> None:
    # Only the 40 characters before a mention are searched.
    source = passage("He had a good course.", ("S", "good course"))
    for word, broken in (("casino", True), ("or no", False)):
        rewrite = passage(f"He saw {word} {'x' * 36} good course.", ("S", "good course"))
        assert (make_joints_kept()(Case(source, rewrite)) is not None) is broken


def made_of(found: str | None, objection: str | None) -> bool:
    return found is None if objection is None else found is not None and objection in found
