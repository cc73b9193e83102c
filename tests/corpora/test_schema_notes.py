"""The content of generated notes, for the bundled schema and for a user's own."""

import itertools
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical_ie.brat import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Relation,
    Standoff,
    TextBound,
    read_note,
    write_note,
)
from clinical_ie.brat.files import covered_text
from clinical_ie.corpora.generator import SPLITS, GeneratedNote, Generator, Schema, load_schema
from clinical_ie.corpora.generator.lexicon import divide
from clinical_ie.corpora.generator.note import draw_length
from clinical_ie.corpora.generator.schema import Length
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc
from clinical_ie.corpora.synthetic.dice import Dice
from tests.conftest import ROOT

from .schema_example import small_schema

DENIAL = r"\b(denies|no family history of|there was no)\s[^.;]*\sor\s[^.;]*\."

Notes = dict[str, list[GeneratedNote]]


@pytest.fixture(scope="module")
def full() -> Schema:
    return load_schema(ROOT / "configs" / "synthetic" / "full.yml")


@pytest.fixture(scope="module")
def sample(full: Schema) -> Notes:
    generator = Generator(full, 0)
    sizes = {"train": 40, "dev": 8, "test": 12}
    return {s: [generator.write(s, index) for index in range(n)] for s, n in sizes.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    return small_schema(tmp_path_factory.mktemp("small"))


def mentions(note: GeneratedNote) -> dict[str, TextBound]:
    return {mention.id: mention for mention in note.standoff.records(TextBound)}


def relations(note: GeneratedNote) -> list[tuple[str, TextBound, TextBound]]:
    """Label, head and tail of every relation, events resolved to their triggers."""
    known = mentions(note)
    known |= {event.id: known[event.trigger] for event in note.standoff.records(Event)}
    return [
        (relation.label, *(known[id_] for id_ in relation.ends))
        for relation in note.standoff.records(Relation)
    ]


def hull(mention: TextBound) -> tuple[int, int]:
    return mention.fragments[0][0], mention.fragments[-1][1]


def check_consistent(schema: Schema, note: GeneratedNote) -> None:
    for mention in mentions(note).values():
        assert covered_text(note.text, mention.fragments) == mention.text
        assert mention.label in schema.entities
        pieces = [note.text[start:end] for start, end in mention.fragments]
        assert all(piece and piece == piece.strip() and "\n" not in piece for piece in pieces)
        ends = [offset for fragment in mention.fragments for offset in fragment]
        assert ends == sorted(set(ends))
    for label, head, tail in relations(note):
        assert head.label in schema.relations[label].head
        assert tail.label in schema.relations[label].tail
    assert str(Standoff.parse(str(note.standoff))) == str(note.standoff)
    assert Standoff.parse(str(note.standoff)).problems == []


def test_every_mention_and_relation_fits_text_and_schema(full: Schema, sample: Notes) -> None:
    for notes in sample.values():
        for note in notes:
            check_consistent(full, note)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**6), st.sampled_from(SPLITS), st.integers(0, 500))
def test_a_users_schema_gives_consistent_notes(
    small: Schema, seed: int, split: str, index: int
) -> None:
    note = Generator(small, seed).write(split, index)
    check_consistent(small, note)
    assert 20 < len(note.text.split()) < 180


def test_the_schema_has_the_papers_size(full: Schema) -> None:
    assert len(full.entities) == 29
    assert len(full.relations) == 17
    assert sum(len(section.patterns) for section in full.sections.values()) >= 150


def test_all_types_and_line_kinds_occur_in_sixty_notes(full: Schema, sample: Notes) -> None:
    notes = [note for notes in sample.values() for note in notes]
    assert {m.label for note in notes for m in mentions(note).values()} == set(full.entities)
    assert {label for note in notes for label, _, _ in relations(note)} == set(full.relations)
    kinds = (Event, Attribute, Normalization, Comment, Equivalence)
    counts = {kind: sum(len([*note.standoff.records(kind)]) for note in notes) for kind in kinds}
    assert all(counts.values()), counts
    attributes = {a.label: a.value for note in notes for a in note.standoff.records(Attribute)}
    assert attributes.keys() == {"Negated", "Certainty"}
    assert attributes["Negated"] == ""


