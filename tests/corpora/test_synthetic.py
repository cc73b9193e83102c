import itertools
import re
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ie.brat import Relation, TextBound
from clinical_ie.corpora.synthetic import (
    POOLS,
    SyntheticNote,
    generate_note,
    load_pool,
)
from clinical_ie.corpora.synthetic.dice import Dice
from clinical_ie.corpora.synthetic.lexicon import KINDS
from clinical_ie.corpora.synthetic.story import Story

SIZES = {"train": 32, "dev": 10, "test": 15}
ATTRIBUTES = {"Strength", "Form", "Dosage", "Frequency", "Route", "Duration", "Reason", "ADE"}
CLINICAL = {"Drug", "Reason", "ADE"}

Corpus = dict[str, list[SyntheticNote]]


@pytest.fixture(scope="module")
def demo() -> Corpus:
    return {
        split: [generate_note(0, split, index) for index in range(size)]
        for split, size in SIZES.items()
    }


def mentions(note: SyntheticNote) -> dict[str, TextBound]:
    return {mention.id: mention for mention in note.standoff.records(TextBound)}


def relations(note: SyntheticNote) -> list[tuple[TextBound, TextBound]]:
    """The (attribute, drug) pair of every relation."""
    by_id = mentions(note)
    return [
        (by_id[attribute], by_id[drug])
        for attribute, drug in (relation.ends for relation in note.standoff.records(Relation))
    ]


def between(note: SyntheticNote, left: TextBound, right: TextBound) -> str:
    """The text from the end of the first mention to the end of the second."""
    first, second = sorted([left, right], key=lambda mention: mention.fragments)
    return note.text[first.fragments[-1][1] : second.fragments[-1][1]]


def crosses_sentence(note: SyntheticNote, left: TextBound, right: TextBound) -> bool:
    return re.search(r"[\w)]\.\s+[A-Z]", between(note, left, right)) is not None


def section(note: SyntheticNote, title: str) -> tuple[int, int]:
    """Start and end of a section's body, in characters."""
    found = re.search(rf"\n\n{title}:\n(.*?)(\n\n|\n\Z)", note.text, flags=re.DOTALL | re.I)
    assert found is not None, (note.name, title)
    return found.span(1)


def inside(note: SyntheticNote, start: int, end: int) -> list[TextBound]:
    return [
        mention
        for mention in mentions(note).values()
        if start < mention.fragments[-1][1] and mention.fragments[0][0] < end
    ]


def surfaces(notes: list[SyntheticNote], labels: set[str]) -> set[str]:
    return {
        mention.text.lower()
        for note in notes
        for mention in mentions(note).values()
        if mention.label in labels
    }


def flat(note: SyntheticNote) -> str:
    return note.text.replace("\n", " ").lower()


def occurring(terms: set[str], text: str) -> list[str]:
    """The terms that occur in the text as whole words."""
    longest_first = sorted(terms, key=len, reverse=True)
    return re.findall(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", text)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(min_value=0, max_value=10**9),
    split=st.sampled_from(sorted(SIZES)),
    index=st.integers(min_value=0, max_value=200),
)
def test_annotations_are_consistent_for_any_seed(seed: int, split: str, index: int) -> None:
    note = generate_note(seed, split, index)
    by_id = mentions(note)
    for mention in by_id.values():
        pieces = [note.text[start:end] for start, end in mention.fragments]
        assert " ".join(pieces) == mention.text
        assert all(piece == piece.strip() and piece and "\n" not in piece for piece in pieces)
    linked = set()
    for relation in note.standoff.records(Relation):
        attribute, drug = (by_id[id_] for id_ in relation.ends)
        assert relation.label == f"{attribute.label}-Drug"
        assert attribute.label in ATTRIBUTES
        assert drug.label == "Drug"
        linked.add(attribute.id)
    assert linked == {id_ for id_, mention in by_id.items() if mention.label != "Drug"}
    assert all(len(line) <= 75 for line in note.text.split("\n"))
    assert re.search(r"[{}]| \n|\n{3}|\.\.", note.text) is None
    assert note.text.isascii()


