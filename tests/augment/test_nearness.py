import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spacy_transformers.layers import transformer_model

from clinical_ie.augment import near_terms
from clinical_ie.augment.counterparts import Counterparts
from clinical_ie.augment.filters.case import Case
from clinical_ie.augment.filters.sense import make_sense_kept
from clinical_ie.augment.markup import encode
from clinical_ie.augment.models import rules
from clinical_ie.augment.models.grammar import choice_grammar
from clinical_ie.augment.models.rules import make_rules
from clinical_ie.augment.near_terms import make_near_terms
from clinical_ie.augment.nearness import Nearness
from clinical_ie.augment.prompt import Prompt
from clinical_ie.augment.terms import Group, Terms
from clinical_ie.doc import Mention
from clinical_ie.encoder import loading
from clinical_ie.encoder.loading import load_pretrained
from tests.augment.test_filters import passage
from tests.conftest import build_tiny_bert


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_bert(tmp_path_factory.mktemp("encoder"), max_pieces=64)


def test_vectors_have_length_one_and_do_not_depend_on_their_batch(encoder: Path) -> None:
    nearness = Nearness(encoder)
    together = nearness.vectors(["pain", "a much longer term", "pain"])
    assert np.allclose((together**2).sum(axis=1), 1, atol=1e-5)
    assert np.allclose(together[0], Nearness(encoder).vectors(["pain"])[0], atol=1e-5)
    assert (together[0] == together[2]).all()


def test_a_text_is_nearest_to_itself(encoder: Path) -> None:
    same, other = Nearness(encoder).cosines([("some pain", "some pain"), ("some pain", "a leg")])
    assert same == pytest.approx(1, abs=1e-5)
    assert other < same


