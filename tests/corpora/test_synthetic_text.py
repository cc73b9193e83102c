"""The building blocks of the demo corpus: templates and passages of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.corpora.synthetic.passage import Link, Mention, Passage
from clinical_ie.corpora.synthetic.template import Bond, Part, Slot, parse_template


def test_template_notation() -> None:
    template = parse_template(
        "t", "{Reason12}: {drug} then {drug2 like 1}, {he} had {ade+reason2} {product3 same 1|9}."
    )
    assert template.roles == {1: None, 2: Bond("like", 1), 3: Bond("same", 1)}
    assert template.leads == [1]
    assert template.pieces[0] == Slot("reason", (Part("reason", (1, 2)),), True, 0)
    assert template.pieces[6] == Slot("he", (), False, 0)
    assert template.pieces[8] == Slot("ade", (Part("ade", (1,)), Part("reason", (2,))), False, 0)
    assert template.pieces[10] == Slot("product", (Part("product", (3,)),), False, 9)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{drug", "unmatched brace"),
        ("{drug 2}", "is not a slot"),
        ("{dose2} of {drug}", "'dose' is not an annotated slot"),
        ("{strength}", "which has no medicine"),
        ("{drug} or {drug}", "has two mentions"),
        ("{drug12}", "mention of several medicines"),
        ("{drug} {drug2 near 1}", "a bond must read"),
        ("{drug} {reason like 1}", "a bond must read"),
        ("{drug like 2} {drug2}", "role 1 depends on 2"),
    ],
)
def test_template_notation_errors_name_the_template(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"train/home/9: .*{message}"):
        parse_template("train/home/9", source)


@given(
    st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=40),
    st.integers(1, 20),
    st.data(),
)
def test_wrapping_moves_nothing(words: list[str], width: int, data: st.DataObject) -> None:
    passage = Passage(" ".join(words))
    start = data.draw(st.integers(0, len(passage.text) - 1))
    passage.mentions = [
        Mention("Drug", start, data.draw(st.integers(start + 1, len(passage.text))))
    ]
    wrapped = passage.wrapped(width)
    assert wrapped.text.replace("\n", " ") == passage.text
    assert wrapped.mentions == passage.mentions
    for line in wrapped.text.split("\n"):
        assert len(line) <= width or " " not in line


def test_extending_keeps_links() -> None:
    first = Passage()
    first.write("10 mg", ("Strength",))
    second = Passage()
    strength, drug = second.write("5 mg", ("Strength",)) + second.write("X", ("Drug",))
    second.links = [Link(strength, drug)]
    first.extend(second)
    assert first.links == [Link(1, 2)]
    assert first.mentions[2] == Mention("Drug", 9, 10)