def test_every_drug_name_is_annotated(demo: Corpus) -> None:
    names = {
        name.lower()
        for pool in map(load_pool, ("train", "dev", "test"))
        for group in pool.groups
        for name in [group.noun, *(name for drug in group.drugs for name in drug.names)]
    }
    for note in [note for notes in demo.values() for note in notes]:
        text = list(flat(note))
        for mention in mentions(note).values():
            if mention.label == "Drug":
                for start, end in mention.fragments:
                    text[start:end] = "_" * (end - start)
        rest = "".join(text)
        assert occurring(names, rest) == [], note.name


def test_a_note_depends_on_its_own_number_only(demo: Corpus) -> None:
    again = generate_note(0, "dev", 7)
    assert again.text == demo["dev"][7].text
    assert str(again.standoff) == str(demo["dev"][7].standoff)
    assert len({note.text for notes in demo.values() for note in notes}) == sum(SIZES.values())
    assert generate_note(1, "dev", 7).text != again.text


def test_pools_are_rich() -> None:
    wanted = {"train": (60, 40, 20, 60), "test": (35, 25, 12, 35)}
    for name, (drugs, reasons, ades, templates) in wanted.items():
        pool = load_pool(name)
        assert len({drug.names[0] for group in pool.groups for drug in group.drugs}) >= drugs
        assert len({reason for group in pool.groups for reason in group.reasons}) >= reasons
        assert len({ade for group in pool.groups for ade in group.ades}) >= ades
        told = {"history", "acute", "relief", "home", "changed", "stopped", "adverse"}
        assert sum(len(pool.templates[kind]) for kind in told) >= templates


def test_train_never_shows_what_test_asks_for(demo: Corpus) -> None:
    train = " ".join(flat(note) for note in demo["train"])
    assert occurring(surfaces(demo["test"], CLINICAL), train) == []


def test_the_pools_of_test_share_no_drug_problem_or_sentence_with_others() -> None:
    def terms(name: str) -> set[str]:
        groups = load_pool(name).groups
        return {
            term.lower()
            for group in groups
            for term in [
                group.noun,
                *group.reasons,
                *group.aims,
                *group.ades,
                *(n for drug in group.drugs for n in drug.names),
            ]
        }

    def sentences(name: str) -> set[str]:
        templates = load_pool(name).templates.values()
        return {str(template.pieces) for kind in templates for template in kind}

    for other in ("train", "dev"):
        assert terms("test").isdisjoint(terms(other))
        assert sentences("test").isdisjoint(sentences(other))
    assert sentences("dev").isdisjoint(sentences("train"))


@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_templates_are_about_a_medicine_or_about_none(name: str) -> None:
    for kind, templates in load_pool(name).templates.items():
        for template in templates:
            if kind in {"opening", "denial"}:
                assert template.roles == {}
            elif kind != "allergies":
                assert template.leads[0] == 1


def test_splits_tell_by_templates_of_their_own_pools(demo: Corpus) -> None:
    for split, notes in demo.items():
        origins = [id_.split("/")[0] for note in notes for id_ in note.templates]
        assert set(origins) == {*POOLS[split], "shared"}
    dev = [id_.split("/")[0] for note in demo["dev"] for id_ in note.templates]
    assert 0.35 < dev.count("dev") / (dev.count("dev") + dev.count("train")) < 0.65
    unseen = surfaces(demo["dev"], {"Drug"}) - surfaces(demo["train"], {"Drug"})
    assert len(unseen) > 20
    assert unseen.isdisjoint(surfaces(demo["test"], {"Drug"}))


@pytest.mark.parametrize("split", ["train", "test", "dev"])
def test_every_template_gets_told(split: str) -> None:
    uses = {"acute": "acute", "relief": "prn"}
    told = set()
    for seed, kind in itertools.product(range(45), sorted(KINDS)):
        story = Story(Dice(f"{seed}/{kind}"), split)
        queue = story.prescribe(uses.get(kind, "chronic"), 9)
        story.listed(queue)
        queue = [item for item in queue if item.higher_amount or kind != "changed"]
        for _ in range(4):
            if queue:
                story.tell(kind, queue)
        told.update(story.templates)
    pool = load_pool(split)
    ids = {template.id for kind in pool.templates.values() for template in kind}
    assert ids | {layout.id for layout in pool.layouts} <= told


def test_shared_text_has_no_annotation(demo: Corpus) -> None:
    for note in demo["train"] + demo["dev"] + demo["test"]:
        for title in ("Past Medical History", "Physical Exam", "Discharge Condition"):
            assert inside(note, *section(note, title)) == []
    for note in demo["train"][::3]:
        assert inside(note, *section(note, "Pertinent Results")) == []


