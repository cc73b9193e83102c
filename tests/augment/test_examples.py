from pathlib import Path

import pytest

from clinical_ie.augment.examples import Pair, checked_pairs, make_training_pairs
from clinical_ie.augment.markup import Marker, decode, keys_in
from clinical_ie.augment.task import make_structured_rewrite
from clinical_ie.corpora.docbin import read_docs, write_docs
from tests.conftest import note

LINKS = (("Strength-Drug", 1, 0),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two notes with the same labels and relations, and one with another relation."""
    docs = [
        note(
            "He took aspirin 81 mg for fever.",
            *(("Drug", "aspirin"), ("Strength", "81 mg"), ("Reason", "fever")),
            links=LINKS,
        ),
        note(
            "For pain she had 5 g of tea.",
            *(("Drug", "tea"), ("Strength", "5 g"), ("Reason", "pain")),
            links=LINKS,
        ),
        note(
            "Got milk 1 l against thirst.",
            *(("Drug", "milk"), ("Strength", "1 l"), ("Reason", "thirst")),
            links=(("Reason-Drug", 2, 0),),
        ),
    ]
    for number, doc in enumerate(docs):
        doc._.note_id = f"note-{number}"
    write_docs(docs, tmp_path / "train.spacy")
    return tmp_path / "train.spacy"


def test_pairs_are_segments_of_two_notes_with_the_same_relations(path: Path) -> None:
    for seed in range(5):
        [pair] = make_training_pairs(path, seed=seed)()
        assert {pair.source, pair.rewrite} == {
            "He took [[Drug: aspirin]] [[Strength: 81 mg]] for [[Reason: fever]].",
            "For [[Reason: pain]] she had [[Strength: 5 g]] of [[Drug: tea]].",
        }


def test_notes_without_ids_are_told_apart(path: Path) -> None:
    docs = read_docs(path)
    for doc in docs:
        doc._.note_id = ""
    write_docs(docs, path)
    assert len(make_training_pairs(path)()) == 1


def test_ids_of_the_rewrite_are_those_of_the_source(tmp_path: Path) -> None:
    docs = [
        note(
            "Tea 5 g and milk 1 l.",
            *(("Drug", "Tea"), ("Strength", "5 g"), ("Drug", "milk"), ("Strength", "1 l")),
            links=(("Strength-Drug", 1, 0), ("Strength-Drug", 3, 2)),
        ),
        note(
            "1 mg and 2 mg of aspirin and heparin, respectively.",
            *(("Strength", "1 mg"), ("Strength", "2 mg")),
            *(("Drug", "aspirin"), ("Drug", "heparin")),
            links=(("Strength-Drug", 0, 2), ("Strength-Drug", 1, 3)),
        ),
    ]
    docs[1]._.note_id = "other"
    write_docs(docs, tmp_path / "t.spacy")
    [pair] = make_training_pairs(tmp_path / "t.spacy", seed=0)()
    markers = [Marker(key, key, key.split("|")[-1]) for key in keys_in(pair.source)]
    sides = []
    for side in (pair.source, pair.rewrite):
        text, mentions = decode(side, markers)
        sides.append({m.id: text[m.start : m.end] for m in mentions})
    amounts = {"Tea": "5 g", "milk": "1 l", "aspirin": "1 mg", "heparin": "2 mg"}
    keys = list(sides[0])
    for side in sides:
        drugs = {k: side[k] for k in keys if k.endswith("Drug")}
        for drug_key, drug in drugs.items():
            strength_key = next(k for k in keys if side[k] == amounts[drug])
            other = sides[1] if side is sides[0] else sides[0]
            assert amounts[other[drug_key]] == other[strength_key]


def test_the_task_reads_them_from_the_config(path: Path) -> None:
    task = make_structured_rewrite(examples=make_training_pairs(path))
    assert len(task.examples) == 1
    assert isinstance(task.examples[0], Pair)


@pytest.mark.parametrize("bad", ["text", {"source": "a"}, {"source": "[[A: b]]", "rewrite": "b"}])
def test_what_is_no_pair(bad: object) -> None:
    with pytest.raises(ValueError, match="example 1"):
        checked_pairs([bad])