def test_lines_refer_to_what_is_there(sample: Notes) -> None:
    for note in sample["train"]:
        known = mentions(note)
        events = {event.id: event for event in note.standoff.records(Event)}
        for event in events.values():
            assert known[event.trigger].label == event.label
            assert {ref for _, ref in event.args} <= known.keys()
        named = {id_ for r in note.standoff.records(Relation) for id_ in r.ends}
        # A relation refers to the event, never to its trigger.
        assert not named & {event.trigger for event in events.values()}
        for attribute in note.standoff.records(Attribute):
            assert attribute.target in known | events
        for equivalence in note.standoff.records(Equivalence):
            assert len({known[id_].label for id_ in equivalence.members}) == 1
        for code in note.standoff.records(Normalization):
            assert re.fullmatch(r"MadeUp\w+:\d{7}", code.reference)


def test_the_reader_takes_over_every_mention_and_relation(sample: Notes, tmp_path: Path) -> None:
    for note in sample["test"][:4]:
        write_note(tmp_path, note.name, note.text, note.standoff)
        doc, problems = note_to_doc(corpus_nlp(), read_note(tmp_path / f"{note.name}.txt"))
        assert problems == []
        assert len(doc.spans["entities"]) == len(mentions(note))
        assert len(doc._.relations) == len(relations(note))


def test_nested_equal_discontinuous_and_crossing_mentions(sample: Notes) -> None:
    count: Counter[str] = Counter()
    for note in sample["train"]:
        hulls = [hull(mention) for mention in mentions(note).values()]
        count["mentions"] += len(hulls)
        count["equal"] += len(hulls) - len(set(hulls))
        places = sorted(set(hulls), key=lambda place: (place[0], -place[1]))
        count["nested"] += sum(right[1] <= left[1] for left, right in itertools.pairwise(places))
        for mention in mentions(note).values():
            gaps = itertools.pairwise(mention.fragments)
            count["pieces"] += any(note.text[a[1] : b[0]].strip() for a, b in gaps)
        for _, head, tail in relations(note):
            first, second = sorted([hull(head), hull(tail)])
            between = note.text[first[1] : second[0]]
            count["relations"] += 1
            count["crossing"] += re.search(r"[.!?]\s", between) is not None
    assert 0.002 < count["equal"] / count["mentions"] < 0.02
    assert 0.01 < count["nested"] / count["mentions"] < 0.1
    assert 0.002 < count["pieces"] / count["mentions"] < 0.02
    assert 0.03 < count["crossing"] / count["relations"] < 0.2


def test_denied_findings_are_not_annotated(sample: Notes) -> None:
    denied = 0
    for note in sample["train"]:
        for match in re.finditer(DENIAL, note.text, flags=re.IGNORECASE):
            denied += 1
            starts = [hull(mention)[0] for mention in mentions(note).values()]
            assert not [at for at in starts if match.start() < at < match.end()], match[0]
    assert denied > 10


def test_lengths_lines_and_characters(sample: Notes) -> None:
    notes = [note for notes in sample.values() for note in notes]
    lengths = [len(note.text.split()) for note in notes]
    # At about 1.6 wordpieces per word, the median stays above 1,500 wordpieces.
    assert 950 < statistics.median(lengths) < 1500
    assert max(lengths) > 2000
    widths = [max(map(len, note.text.split("\n"))) for note in notes]
    wrapped = [width for width in widths if width <= 82]
    assert 0.5 < len(wrapped) / len(widths) < 0.9
    assert any("\t" in note.text for note in notes)
    assert any("µ" in note.text for note in notes)
    assert any(re.search(r"^\d\. ", note.text, flags=re.MULTILINE) for note in notes)
    for note in notes:
        assert re.search(r"[{}\[\]]| @|->", note.text) is None


