import re
import stat
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config
from spacy_llm.util import assemble_from_config

from clinical_ie.augment.attempt import Attempt, rewrite_of, set_attempt
from clinical_ie.augment.markup import Marker, decode, keys_in
from clinical_ie.augment.prompt import Prompt, Response
from clinical_ie.augment.segment import segment_to_doc, segments_of
from clinical_ie.augment.task import StructuredRewrite, make_structured_rewrite
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.doc import Annotations, Mention, annotate, annotations_of
from tests.augment.conftest import Scripted
from tests.conftest import note


@pytest.fixture
def task() -> StructuredRewrite:
    return make_structured_rewrite()


@pytest.fixture
def doc() -> Doc:
    return note("He took aspirin for pain.", ("Drug", "aspirin"), ("Reason", "pain"))


@pytest.fixture
def nlp(config: Path, train: Path, scripted: Scripted, tmp_path: Path) -> Language:
    loaded = load_config(config, interpolate=False)
    loaded["paths"] = {"train": str(train), "journal": str(tmp_path / "journal.sqlite")}
    return assemble_from_config(loaded)


def prompt_of(task: StructuredRewrite, doc: Doc) -> Prompt:
    [prompt] = task.generate_prompts([doc])
    return prompt


def test_a_prompt_is_a_string_that_knows_more(task: StructuredRewrite, doc: Doc) -> None:
    set_attempt(doc, Attempt(seed=7, variant=1))
    prompt = prompt_of(task, doc)
    assert prompt.source == "He took [[Drug: aspirin]] for [[Reason: pain]]."
    assert (prompt.seed, prompt.variant) == (7, 1)
    roles = [message["role"] for message in prompt.messages]
    assert roles == ["system", *["user", "assistant"] * 4, "user"]
    assert prompt.messages[-1]["content"] == f"{prompt.source}\nMarkers to keep: Drug, Reason"
    for message in prompt.messages:
        assert message["content"] in prompt
    assert prompt.endswith("Rewritten:")


def test_the_hash_is_that_of_the_prompt_alone(task: StructuredRewrite, doc: Doc) -> None:
    first = prompt_of(task, doc).sha256
    set_attempt(doc, Attempt(seed=7, variant=1))
    assert prompt_of(task, doc).sha256 == first
    other = note("He took heparin for pain.", ("Drug", "heparin"), ("Reason", "pain"))
    assert prompt_of(task, other).sha256 != first


def test_the_examples_of_the_package_are_good_markup(task: StructuredRewrite) -> None:
    for pair in task.examples:
        keys = keys_in(pair.source)
        markers = [Marker(key, key, key.split("|")[-1]) for key in keys]
        assert keys
        assert decode(pair.source, markers)
        assert decode(pair.rewrite, markers)


def test_definitions_are_shown_for_the_labels_of_the_segment(doc: Doc) -> None:
    task = make_structured_rewrite(label_definitions={"Drug": "a medicine", "ADE": "harm"})
    last = prompt_of(task, doc).messages[-1]["content"]
    assert "Drug means a medicine." in last
    assert "harm" not in last


def test_examples_may_come_from_a_reader(doc: Doc) -> None:
    pair = {"source": "[[Drug: a]]", "rewrite": "[[Drug: b]]"}
    task = make_structured_rewrite(examples=lambda: [pair])
    assert [m["content"] for m in prompt_of(task, doc).messages[1:3]] == [
        "[[Drug: a]]\nMarkers to keep: Drug",
        "[[Drug: b]]",
    ]
    assert len(prompt_of(make_structured_rewrite(examples=[]), doc).messages) == 2


def test_a_template_without_its_blocks() -> None:
    with pytest.raises(ValueError, match="no block again, system"):
        make_structured_rewrite(template="{% block user %}{{ source }}{% endblock %}")


def test_a_template_that_does_not_parse() -> None:
    with pytest.raises(ValueError, match="the prompt template, line 2: "):
        make_structured_rewrite(template="\n{% block user %}")


def test_an_example_that_loses_a_marker() -> None:
    with pytest.raises(ValueError, match="example 1: source and rewrite hold different markers"):
        make_structured_rewrite(examples=[{"source": "[[Drug: a]]", "rewrite": "b"}])


