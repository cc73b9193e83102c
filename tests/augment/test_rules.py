from pathlib import Path

import pytest
from spacy.tokens import Doc

from clinical_ie.augment.articles import fit_article
from clinical_ie.augment.attempt import Attempt, rewrite_of, set_attempt
from clinical_ie.augment.markup import encode
from clinical_ie.augment.models.rules import make_rules
from clinical_ie.augment.prompt import Prompt
from clinical_ie.augment.segment import segment_to_doc, segments_of
from clinical_ie.augment.task import make_structured_rewrite
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.doc import Link, Mention, annotations_of
from tests.conftest import ROOT, note, run_script


@pytest.fixture
def big_train(tmp_path: Path) -> Path:
    """Notes of one drug each, with a realistic strength for each drug."""
    strengths = {"metformin": "500 mg", "calcitriol": "0.5 mcg", "warfarin": "2.5 mg"}
    docs = []
    for i in range(9):
        drug = list(strengths)[i % 3]
        text = f"The patient was given {drug} {strengths[drug]} for {'gout' if i % 2 else 'ache'}."
        reason = "gout" if i % 2 else "ache"
        doc = note(
            text,
            ("Drug", drug),
            ("Strength", strengths[drug]),
            ("Reason", reason),
            links=(("Strength-Drug", 1, 0),),
        )
        doc._.note_id = f"n{i}"
        docs.append(doc)
    path = tmp_path / "big.spacy"
    write_docs(docs, path)
    return path


def rewritten(doc: Doc, path: Path | None, seed: int) -> tuple[str, dict[str, str]]:
    [segment] = (s for s in segments_of(doc, 40)[0] if len(s.annotations.mentions) > 1)
    doc = segment_to_doc(corpus_nlp(), segment)
    task, model = make_structured_rewrite(terms=path), make_rules(path)
    set_attempt(doc, Attempt(seed))
    list(task.parse_responses([doc], model([[p] for p in task.generate_prompts([doc])])))
    rewrite = rewrite_of(doc)
    assert rewrite.reason == ""
    mentions = rewrite.mentions(annotations_of(doc).mentions)
    return rewrite.text, {m.label: rewrite.text[m.start : m.end] for m in mentions}


def test_what_belongs_together_is_replaced_together(big_train: Path) -> None:
    doc = note(
        "The patient was given metformin 500 mg for ache.",
        ("Drug", "metformin"),
        ("Strength", "500 mg"),
        ("Reason", "ache"),
        links=(("Strength-Drug", 1, 0),),
    )
    seen = set()
    for seed in range(20):
        text, terms = rewritten(doc, big_train, seed)
        assert (terms["Drug"], terms["Strength"]) in {
            ("calcitriol", "0.5 mcg"),
            ("warfarin", "2.5 mg"),
        }
        assert terms["Reason"] == "gout"
        assert rewritten(doc, big_train, seed)[0] == text
        seen.add(text)
    assert len(seen) > 2


def test_a_group_that_no_note_has_stays(big_train: Path) -> None:
    doc = note(
        "Given metformin 500 mg for ache.",
        ("Drug", "metformin"),
        ("Strength", "500 mg"),
        ("Reason", "ache"),
        links=(("Strength-Drug", 1, 0), ("Reason-Strength", 2, 1)),
    )
    doc_with_other = note(
        "Given metformin 500 mg for ache.",
        ("Drug", "metformin"),
        ("Strength", "500 mg"),
        ("Reason", "ache"),
        links=(("Strength-Drug", 0, 1),),
    )
    task, model = make_structured_rewrite(terms=big_train), make_rules(big_train)
    list(task.parse_responses([doc], model([[p] for p in task.generate_prompts([doc])])))
    assert rewrite_of(doc).reason == "unchanged"
    assert rewritten(doc_with_other, big_train, 0)[1] == {
        "Drug": "metformin",
        "Strength": "500 mg",
        "Reason": "gout",
    }


