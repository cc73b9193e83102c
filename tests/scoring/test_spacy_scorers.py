import pytest
import spacy
from spacy.training import Example
from spacy.util import registry

from clinical_ie.doc import Annotations, Link, Mention, annotate
from clinical_ie.scoring import score
from clinical_ie.scoring.spacy_scorers import score_mentions, score_relations

TEXT = "aspirin 81 mg daily"
GOLD = Annotations(
    [
        Mention("T1", "Drug", ((0, 7),)),
        Mention("T2", "Dosage", ((8, 13),)),
        Mention("T3", "Frequency", ((14, 19),)),
    ],
    [Link("Dosage-Drug", "T2", "T1"), Link("Frequency-Drug", "T3", "T1")],
)
PREDICTED = Annotations(
    [Mention("T1", "Drug", ((0, 7),)), Mention("T2", "Dosage", ((8, 10),))],
    [Link("Dosage-Drug", "T2", "T1")],
)


def example(predicted: Annotations, gold: Annotations, text: str = TEXT) -> Example:
    nlp = spacy.blank("en")
    docs = nlp(text), nlp(TEXT)
    annotate(docs[0], predicted)
    annotate(docs[1], gold)
    return Example(*docs)


def test_pieces_that_white_space_parts_are_one() -> None:
    pieces = Annotations([Mention("T1", "Dosage", ((8, 10), (11, 13)))])
    whole = Annotations([Mention("T1", "Dosage", ((8, 13),))])
    assert score_mentions([example(whole, pieces)])["mentions_strict_f"] == 1.0


def test_mentions() -> None:
    scores = score_mentions(iter([example(PREDICTED, GOLD), example(GOLD, GOLD)]))
    assert scores.pop("mentions_per_type") == {
        "Dosage": {"p": 0.5, "r": 0.5, "f": 0.5},
        "Drug": {"p": 1.0, "r": 1.0, "f": 1.0},
        "Frequency": {"p": 1.0, "r": 0.5, "f": pytest.approx(2 / 3)},
    }
    assert scores == pytest.approx(
        {
            "mentions_strict_p": 4 / 5,
            "mentions_strict_r": 4 / 6,
            "mentions_strict_f": 8 / 11,
            "mentions_lenient_p": 1.0,
            "mentions_lenient_r": 5 / 6,
            "mentions_lenient_f": 10 / 11,
        }
    )


def test_relations() -> None:
    scores = score_relations([example(PREDICTED, GOLD)])
    assert scores["relations_strict_f"] == 0.0
    assert scores["relations_lenient_p"] == 1.0
    assert scores["relations_lenient_r"] == 0.5
    assert scores["relations_per_type"].keys() == {"Dosage-Drug", "Frequency-Drug"}


def test_same_numbers_as_the_scores_of_a_corpus() -> None:
    micro = score({"a": GOLD}, {"a": PREDICTED})["entities"]["strict"]["micro"]
    scores = score_mentions([example(PREDICTED, GOLD)])
    assert scores["mentions_strict_f"] == micro["f1"]


def test_no_examples_and_no_annotation() -> None:
    nlp = spacy.blank("en")
    bare = Example(nlp(TEXT), nlp(TEXT))
    assert score_mentions([])["mentions_strict_f"] == 0.0
    assert score_relations([bare])["relations_lenient_f"] == 0.0


def test_other_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="made from one text"):
        score_mentions([example(PREDICTED, GOLD, text=f"{TEXT} and more")])


def test_registered() -> None:
    make = registry.scorers.get("clinical_ie.mention_scorer.v1")
    assert make()([example(GOLD, GOLD)])["mentions_strict_f"] == 1.0
    make = registry.scorers.get("clinical_ie.relation_scorer.v1")
    assert make()([example(GOLD, GOLD)])["relations_strict_f"] == 1.0


def test_references_without_any_relation_are_told(caplog: pytest.LogCaptureFixture) -> None:
    without = Annotations(GOLD.mentions)
    assert score_relations(iter([example(GOLD, without)]))["relations_strict_f"] == 0.0
    [message] = caplog.messages
    assert "none of the reference Docs has relations" in message
    caplog.clear()
    score_relations([example(GOLD, without), example(GOLD, GOLD)])
    score_relations([example(without, without)])
    assert not caplog.messages