def test_an_example_without_its_rewrite() -> None:
    with pytest.raises(ValueError, match="example 1 has"):
        make_structured_rewrite(examples=[{"source": "a"}])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("She had [[Drug: heparin]] for [[Reason: a clot]].", ""),
        (" She had [[Drug: heparin]] for [[Reason: a clot]].\n\nOriginal: x [[", ""),
        ("<think>\nNo.\n\nYes.\n</think>\n\nShe had [[Drug: heparin]] for [[Reason: a clot]].", ""),
        ("Hm.</think>She had [[Drug: heparin]] for [[Reason: a clot]].", ""),
        ("```text\nShe had [[Drug: heparin]] for [[Reason: a clot]].\n```", ""),
        ("Sure!\n\nShe had [[Drug: heparin]] for [[Reason: a clot]].\n \nI hope so.", ""),
        ("Here:\nShe had [[Drug: heparin]] for [[Reason: a clot]].\nIs that it?", ""),
        ("Here: she had [[Drug: heparin]] for [[Reason: a clots]].", "chatter"),
        ("<think>\nIt says [[Drug: heparin]]", "reasoning without a rewrite"),
        (Response("Sure!\n\nHas [[Drug: heparin]] for", cut=True), "cut at max_tokens"),
        (Response("<think>", fault="refusal"), "refusal"),
        ("I'm sorry, but I can't help with medical records.", "refusal"),
        ("As an AI, I\u2019m unable to do this.\n\nPlease ask a doctor.", "refusal"),
        ("She was sorry that [[Drug: heparin]] was stopped.", "missing marker"),
        ("She had heparin for a clot.", "missing marker"),
        ("He took [[Drug: aspirin]] for [[Reason: pain]].", "unchanged"),
        ("", "missing marker"),
        ("\x00\u202e[[[[", "malformed marker"),
        (Response("She had [[Drug: heparin]] for", cut=True), "cut at max_tokens"),
        (Response("Has [[Drug: heparin]] for [[Reason: clots]].\n\nAnd", cut=True), ""),
    ],
)
def test_every_answer_leaves_a_rewrite_or_a_reason(
    task: StructuredRewrite, doc: Doc, answer: str, reason: str
) -> None:
    [parsed] = task.parse_responses([doc], [[answer]])
    assert parsed is doc
    rewrite = rewrite_of(doc)
    assert rewrite.reason == reason
    if "She had [[Drug: heparin]] for [[Reason" in answer:
        mentions = rewrite.mentions(annotations_of(doc).mentions)
        assert rewrite.text == "She had heparin for a clot."
        assert [rewrite.text[m.start : m.end] for m in mentions] == ["heparin", "a clot"]
        assert [m.id for m in mentions] == ["T1", "T2"]


def test_a_passage_with_blank_lines_keeps_them(task: StructuredRewrite) -> None:
    doc = note("Took aspirin.\n\nHad a rash.", ("Drug", "aspirin"), ("ADE", "rash"))
    answer = "Took [[Drug: heparin]].\n\nHad a [[ADE: bruise]]."
    list(task.parse_responses([doc], [[answer]]))
    assert rewrite_of(doc).text == "Took heparin.\n\nHad a bruise."


def test_a_passage_with_lines_keeps_them(task: StructuredRewrite) -> None:
    doc = note("Took aspirin.\nHad a rash.", ("Drug", "aspirin"), ("ADE", "rash"))
    answer = "Took [[Drug: heparin]].\nHad a [[ADE: bruise]]."
    list(task.parse_responses([doc], [[f"Sure!\n\n{answer}\n\nDone."]]))
    assert rewrite_of(doc).text == "Took heparin.\nHad a bruise."
    assert rewrite_of(doc).reason == ""
    list(task.parse_responses([doc], [[f"{answer}\nDone."]]))
    assert rewrite_of(doc).reason == "chatter"


def test_a_passage_that_speaks_of_the_tags_keeps_them(task: StructuredRewrite) -> None:
    doc = note("</think> on aspirin for pain.", ("Drug", "aspirin"), ("Reason", "pain"))
    list(task.parse_responses([doc], [["</think> on [[Drug: heparin]] for [[Reason: a clot]]."]]))
    assert rewrite_of(doc).text == "</think> on heparin for a clot."
    # A passage that begins and ends with quotes keeps them too.
    doc = note('"Sore", on aspirin for "pain"', ("Drug", "aspirin"), ("Reason", "pain"))
    quoted = '"Hurt", on [[Drug: heparin]] for [[Reason: a clot]] "now"'
    list(task.parse_responses([doc], [[quoted]]))
    assert rewrite_of(doc).text == '"Hurt", on heparin for a clot "now"'


def test_mentions_that_cannot_be_encoded(task: StructuredRewrite) -> None:
    doc = note("Pain here and there.", ("Sign", "Pain"))
    annotate(doc, Annotations([Mention("T1", "Sign", ((0, 4), (14, 19)))]))
    assert prompt_of(task, doc).markers == ()
    list(task.parse_responses([doc], [["Pain."]]))
    assert rewrite_of(doc).reason == "mentions that cannot be encoded"