def test_terms_are_read_where_the_weights_are(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`meta` stands in for a GPU; copying results back from it fails, which shows it was used."""
    monkeypatch.setattr(transformer_model, "get_torch_default_device", lambda: torch.device("meta"))
    # No number can be looked at there.
    monkeypatch.setattr(loading, "_check_vectors", lambda *_: None)
    nearness = Nearness(encoder)
    # Faster attention implementations read the mask's values, which `meta` does not have.
    nearness._loaded = load_pretrained(str(encoder), {}, {"attn_implementation": "eager"})
    with pytest.raises(NotImplementedError, match="copy out of meta tensor"):
        nearness.vectors(["pain"])


def test_a_text_longer_than_the_encoder_is_cut(encoder: Path) -> None:
    [cosine] = Nearness(encoder).cosines([("pain " * 500, "pain " * 600)])
    assert cosine == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("bounds", "objection"),
    [
        ({"least": -1.0, "coherence": -1.0}, None),
        ({"least": 0.9999, "coherence": -1.0}, "'ache' for 'pain'"),
        ({"least": -1.0, "most": -0.9999, "coherence": -1.0}, "'ache' for 'pain'"),
        ({"least": -1.0, "coherence": 1.0}, "the passage"),
    ],
)
def test_sense_kept(encoder: Path, bounds: dict[str, float], objection: str | None) -> None:
    case = Case(
        passage("He took tea for pain.", ("Drug", "tea"), ("Reason", "pain")),
        passage("He took tea for ache.", ("Drug", "tea"), ("Reason", "ache")),
    )
    found = make_sense_kept(encoder, **bounds)(case)
    assert found is None if objection is None else found and objection in found


def test_another_name_and_another_number_may_be_near_or_far(encoder: Path) -> None:
    def case(old: str, new: str) -> Case:
        known = Terms(synonyms={"Reason": {"pain": Counter(["ache"])}})
        texts = [passage(f"Had {term}.", ("Reason", term)) for term in (old, new)]
        return Case(*texts, terms=known)

    least = make_sense_kept(encoder, least=0.9999, coherence=-1.0)
    assert least(case("pain", "ache")) is None
    assert least(case("pain", "leg"))
    assert least(case("92 bpm", "101 bpm")) is None
    assert least(case("92 bpm", "9 bpm"))
    assert least(case("92 bpm", "101 mg"))
    most = make_sense_kept(encoder, least=-1.0, most=-0.9999, coherence=-1.0)
    assert most(case("2 days", "3 days")) is None
    assert most(case("2 days", "3 weeks"))


def test_an_unchanged_passage_keeps_its_sense(encoder: Path) -> None:
    same = passage("He took tea for pain.", ("Drug", "tea"))
    assert make_sense_kept(encoder, coherence=0.99)(Case(same, same)) is None


@pytest.mark.parametrize("bounds", [{"least": 0.9, "most": 0.5}, {"most": 1.5}, {"coherence": 2.0}])
def test_bounds_of_sense_kept_are_checked(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sense_kept"):
        make_sense_kept("none", **bounds)


class Alike(Nearness):
    """All terms have the same vector."""

    def vectors(self, terms: Sequence[str]) -> Any:
        return np.ones((len(terms), 1), dtype=np.float32)


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ("fever", "cough", True),
        ("8:00 am", "9:30 am", False),
        ("2 days later", "3 days later", True),
        ("2 days later", "3 weeks later", False),
        ("June 2013", "May 2014", True),
        ("June 2013", "June", False),
        ("adenoma", "adenocarcinoma", True),
        ("lesion", "lesions", False),
        ("mild", "milder", False),
        ("stable", "stable condition", False),
        ("limbs", "arms and legs", False),
        ("scan", "MRI", False),
        ("scan", "(scans)", False),
        ("severe", "less severe", False),
        ("HCC", "HCV", False),
        ("conscious", "unconscious", False),
        ("scan", "brain scan", False),
        ("brain scan", "scan", True),
        ("brain scan", "repeat brain scan", True),
        ("endoscope", "flexible endoscopy", False),
        ("catheterisation", "balloon catheter", False),
        ("laparotomy", "laparoscopy", True),
        ("catheter", "NAVA catheter", False),
        ("CT scan", "brain scan", True),
        ("hospital", "different hospital", False),
    ],
)
def test_terms_of_the_same_form_stand_in_for_each_other(old: str, new: str, fits: bool) -> None:
    counterparts = Counterparts(Terms(by_label={"L": [old, new]}), Alike("none"), most=1.5)
    assert [term for _, term in counterparts.near("L", old, 3)] == [new] * fits
    assert counterparts.near("unknown", old, 3) == []


class Akin(Nearness):
    """All terms are near each other, with a cosine below 1."""

    def vectors(self, terms: Sequence[str]) -> Any:
        return np.full((len(terms), 1), 0.9, dtype=np.float32)


def test_words_that_begin_alike_are_not_taken_for_each_other() -> None:
    terms = Terms(by_label={"L": ["adenoma", "adenocarcinoma", "lymphoma"]})
    near = Counterparts(terms, Akin("none")).near("L", "adenoma", 3)
    assert [term for _, term in near] == ["lymphoma"]


def test_a_value_has_other_values_near_it_and_a_name_its_abbreviation() -> None:
    terms = Terms(
        by_label={"Dose": ["10 mg", "500 mg"], "Test": ["CT", "scan"]},
        synonyms={"Test": {"ct": Counter(["computed tomography"])}},
    )
    counterparts = Counterparts(terms, Alike("none"), most=1.5)
    values = counterparts.same_as("Dose", "10 mg", 4)
    assert sorted(values) == ["15 mg", "5 mg"]
    # Deterministic, because the journal's key depends on the grammar.
    assert values == counterparts.same_as("Dose", "10 mg", 4)
    assert counterparts.same_as("Test", "CT", 4) == ["computed tomography"]
    # A number inside a name is not a value.
    assert counterparts.same_as("Test", "CD4", 4) == []


def test_a_usual_value_has_other_usual_values_near_it() -> None:
    often = {"10 mg": 5, "20 mg": 4, "5 mg": 2, "13 mg": 1, "80 mg": 9}
    terms = Terms(
        by_label={"Dose": list(often)},
        labels={term: Counter({"Dose": n}) for term, n in often.items()},
    )
    counterparts = Counterparts(terms, Alike("none"))
    assert sorted(counterparts.same_as("Dose", "10 mg", 4)) == ["20 mg", "5 mg"]
    # A rare value counts as measured, and so does one without common values near it.
    assert "14 mg" in counterparts.same_as("Dose", "13 mg", 4)
    assert "80 mg" not in counterparts.same_as("Dose", "80 mg", 4)
    assert counterparts.same_as("Dose", "80 mg", 4)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left lower lobe", "right upper lobe"),
        ("upper lobe", "right upper lobe"),
        ("bilateral effusion", "effusion"),
        ("R wrist", "L wrist"),
        ("linken Niere", "rechten Niere"),
        ("strongly positive", "strongly negative"),
        ("hypertension", "hypotension"),
        ("increased uptake", "decreased uptake"),
    ],
)
def test_no_term_gives_way_to_its_contrary_or_to_the_other_side(old: str, new: str) -> None:
    counterparts = Counterparts(Terms(by_label={"X": [old, new]}), Akin("none"))
    assert counterparts.near("X", old, 4) == []
    assert counterparts.near("X", new, 4) == []


def test_a_side_stays() -> None:
    terms = Terms(by_label={"X": ["left lower lobe", "left upper lobe"]})
    [(_, new)] = Counterparts(terms, Akin("none")).near("X", "left lower lobe", 4)
    assert new == "left upper lobe"


def test_a_number_that_never_changes_is_part_of_a_name() -> None:
    often = {"BID (2 times a day)": 3, "Q6H (every 6 hours)": 3, "Q4H (every 4 hours)": 1}
    terms = Terms(
        by_label={"Frequency": list(often), "Risk": ["10-year risk"]},
        labels={term.lower(): Counter({"Frequency": n}) for term, n in often.items()}
        | {"10-year risk": Counter({"Risk": 2})},
    )
    counterparts = Counterparts(terms, Alike("none"))
    assert counterparts.same_as("Frequency", "BID (2 times a day)", 4) == []
    # Two occurrences are not enough.
    assert counterparts.same_as("Risk", "10-year risk", 4)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"a": "[**2151-8-19**]"}, {"a": "[**2151-8-3**]"}),
        ({"a": "4/12"}, {"a": "4/3"}),
        ({"a": "2014"}, {"a": "2009"}),
        ({"a": "12-28", "b": "fever"}, {"a": "12-03", "b": "cough"}),
    ],
)
def test_dates_of_another_note_are_not_taken(here: dict[str, str], there: dict[str, str]) -> None:
    links = frozenset([("SINCE", "b", "a")] if "b" in here else [])
    labels = dict.fromkeys(here, "Time")
    known = {"Time": [(Group(labels, there, links), "a")]}
    counterparts = Counterparts(Terms(groups=known), Akin("none"))
    assert counterparts.of(Group(labels, here, links), random.Random(0), 2) == {}


def test_what_relations_call_the_same_gets_one_other_term() -> None:
    terms = Terms(by_label={"Dose": ["12.3 g/dL"], "Drug": ["aspirin", "heparin", "naproxen"]})
    counterparts = Counterparts(terms, Akin("none"))
    links = frozenset([("IDENTICAL", "a", "b")])
    for seed in range(9):
        rng = random.Random(seed)
        dose = Group({"a": "Dose", "b": "Dose"}, {"a": "12.3 g/dL", "b": "12.3 g/dL"}, links)
        values = counterparts.same(dose, rng, dose.texts.values())
        assert values.keys() == dose.texts.keys()
        assert len(set(values.values())) == 1
        drug = Group({"a": "Drug", "b": "Drug"}, {"a": "aspirin", "b": "Aspirin"}, links)
        drawn = counterparts.of(drug, rng, 1, ["aspirin", "Aspirin"])
        assert drawn in ({"a": "heparin", "b": "heparin"}, {"a": "naproxen", "b": "naproxen"})


def test_linked_terms_of_another_note_are_the_same_where_those_here_are() -> None:
    links = frozenset([("IDENTICAL", "a", "b")])
    labels = {"a": "Drug", "b": "Drug"}
    pairs = [("heparin", "naproxen"), ("tea", "Tea")]
    groups = [Group(labels, {"a": a, "b": b}, links) for a, b in pairs]
    counterparts = Counterparts(Terms(groups={"Drug": [(group, "a") for group in groups]}))
    here = Group(labels, {"a": "aspirin", "b": "aspirin"}, links)
    assert counterparts.of(here, random.Random(0), 9)["a"] == "tea"
    # Mentions with different names may stay different.
    here = Group(labels, {"a": "aspirin", "b": "Bayer"}, links)
    assert counterparts.of(here, random.Random(0), 9)["a"] == "heparin"


def test_near_terms_of_a_training_split(encoder: Path, train: Path) -> None:
    near = make_near_terms(train, str(encoder), least=-1.0, most=1.0, size=1)
    [found] = near([("Drug", "aspirin")])
    assert found in (["metformin"], ["insulin"], ["heparin"])
    assert near([("Unknown", "aspirin"), ("Drug", "aspirin")]) == [[], found]
    # Terms of the passage are not offered; if a value can change, nothing else does.
    assert near([("Drug", "aspirin"), ("Drug", found[0])])[0] != found
    assert near([("Drug", "aspirin")], staying=found)[0] != found
    assert near([("Drug", "aspirin"), ("Strength", "81 mg")])[0] == []
    other = make_near_terms(train, str(encoder), size=2)
    assert near.fingerprint == make_near_terms(train, str(encoder), -1.0, 1.0, 1).fingerprint
    assert near.fingerprint != other.fingerprint


def test_other_weights_or_expressions_are_another_model(
    train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = build_tiny_bert(tmp_path, max_pieces=64)

    def fingerprints() -> list[str]:
        makers = make_near_terms(train, str(encoder)), make_rules(train, str(encoder))
        return [maker.fingerprint for maker in makers]

    seen = [fingerprints()]
    weights = encoder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    seen.append(fingerprints())
    for module in (near_terms, rules):
        monkeypatch.setattr(module, "EXPRESSIONS", "others: []")
    seen.append(fingerprints())
    assert fingerprints() == seen[-1]
    assert all(len(set(of_one)) == 3 for of_one in zip(*seen, strict=True))


def test_a_number_on_a_scale_stays(encoder: Path, train: Path) -> None:
    markup = encode(
        "GCS 14, HR 92.", [Mention("a", "V", ((4, 6),)), Mention("b", "V", ((11, 13),))]
    )
    prompt = Prompt("x", [], source=markup.text, markers=markup.markers)
    [[answer]] = make_rules(train, str(encoder), least=-1.0, most=1.0)([[prompt]])
    assert "GCS [[T1|V: 14]]" in answer
    asked: list[tuple[str, str]] = []
    choice_grammar(markup.text, markup.markers, lambda terms, _: asked.extend(terms) or [["90"]])
    assert asked == [("V", "92")]


def test_rules_replace_no_more_than_asked(encoder: Path, train: Path) -> None:
    source = "Given [[Drug: aspirin]], seen [[Reason: chest pain]], [[ADE: rash]]."
    mentions = [
        Mention("a", "Drug", ((6, 13),)),
        Mention("b", "Reason", ((20, 30),)),
        Mention("c", "ADE", ((32, 36),)),
    ]
    markup = encode("Given aspirin, seen chest pain, rash.", mentions)
    assert markup.text == source
    for most in (0, 1, 3):
        model = make_rules(train, str(encoder), least=-1.0, most=1.0, max_terms=most)
        prompt = Prompt("x", [], source=source, markers=markup.markers)
        [[answer]] = model([[prompt]])
        kept = sum(f": {term}]]" in answer for term in ("aspirin", "chest pain", "rash"))
        assert min(most, 1) <= 3 - kept <= most