def test_a_mention_tied_to_one_outside_stays(big_train: Path) -> None:
    doc = note(
        "Given metformin, for ache. It was 500 mg.",
        ("Drug", "metformin"),
        ("Reason", "ache"),
        ("Strength", "500 mg"),
        links=(("Strength-Drug", 2, 0),),
    )
    segment = next(s for s in segments_of(doc, 40)[0] if s.text.endswith("ache."))
    part = segment_to_doc(corpus_nlp(), segment)
    task, model = make_structured_rewrite(terms=big_train), make_rules(big_train)
    list(task.parse_responses([part], model([[p] for p in task.generate_prompts([part])])))
    assert rewrite_of(part).text == "Given metformin, for gout."


def test_two_mentions_of_one_thing_count_as_one_term(tiny_bert: Path, big_train: Path) -> None:
    """They use up max_terms, and the room for others does not become negative."""
    text = "Given ache, ache: metformin, warfarin."
    mentions = [
        Mention("a", "Reason", ((6, 10),)),
        Mention("b", "Reason", ((12, 16),)),
        Mention("c", "Drug", ((18, 27),)),
        Mention("d", "Drug", ((29, 37),)),
    ]
    markup = encode(text, mentions)
    links = (Link("IDENTICAL", "a", "b"), Link("OTHER", "c", "d"))
    model = make_rules(big_train, str(tiny_bert), least=0.1, most=1.0, max_terms=1)
    seen = set()
    for seed in range(30):
        prompt = Prompt("x", [], source=markup.text, markers=markup.markers, links=links, seed=seed)
        [[answer]] = model([[prompt]])
        seen.add((answer.count(": ache]]"), answer.count("metformin") + answer.count("warfarin")))
    assert seen == {(0, 2), (2, 1)}


def test_the_same_drug_with_another_strength_where_there_is_no_other(tmp_path: Path) -> None:
    path = tmp_path / "one.spacy"
    doc = note(
        "Given metformin 500 mg.",
        ("Drug", "metformin"),
        ("Strength", "500 mg"),
        links=(("Strength-Drug", 1, 0),),
    )
    other = note(
        "Given metformin 850 mg.",
        ("Drug", "metformin"),
        ("Strength", "850 mg"),
        links=(("Strength-Drug", 1, 0),),
    )
    write_docs([doc, other], path)
    assert rewritten(doc, path, 0)[1] == {"Drug": "metformin", "Strength": "850 mg"}


def test_without_training_notes_only_the_wording_varies() -> None:
    doc = note("The patient was given tea due to flu.", ("Drug", "tea"), ("Reason", "flu"))
    text, terms = rewritten(doc, None, 0)
    assert terms == {"Drug": "tea", "Reason": "flu"}
    assert text != doc.text


def test_a_note_in_capitals_stays_in_capitals(big_train: Path) -> None:
    doc = note("HE WAS GIVEN TEA DUE TO GOUT.", ("Drug", "TEA"), ("Reason", "GOUT"))
    texts = {rewritten(doc, big_train, seed)[0] for seed in range(5)}
    assert any("BECAUSE OF" in text for text in texts)
    assert any("WARFARIN" in text for text in texts)
    assert all(text.isupper() for text in texts)


def test_a_german_noun_keeps_its_capital(tmp_path: Path) -> None:
    docs = [
        note(text, ("Drug", drug), ("Reason", reason), links=(("Reason-Drug", 1, 0),))
        for text, drug, reason in (
            ("Gab Ramipril bei arterieller Hypertonie.", "Ramipril", "arterieller Hypertonie"),
            ("Gab Metoprolol bei Herzinsuffizienz.", "Metoprolol", "Herzinsuffizienz"),
        )
    ]
    write_docs(docs, tmp_path / "german.spacy")
    terms = {rewritten(docs[0], tmp_path / "german.spacy", seed)[1]["Reason"] for seed in range(5)}
    assert terms == {"Herzinsuffizienz"}