def test_through_assemble_no_doc_is_lost(nlp: Language, train_docs: list[Doc]) -> None:
    empty = Doc(nlp.vocab)
    docs = list(nlp.pipe([*train_docs, empty]))
    assert docs == [*train_docs, empty]
    assert [rewrite_of(doc).reason for doc in docs] == ["", "", "", "length"]
    assert rewrite_of(nlp("Plain text without mentions.")).reason == ""


def test_a_rewrite_survives_serialisation(task: StructuredRewrite, doc: Doc) -> None:
    list(task.parse_responses([doc], [["She had [[Drug: heparin]] for [[Reason: a clot]]."]]))
    restored = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert rewrite_of(restored) == rewrite_of(doc)


def test_a_second_try_is_told_what_was_wrong(task: StructuredRewrite, doc: Doc) -> None:
    before = prompt_of(task, doc)
    set_attempt(doc, Attempt(tries=1, failed=("She had heparin.", "missing marker (Drug)")))
    prompt = prompt_of(task, doc)
    assert prompt.messages[:-2] == before.messages
    assert prompt.messages[-2] == {"role": "assistant", "content": "She had heparin."}
    assert "missing marker (Drug)" in prompt.messages[-1]["content"]
    assert prompt.startswith(str(before))
    assert "missing marker (Drug)" in prompt
    assert prompt.sha256 != before.sha256


def test_a_term_that_the_note_echoes_stays(task: StructuredRewrite) -> None:
    doc = note(
        "He took aspirin for pain. Later Aspirin was stopped.",
        ("Drug", "aspirin"),
        ("Reason", "pain"),
        ("Drug", "Aspirin"),
        links=(("IDENTICAL", 0, 2),),
    )
    [segment] = (s for s in segments_of(doc, 40)[0] if s.text.endswith("pain."))
    part = segment_to_doc(corpus_nlp(), segment)
    assert prompt_of(task, part).echoed == {"T1"}
    for term, reason in (("heparin", "parted_terms"), ("aspirin", "")):
        answer = f"She was then given [[Drug: {term}]] for a [[Reason: clot]]."
        list(task.parse_responses([part], [[answer]]))
        assert rewrite_of(part).reason == reason


def test_siblings_reach_the_filters(task: StructuredRewrite, doc: Doc) -> None:
    answer = "She then had [[Drug: heparin]] for [[Reason: a clot]]."
    set_attempt(doc, Attempt(siblings=["she then had Heparin for a clot"]))
    list(task.parse_responses([doc], [[answer]]))
    assert rewrite_of(doc).reason == "near_copy"
    set_attempt(doc, Attempt())
    list(task.parse_responses([doc], [[answer]]))
    assert rewrite_of(doc).reason == ""


def test_a_capital_and_an_article_are_mended(task: StructuredRewrite) -> None:
    doc = note("Had an ache and a rash.", ("Sign", "ache"), ("ADE", "rash"))
    list(task.parse_responses([doc], [["had an [[Sign: bruise]] and a [[ADE: itch]] there."]]))
    rewrite = rewrite_of(doc)
    assert rewrite.text == "Had a bruise and an itch there."
    assert [rewrite.text[start:end] for start, end in rewrite.spans] == ["bruise", "itch"]


@pytest.mark.parametrize(
    ("source", "answer", "text"),
    [
        # The article before an unchanged term is left as written.
        ("Had a [[Sign: NAVA level]] on [[Drug: tea]].", "[[Sign: NAVA level]]", "a NAVA level"),
        ("Type A [[Sign: rash]] on [[Drug: tea]].", "[[Sign: ulcer]]", "Type A ulcer"),
        ("Had [[Virus: hepatitis A]] [[Sign: rash]].", "[[Sign: ulcer]]", "hepatitis A ulcer"),
        ("His [[Sign: pain]] was low.", "[[Sign: pH]]", "His pH was low."),
        ("[[Sign: Pain]] was low.", "[[Sign: pH]]", "pH was low."),
        ("[[Sign: Pain]] was low.", "[[Sign: rash]]", "Rash was low."),
    ],
)
def test_what_is_right_is_not_mended(
    task: StructuredRewrite, source: str, answer: str, text: str
) -> None:
    terms = re.findall(r"\[\[(\w+): ([^\]]+)\]\]", source)
    doc = note(re.sub(r"\[\[\w+: ([^\]]+)\]\]", r"\1", source), *terms)
    rewrite = re.sub(r"\[\[Sign: [^\]]+\]\]", answer, source)
    list(task.parse_responses([doc], [[rewrite]]))
    assert text in rewrite_of(doc).text


