from collections import Counter
from pathlib import Path

import pytest

from clinical_ie.augment.markup import encode
from clinical_ie.augment.models.rules import make_rules
from clinical_ie.augment.prompt import Prompt
from clinical_ie.augment.synonyms import add_synonyms
from clinical_ie.augment.terms import Terms, collect_terms
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp, make_doc
from clinical_ie.doc import Annotations, Mention

NOTE = "Computed tomography (CT) was done. A Glasgow coma scale (GCS) of 15 (CT)."


def at(term: str, label: str, place: int = 0, note: str = NOTE) -> Mention:
    start = note.index(term, place)
    return Mention(f"{term}{place}", label, ((start, start + len(term)),))


def test_long_forms_and_abbreviations_are_names_of_one_thing() -> None:
    mentions = [
        at("Computed tomography", "Test"),
        at("CT", "Test"),
        at("Glasgow coma scale", "Test"),
        at("GCS", "Test"),
    ]
    found: dict[str, dict[str, Counter[str]]] = {}
    add_synonyms(found, NOTE, mentions)
    assert found == {
        "Test": {
            "computed tomography": Counter(["CT"]),
            # The capital was only that of the sentence's first word.
            "ct": Counter(["computed tomography"]),
            "glasgow coma scale": Counter(["GCS"]),
            "gcs": Counter(["Glasgow coma scale"]),
        }
    }


@pytest.mark.parametrize(
    "mentions",
    [
        # Another label, no term before the bracket, letters that the long form lacks.
        [at("Computed tomography", "Test"), at("CT", "Other")],
        [at("15", "Test"), at("CT", "Test", 30)],
        [at("coma scale", "Test"), at("GCS", "Test")],
    ],
)
def test_what_is_no_abbreviation_is_not_taken_for_one(mentions: list[Mention]) -> None:
    found: dict[str, dict[str, Counter[str]]] = {}
    add_synonyms(found, NOTE, mentions)
    assert found == {}


def test_terms_know_them_and_keep_them_on_disk(tmp_path: Path) -> None:
    annotations = Annotations([at("Glasgow coma scale", "Test"), at("GCS", "Test")])
    terms = collect_terms([make_doc(corpus_nlp(), NOTE, annotations, "n")])
    for known in (terms, Terms.from_dict(terms.as_dict())):
        assert known.other_names("Test", "GCS") == ["Glasgow coma scale"]
        assert known.other_names("Test", "glasgow  coma scale") == ["GCS"]
        assert known.other_names("Other", "GCS") == []


def test_rules_use_other_names_but_not_beside_each_other(tmp_path: Path, tiny_bert: Path) -> None:
    annotations = Annotations([at("Glasgow coma scale", "Test"), at("GCS", "Test")])
    write_docs([make_doc(corpus_nlp(), NOTE, annotations, "n")], tmp_path / "train.spacy")
    model = make_rules(tmp_path / "train.spacy", str(tiny_bert))
    alone = "The [[Test: GCS]] was low."
    both = "The [[T1|Test: Glasgow coma scale]] ([[T2|Test: GCS]]) was low."
    markers = encode("The GCS was low.", [Mention("a", "Test", ((4, 7),))]).markers
    [[answer]] = model([[Prompt("x", [], source=alone, markers=markers)]])
    assert "[[Test: Glasgow coma scale]]" in answer
    pair = [Mention("a", "Test", ((4, 22),)), Mention("b", "Test", ((24, 27),))]
    markup = encode("The Glasgow coma scale (GCS) was low.", pair)
    assert markup.text == both
    [[answer]] = model([[Prompt("x", [], source=both, markers=markup.markers)]])
    assert "Glasgow coma scale]] ([[T2|Test: GCS]])" in answer