def test_a_numbered_list_in_small_letters_stays_in_them(big_train: Path) -> None:
    doc = note("Home meds: 1. metformin for gout", ("Drug", "metformin"), ("Reason", "gout"))
    texts = {rewritten(doc, big_train, seed)[0] for seed in range(10)}
    assert any("1. warfarin" in text for text in texts)
    assert not any("1. Warfarin" in text for text in texts)


def test_nested_mentions_stay_and_the_others_change(big_train: Path) -> None:
    doc = note(
        "Has history of gout, given metformin.",
        ("History", "history of gout"),
        ("Reason", "gout"),
        ("Drug", "metformin"),
    )
    _, terms = rewritten(doc, big_train, 0)
    assert terms["History"] == "history of gout"
    assert terms["Drug"] in {"calcitriol", "warfarin"}


def test_an_article_goes_with_the_new_term(big_train: Path) -> None:
    doc = note("Seen with an ache, given metformin.", ("Reason", "ache"), ("Drug", "metformin"))
    texts = {rewritten(doc, big_train, seed)[0] for seed in range(5)}
    assert all(" a gout, " in text for text in texts)


def test_prompts_of_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="StructuredRewrite"):
        list(make_rules()([["Plain."]]))


def test_a_prompt_without_markers() -> None:
    prompt = Prompt("x", [], source="The patient was given tea.")
    [[answer]] = make_rules()([[prompt]])
    assert answer in {"The patient received tea.", "This patient was given tea."}


@pytest.mark.parametrize(
    ("before", "term", "after"),
    [
        ("took a ", "aspirin", "took an "),
        ("An ", "fever", "A "),
        ("He left. A ", "apple", "He left. An "),
        ("hepatitis A ", "infection", "hepatitis A "),
        ("grade-a ", "apple", "grade-a "),
        ("an ", "urinary tract infection", "a "),
        ("an ", "unilateral rash", "a "),
        ("a ", "unintentional weight loss", "an "),
        ("a ", "urgent need", "an "),
        ("a ", "ulcer", "an "),
        ("an ", "euvolemic state", "a "),
        ("an ", "one-week course", "a "),
        ("a ", "onset", "an "),
        ("a ", "hour", "an "),
        ("an ", "hospital", "a "),
        ("a ", "11-year-old", "an "),
        ("an ", "110 mg dose", "a "),
        ("Via ", "apple", "Via "),
        ("a ", "MRI", "an "),
        ("an ", "CT", "a "),
        ("a ", "X-ray", "an "),
    ],
)
def test_articles(before: str, term: str, after: str) -> None:
    assert fit_article(before, term) == after


def test_where_nothing_can_be_replaced_the_summary_says_what_may_help(tmp_path: Path) -> None:
    alone = note("Mild rash.", ("Reason", "rash"))
    write_docs([alone], tmp_path / "train.spacy")
    paths = (tmp_path / name for name in ("train.spacy", "out.spacy", "out"))
    config = ROOT / "configs" / "augment" / "rules.cfg"
    result = run_script("augment.py", *paths, "--config", config)
    assert result.exit_code == 1
    assert "dropped: unchanged\n" in result.stdout
    # `least` is of configs with an encoder.
    assert "nested mentions as they are); more training notes, or another --vars." in result.stdout


def test_notes_without_an_annotation_have_nothing_to_rewrite(tmp_path: Path) -> None:
    write_docs([note("Mild rash.")], tmp_path / "train.spacy")
    paths = (tmp_path / name for name in ("train.spacy", "out.spacy", "out"))
    config = ROOT / "configs" / "augment" / "rules.cfg"
    result = run_script("augment.py", *paths, "--config", config)
    assert result.exit_code == 1
    assert "no training note has an annotation: there is nothing to rewrite\n" in result.stdout