@pytest.mark.parametrize(
    ("notes", "source", "new"),
    [
        ("Leidet an {}, an {}, an {}, an {}.", "Leidet an {} und Husten.", "Gicht"),
        ("Debido a {}, a {}, a {}, a {}. " * 13, "Debido a {} y tos.", "asma"),
    ],
)
def test_in_other_languages_these_are_no_articles(
    notes: str, source: str, new: str, tmp_path: Path
) -> None:
    train = note(notes.replace("{}", "dolor"))
    train._.note_id = "n"
    write_docs([train], tmp_path / "train.spacy")
    task = make_structured_rewrite(terms=tmp_path / "train.spacy", filters={})
    doc = note(source.format("dolor"), ("Sign", "dolor"))
    list(task.parse_responses([doc], [[source.format(f"[[Sign: {new}]]")]]))
    assert rewrite_of(doc).text == source.format(new)


@pytest.mark.parametrize(
    ("source", "new", "expected"),
    [
        ("{}        PO   BID", "50 mg", "50 mg      PO   BID"),
        ("{} daily     PO", "50 mg", "50 mg daily   PO"),
        # At least two blanks remain.
        ("{}   PO", "50 mg", "50 mg  PO"),
        ("{}     PO", "5", "5       PO"),
        # No column follows.
        ("{} PO,  then more", "50 mg", "50 mg PO,  then more"),
        ("{}     \nPO", "50 mg", "50 mg     \nPO"),
    ],
)
def test_columns_stay_in_line(source: str, new: str, expected: str) -> None:
    task = make_structured_rewrite(filters={})
    doc = note(source.format("5 g"), ("Dose", "5 g"), ("Route", "PO"))
    answer = source.replace("PO", "[[Route: PO]]").format(f"[[Dose: {new}]]")
    list(task.parse_responses([doc], [[answer]]))
    rewrite = rewrite_of(doc)
    assert rewrite.text == expected
    assert [rewrite.text[start:end] for start, end in rewrite.spans] == [new, "PO"]


def test_to_bytes_and_disk_and_back(train: Path, train_docs: list[Doc], tmp_path: Path) -> None:
    pair = {"source": "[[Drug: a]] b", "rewrite": "[[Drug: c]] d"}
    task = make_structured_rewrite(
        examples=[pair], label_definitions={"Drug": "a medicine"}, terms=train
    )
    doc = train_docs[1]
    answer = "Pain: [[T1|Drug: aspirin]]"
    list(task.parse_responses([doc], [[answer]]))
    expected = prompt_of(task, doc), rewrite_of(doc)
    task.to_disk(tmp_path / "task")
    assert stat.S_IMODE((tmp_path / "task").stat().st_mode) == 0o600
    for other in (
        make_structured_rewrite().from_bytes(task.to_bytes()),
        make_structured_rewrite().from_disk(tmp_path / "task"),
    ):
        assert (prompt_of(other, doc), prompt_of(other, doc).messages) == (
            expected[0],
            expected[0].messages,
        )
        list(other.parse_responses([doc], [[answer]]))
        assert rewrite_of(doc) == expected[1]
        assert other.to_bytes() == task.to_bytes()


def test_an_assembled_pipeline_goes_to_disk_and_back(
    config: Path, nlp: Language, train: Path, train_docs: list[Doc], tmp_path: Path
) -> None:
    nlp.to_disk(tmp_path / "pipeline")
    loaded = load_config(config, interpolate=False)
    loaded["paths"] = {"train": str(train), "journal": str(tmp_path / "journal.sqlite")}
    del loaded["components"]["llm"]["task"]["terms"]
    other = assemble_from_config(loaded)
    other.get_pipe("llm").from_disk(tmp_path / "pipeline" / "llm")  # type: ignore[attr-defined]
    for doc in train_docs:
        before = rewrite_of(nlp(doc))
        after = rewrite_of(other(doc))
        assert (before.text, before.reason) == (after.text, after.reason)
        assert after.replayed


def test_terms_may_come_from_initialize(train_docs: list[Doc]) -> None:
    task = make_structured_rewrite()
    doc = note("He took aspirin for pain.", ("Drug", "aspirin"), ("Reason", "pain"))
    answer = "She was given [[Drug: diabetes]] for [[Reason: a clot]]."
    list(task.parse_responses([doc], [[answer]]))
    assert rewrite_of(doc).reason == ""
    examples = [Example(doc.copy(), doc) for doc in train_docs]
    task.initialize(lambda: examples, spacy.blank("en"))
    list(task.parse_responses([doc], [[answer]]))
    assert rewrite_of(doc).reason == "wrong_label"


def test_any_model_of_spacy_llm_will_do(config: Path, train: Path, doc: Doc) -> None:
    loaded = load_config(config, interpolate=False)
    loaded["paths"] = {"train": str(train), "journal": "unused"}
    loaded["components"]["llm"]["model"] = {"@llm_models": "spacy.NoOp.v1"}
    nlp = assemble_from_config(loaded)
    assert rewrite_of(nlp(doc)).reason == "missing marker"