def test_half_of_the_notes_lie_below_the_median() -> None:
    length = Length(min=100, median=200, p90=400, max=1000)
    drawn = [draw_length(Dice(str(number)), length) for number in range(2000)]
    assert min(drawn) >= 100
    assert max(drawn) <= 1000
    assert 0.45 < sum(words < 200 for words in drawn) / 2000 < 0.55
    assert 0.87 < sum(words < 400 for words in drawn) / 2000 < 0.93


def own_keys(schema: Schema, name: str, split: str) -> set[str]:
    return {e.key for e in divide(name, schema.entities[name], schema.splits, 0)[split].own}


def test_test_notes_use_terms_that_train_never_shows(full: Schema, sample: Notes) -> None:
    def surfaces(split: str) -> set[tuple[str, str]]:
        return {(m.label, m.text.lower()) for n in sample[split] for m in mentions(n).values()}

    train = surfaces("train")
    shown = train | surfaces("dev")
    for name in ("Drug", "Problem", "Device", "Allergen"):
        entries = full.entities[name]
        held_out = own_keys(full, name, "test")
        assert len(held_out) == round(0.2 * len(entries))
        assert held_out.isdisjoint(own_keys(full, name, "dev"))
        assert not {(name, key.lower()) for key in held_out} & shown
    drugs = [
        m.text.lower() for n in sample["test"] for m in mentions(n).values() if m.label == "Drug"
    ]
    unseen = [drug for drug in drugs if ("Drug", drug) not in train]
    assert 0.15 < len(unseen) / len(drugs) < 0.6
    assert own_keys(full, "Laterality", "test") == set()


def test_test_sections_use_sentences_that_train_never_shows(full: Schema) -> None:
    patterns = full.sections["Hospital Course"].patterns
    shelves = divide("Hospital Course", patterns, full.splits, 0)
    own = {pattern.source for pattern in shelves["test"].own}
    assert len(own) == round(0.2 * len(patterns))
    assert own.isdisjoint(pattern.source for pattern in shelves["train"].common)


def test_strengths_and_values_go_with_their_drugs_and_tests(full: Schema, sample: Notes) -> None:
    metformin = {"Metformin", "metformin", "Glucophage"}
    strengths = set()
    for note in [note for notes in sample.values() for note in notes]:
        for label, head, tail in relations(note):
            if label == "Strength-Drug" and tail.text in metformin:
                strengths.add(head.text)
            if label == "Value-of" and tail.text.lower() in {"potassium", "k+"}:
                assert re.match(r"[2-6]\.\d|within|unremarkable|elevated|WNL|low", head.text)
    assert strengths
    assert all(re.fullmatch(r"(250|500|750|1,000|1000) ?mg", s) for s in strengths), strengths


def test_a_note_depends_on_its_own_number_only(full: Schema, sample: Notes) -> None:
    again = Generator(full, 0).write("dev", 5)
    assert again.text == sample["dev"][5].text
    assert str(again.standoff) == str(sample["dev"][5].standoff)
    assert Generator(full, 1).write("dev", 5).text != again.text
    assert len({note.text for notes in sample.values() for note in notes}) == 60


def test_a_table_has_its_header_and_aligned_cells(small: Schema) -> None:
    tables = [Generator(small, 0).write("train", index).text for index in range(20)]
    padded = [text for text in tables if re.search(r"^Plant {17}Water$", text, re.MULTILINE)]
    assert padded
    for line in padded[0].split("Water\n")[1].splitlines():
        assert re.match(r"[\w ]{21} \S", line)


def test_words_of_the_cast_go_together(small: Schema) -> None:
    for index in range(20):
        text = Generator(small, 0).write("train", index).text
        assert len(set(re.findall(r"\b(She|He)\b", text))) <= 1