def test_numbers_that_are_no_doses_stay_unannotated(demo: Corpus) -> None:
    pattern = (
        r"K at [\d.]+\s+mEq/L|Creatinine \(mg/dL\)|BP \d+/\d+|1500\s+mL\s+daily|\[\*\*.*?\*\*\]"
    )
    found = set()
    for note in demo["train"]:
        for match in re.finditer(pattern, note.text, flags=re.DOTALL):
            assert inside(note, *match.span()) == [], (note.name, match[0])
            found.add(match[0][:2])
    assert found == {"K ", "Cr", "BP", "15", "[*"}


def test_denied_findings_stay_unannotated(demo: Corpus) -> None:
    denied = 0
    problems = surfaces(demo["train"], {"Reason", "ADE"})
    for note in demo["train"]:
        for match in re.finditer(r"\b(denies|No)\s[^.]*\sor\s[^.]*\.", note.text):
            assert inside(note, *match.span()) == []
            denied += bool(occurring(problems, match[0].replace("\n", " ")))
    assert denied > 10


def test_relations_cross_sentences_and_lines(demo: Corpus) -> None:
    for split, notes in demo.items():
        pairs = [(note, pair) for note in notes for pair in relations(note)]
        crossing = [(note, pair) for note, pair in pairs if crosses_sentence(note, *pair)]
        assert 0.02 < len(crossing) / len(pairs) < 0.3
        labels = {pair[0].label for _, pair in crossing}
        assert labels >= {"Reason", "Strength"}
        assert split == "dev" or "ADE" in labels
        assert any(len(mention.fragments) > 1 for _, pair in pairs for mention in pair)


def test_the_same_words_are_adverse_effect_and_reason(demo: Corpus) -> None:
    for split in ("train", "test"):
        notes = defaultdict(set)
        for note in demo[split]:
            for mention in mentions(note).values():
                notes[mention.label, mention.text.lower()].add(note.name)
        ambiguous = {text for label, text in notes if label == "ADE" and ("Reason", text) in notes}
        assert len(ambiguous) >= 3
        assert any(notes["ADE", text] - notes["Reason", text] for text in ambiguous)
    # Within one note, a single span can have both labels.
    spans = [
        {m.fragments for m in mentions(note).values() if m.label == label}
        for note in demo["train"]
        for label in ("ADE", "Reason")
    ]
    assert any(ade & reason for ade, reason in zip(spans[::2], spans[1::2], strict=True))


def test_drugs_without_attributes_and_stopped_drugs_with_them(demo: Corpus) -> None:
    for split in ("train", "test"):
        bare = stopped = avoided = 0
        for note in demo[split]:
            linked = {drug.id for _, drug in relations(note)}
            allergies = inside(note, *section(note, "Allergies"))
            bare += sum(m.label == "Drug" and m.id not in linked for m in allergies)
            text = note.text.replace("\n", " ")
            for attribute, drug in relations(note):
                end = max(attribute.fragments[-1][1], drug.fragments[-1][1])
                ending = r"[^.]{0,12}(was stopped|discontinued|was held|will leave it off|dropped)"
                stopped += attribute.label == "Strength" and bool(re.match(ending, text[end:]))
            start, end = section(note, "Discharge Instructions")
            avoided += bool(re.search(r"[Aa]void|Do not take|Stay away|No .* for", text[start:end]))
        assert bare >= 3
        assert stopped >= 1
        assert avoided >= 1


def test_one_note_in_three_is_far_longer_than_an_encoder_reads(demo: Corpus) -> None:
    def wordpieces(note: SyntheticNote) -> float:
        # BERT's uncased vocabulary splits these words into 1.8 wordpieces on average.
        return 1.8 * len(note.text.split())

    lengths = {split: [wordpieces(note) for note in notes] for split, notes in demo.items()}
    for split_lengths in lengths.values():
        for index, length in enumerate(split_lengths):
            low, high = (1500, 2600) if index % 3 == 0 else (350, 900)
            assert low < length < high
    assert 30_000 < sum(lengths["train"]) < 36_000


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split 'training' is unknown; expected one of"):
        generate_note(0, "training", 0)
