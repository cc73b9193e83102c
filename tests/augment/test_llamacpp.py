import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import Doc

from clinical_ie.augment.attempt import Attempt, rewrite_of, set_attempt
from clinical_ie.augment.config import load
from clinical_ie.augment.markup import encode
from clinical_ie.augment.models.grammar import passage_grammar
from clinical_ie.augment.models.llamacpp import make_llamacpp
from clinical_ie.augment.near_terms import make_near_terms
from clinical_ie.augment.prompt import Prompt
from clinical_ie.augment.segment import segment_to_doc, segments_of
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.doc import Mention
from tests.conftest import ROOT

SMOLLM2 = ROOT / "assets" / "models" / "smollm2-135m" / "model.gguf"


def test_weights_are_looked_for_at_the_first_prompt(tmp_path: Path) -> None:
    model = make_llamacpp(tmp_path / "model.gguf")
    expected = r"model\.gguf: no such file; `weasel run models` fetches it"
    with pytest.raises(FileNotFoundError, match=expected):
        list(model([["a"]]))
    with pytest.raises(FileNotFoundError, match=expected):
        _ = model.fingerprint
    (tmp_path / "model.gguf").write_text("a Git LFS pointer")
    with pytest.raises(ValueError, match=r"model\.gguf: is not a GGUF file"):
        list(model([["a"]]))
    with pytest.raises(IsADirectoryError, match=r"is a folder; expected a model's \.gguf file"):
        list(make_llamacpp(tmp_path)([["a"]]))


@pytest.mark.parametrize(
    ("name", "value"), [("context_length", -1), ("max_tokens", 0), ("max_tokens", -2)]
)
def test_numbers_that_llamacpp_cannot_use_are_refused(tmp_path: Path, name: str, value: int):
    with pytest.raises(ValueError, match=f"{name} = {value}; expected 1 or more"):
        make_llamacpp(tmp_path / "model.gguf", **{name: value})


def test_the_fingerprint_is_that_of_weights_and_settings(tmp_path: Path, train: Path) -> None:
    paths = [tmp_path / name for name in ("a.gguf", "b.gguf", "c.gguf")]
    for path, content in zip(paths, (b"x" * 10, b"x" * 10, b"y" * 10), strict=True):
        path.write_bytes(b"GGUF" + content)
    one, copy, other = (make_llamacpp(path).fingerprint for path in paths)
    assert one == copy != other
    assert make_llamacpp(paths[0], n_threads=2).fingerprint == one
    near = make_near_terms(train, str(tmp_path))
    for settings in (
        {"temperature": 0.1},
        {"temperature_step": 0.1},
        {"max_tokens": 9},
        {"context_length": 9},
        {"stop": ["x"]},
        {"grammar": "markers"},
        {"near_terms": near},
    ):
        assert make_llamacpp(paths[0], **settings).fingerprint != one, settings


def test_a_grammar_holds_each_marker_once_and_nested() -> None:
    text = "Has history of flu, took tea."
    mentions = [
        Mention("c", "Drug", ((25, 28),)),
        Mention("a", "History", ((4, 18),)),
        Mention("b", "Sign", ((15, 18),)),
    ]
    markup = encode(text, mentions)
    rules = rules_of(passage_grammar(markup.text, markup.markers))
    assert rules["root"] == "all-0-0"
    assert rules["all-0-0"] == "text (m0 all-0-1 | m2 all-0-2)"
    assert rules["all-0-1"] == "text (m2 all-0-3)"
    assert rules["all-0-2"] == "text (m0 all-0-3)"
    assert rules["all-0-3"] == "text"
    assert rules["m0"] == '"[[History: " in0-0-0 "]]"'
    assert rules["in0-0-0"] == "text (m1 in0-0-1)"
    assert rules["m1"] == '"[[Sign: " term "]]"'
    assert rules["m2"] == '"[[Drug: " term "]]"'


def test_a_grammar_that_keeps_terms_or_context() -> None:
    text = 'Took "tea" for flu\nand pain.'
    mentions = [Mention("a", "Drug", ((5, 10),)), Mention("b", "Sign", ((15, 18),))]
    markup = encode(text, mentions)
    rules = rules_of(passage_grammar(markup.text, markup.markers, "terms_fixed"))
    assert rules["m0"] == r'''"[[Drug: " "\"tea\"" "]]"'''
    assert rules["m1"] == '"[[Sign: " "flu" "]]"'
    rules = rules_of(passage_grammar(markup.text, markup.markers, "context_fixed"))
    assert rules["root"] == (r'''"Took [[Drug: " term "]] for [[Sign: " term "]]\nand pain."''')


