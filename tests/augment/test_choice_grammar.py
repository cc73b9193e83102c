"""Grammars that let a model choose among terms and expressions."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from clinical_ie.augment.markup import encode
from clinical_ie.augment.models.grammar import choice_grammar
from clinical_ie.augment.models.llamacpp import make_llamacpp
from clinical_ie.doc import Link, Mention


def test_a_grammar_of_near_terms() -> None:
    markup = encode(
        "Flu and pain [x].", [Mention("a", "S", ((0, 3),)), Mention("b", "S", ((8, 12),))]
    )
    choices = {"Flu": ["cold", "a [bad] cold", "cold"], "pain": []}
    grammar = choice_grammar(
        markup.text, markup.markers, lambda terms, _: [choices[term] for _, term in terms]
    )
    assert grammar is not None
    assert '("Cold")' in grammar
    assert '("pain")' in grammar
    assert "bad" not in grammar
    assert "term ::=" not in grammar


def test_a_grammar_gives_what_relations_call_the_same_one_choice() -> None:
    text = "Tea is on. Then tea was off, and milk."
    spans = {"a": (0, 3), "b": (16, 19), "c": (33, 37)}
    mentions = [Mention(id_, "S", (span,)) for id_, span in spans.items()]
    markup = encode(text, mentions)
    asked = []

    def choices(terms: Sequence[tuple[str, str]], staying: Sequence[str]) -> list[list[str]]:
        asked.append((terms, staying))
        return [["juice", "[x]", "ale"] if term == "Tea" else ["water"] for _, term in terms]

    links = (Link("IDENTICAL", "b", "a"), Link("OTHER", "a", "c"))
    grammar = choice_grammar(markup.text, markup.markers, choices, links)
    assert grammar is not None
    ways = grammar.removeprefix("root ::= ").split(' | ("[[T1|S: ")')
    assert [('"Juice"' in x, '"juice"' in x, '"Ale"' in x, '"ale"' in x) for x in ways] == [
        (True, True, False, False),
        (False, False, True, True),
    ]
    assert all('("was" | "were")' in way and '("water")' in way for way in ways)
    # A mention echoed outside the passage stays, and so do those with the same name.
    grammar = choice_grammar(markup.text, markup.markers, choices, links, frozenset("b"))
    assert grammar is not None
    assert '("Tea")' in grammar
    assert '("tea")' in grammar
    assert asked == [
        ([("S", "Tea"), ("S", "milk")], []),
        ([("S", "milk")], ["Tea", "tea"]),
    ]


def test_a_grammar_does_not_grow_with_each_pair_of_the_same() -> None:
    words = ["ab", "cd", "ef", "gh"]
    text = " ".join(f"{word} {word}" for word in words)
    mentions = [Mention(str(i), "S", ((3 * i, 3 * i + 2),)) for i in range(8)]
    markup = encode(text, mentions)
    links = [Link("IDENTICAL", str(i), str(i + 1)) for i in range(0, 8, 2)]
    grammar = choice_grammar(
        markup.text, markup.markers, lambda terms, _: [["x", "y", "z"] for _ in terms], links
    )
    assert grammar is not None
    assert grammar.count('"[[T1|S: "') == 9
    assert grammar.count('("ef")') == 18


def test_where_no_term_can_change_one_expression_must() -> None:
    text = "However, he had tea for flu due to gout."
    mentions = [Mention("a", "Drug", ((16, 19),)), Mention("b", "Sign", ((24, 27),))]
    markup = encode(text, mentions)
    grammar = choice_grammar(markup.text, markup.markers, lambda terms, _: [[], []])
    assert grammar is not None
    root, same0, same1 = grammar.split("\n")
    rest = '("[[Drug: ") ("tea") ("]]") (" for ") ("[[Sign: ") ("flu") ("]]") (" ")'
    free = '("due to" | "because of") (" gout.")'
    had = '("he had" | "the patient had")'
    assert root == (
        f'root ::=  (("Nevertheless,") (" ") {had} (" ") {rest} {free} | "However," same0)'
    )
    assert same0 == f'same0 ::= (" ") (("the patient had") (" ") {rest} {free} | "he had" same1)'
    assert same1 == f'same1 ::= (" ") {rest} (("because of") (" gout."))'
    # If a term changes, no expression has to.
    grammar = choice_grammar(markup.text, markup.markers, lambda terms, _: [["coffee"], []])
    assert grammar is not None
    assert grammar.startswith(f'root ::= ("However," | "Nevertheless,") (" ") {had}')


def test_where_nothing_can_change_there_is_no_grammar() -> None:
    markup = encode("Tea was good.", [Mention("a", "Drug", ((0, 3),))])
    assert choice_grammar(markup.text, markup.markers, lambda terms, _: [[]]) is None
    # The number of a verb is open only after a term that changes.
    grammar = choice_grammar(markup.text, markup.markers, lambda terms, _: [["drops"]])
    assert grammar == 'root ::= ("[[Drug: ") ("Drops") ("]]") (" ") ("was" | "were") (" good.")'


def test_only_what_opens_a_sentence_or_has_a_plain_capital_gets_one() -> None:
    markup = encode(
        "CT was clear. CT and Lasix",
        [
            Mention("a", "S", ((0, 2),)),
            Mention("b", "S", ((14, 16),)),
            Mention("c", "S", ((21, 26),)),
        ],
    )
    before, _, after = markup.text.partition("clear. ")
    for text, expected in ((markup.text, 2), (f"{before}clear and {after}", 1)):
        grammar = choice_grammar(
            text,
            markup.markers,
            lambda terms, _: [
                ["computed tomography" if term == "CT" else "aspirin"] for _, term in terms
            ],
        )
        assert grammar is not None
        assert grammar.count('("Computed tomography")') == expected
        assert grammar.count('("computed tomography")') == 2 - expected
        assert '("Aspirin")' in grammar


def test_the_grammar_of_near_terms_needs_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="near_terms"):
        make_llamacpp(tmp_path / "m.gguf", grammar="near_terms")