def test_what_a_grammar_has_no_other_sign_for_is_written_as_its_number() -> None:
    text = "a\f\b\x00\t\\tea"
    markup = encode(text, [Mention("a", "Drug", ((6, 9),))])
    root = rules_of(passage_grammar(markup.text, markup.markers, "context_fixed"))["root"]
    assert root == r'''"a\x0C\x08\x00\t\\\\[[Drug: " term "]]"'''


class Refusing:
    """A server that refuses every second request, or all of them."""

    takes_none = False

    def __init__(self) -> None:
        self.asked = 0

    def handle_chat_completions(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        self.stop = request["stop"]
        if self.takes_none or self.asked % 2:
            return {"error": {"message": "too long", "type": "exceed_context_size_error"}}
        choice = {"message": {"content": "yes"}, "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


def test_a_request_that_is_refused_is_one_answer_less(tmp_path: Path) -> None:
    model = make_llamacpp(tmp_path / "m.gguf", stop=["\n\n", "[["])
    server = Refusing()
    model.__dict__["_server"] = server
    answers = [answer for [answer] in model([["x"]] * 39 + [[Prompt("", [], source="a\n\nb")]])]
    # A stop string that the passage contains is not sent.
    assert server.stop == ["[["]
    assert [str(answer) for answer in answers] == ["", "yes"] * 20
    assert {answer.fault for answer in answers} == {
        "request not taken (exceed_context_size_error)",
        "",
    }
    assert {answer.refused for answer in answers} == {True, False}
    server.takes_none = True
    assert all(answer.refused for [answer] in model([["x"]] * 40))


@pytest.mark.parametrize("answered", [False, True])
def test_where_every_request_is_refused_the_run_ends(answered: bool, tmp_path: Path) -> None:
    model = make_llamacpp(tmp_path / "m.gguf")
    model.__dict__["_server"] = server = Refusing()
    server.takes_none = True
    # If an earlier run got answers, the prompts that are left may simply be too long.
    model.answered = answered
    with nullcontext() if answered else pytest.raises(RuntimeError, match=r"all 16.*too long"):
        list(model([["x"]] * 40))
    assert server.asked == (40 if answered else 16)


def test_where_nothing_can_be_chosen_the_passage_comes_back_without_a_model(
    tmp_path: Path, train: Path, tiny_bert: Path
) -> None:
    # No cosine reaches this threshold.
    near = make_near_terms(train, str(tiny_bert), least=1.5, most=2.0)
    model = make_llamacpp(tmp_path / "m.gguf", grammar="near_terms", near_terms=near)
    server = Refusing()
    model.__dict__["_server"] = server
    passage = encode("Zzz qqq xyzzy.", [Mention("a", "Drug", ((8, 13),))])
    prompt = Prompt("", [], source=passage.text, markers=passage.markers)
    [[answer]] = model([[prompt]])
    assert answer == passage.text
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 0)
    assert not server.asked


def test_of_many_markers_seven_neighbours_come_in_any_order() -> None:
    text = "abcdefghij"
    mentions = [Mention(c, "X", ((i, i + 1),)) for i, c in enumerate(text)]
    markup = encode(text, mentions)
    rules = rules_of(passage_grammar(markup.text, markup.markers))
    assert sum(name.startswith("all-0-") for name in rules) == 2**7
    assert rules["all-0-127"] == "all-1-0"
    assert rules["all-1-0"] == "text (m7 all-1-1 | m8 all-1-2 | m9 all-1-4)"
    assert rules["all-1-7"] == "text"


def rules_of(grammar: str) -> dict[str, str]:
    return dict(line.split(" ::= ", 1) for line in grammar.split("\n"))


@pytest.mark.llm
def test_smollm2_writes_every_marker(
    train: Path, train_docs: list[Doc], tiny_bert: Path, tmp_path: Path
) -> None:
    if not SMOLLM2.is_file():
        pytest.skip(f"{SMOLLM2} is not there; `weasel run models` fetches it")
    paths = {
        "train": train,
        "journal": tmp_path / "journal.sqlite",
        "model": SMOLLM2,
        "encoder": tiny_bert,
    }
    _, nlp, block = load(ROOT / "configs" / "augment" / "tiny.cfg", paths)
    assert block["@llm_models"] == "clinical_ie.LlamaCpp.v1"
    segments = [s for s in segments_of(train_docs[0], 40)[0] if len(s.annotations.mentions) == 3]
    doc = segment_to_doc(corpus_nlp(), segments[0])
    for seed in range(3):
        set_attempt(doc, Attempt(seed))
        rewrite = rewrite_of(nlp(doc))
        assert sorted(re.findall(r"\[\[(\w+):", rewrite.markup)) == ["Drug", "Reason", "Strength"]
        assert rewrite.completion_tokens
        markup = rewrite.markup
    set_attempt(doc, Attempt(seed))
    assert rewrite_of(nlp(doc)).markup == markup
