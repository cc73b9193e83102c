import logging
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from clinical_ie.annotate.notes import InputNote
from clinical_ie.corpora.docbin import DocBinWriter, read_docs, write_docs
from clinical_ie.doc import Link, annotations_of
from clinical_ie.heads.taught import Taught, keep_taught
from clinical_ie.ner.component import ClinicalNER
from clinical_ie.ner.tags import gold_tags, tag_probabilities
from clinical_ie.training.teaching import Teacher
from tests.conftest import examples, note, run_script

TEXTS = {
    "1": "He took aspirin 81 mg daily for chest pain.",
    "2": "Started on metformin 500 mg for diabetes.",
    "3": "",
    "4": "Lisinopril was stopped because of cough.",
    # The same text twice.
    "5": "Lisinopril was stopped because of cough.",
}


@pytest.fixture
def nlp(learned: Path) -> Language:
    return spacy.load(learned)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "notes" / f"{name}.txt").write_text(text)
    return tmp_path / "notes"


def teach(pipeline: Path, folder: Path, *options: object):
    return run_script("teach.py", pipeline, folder, folder.parent / "taught.spacy", *options)


def found_in(doc: Doc) -> tuple[list[tuple], list[tuple]]:
    found = annotations_of(doc)
    return [m[:3] for m in found.mentions], [link[:3] for link in found.links]


def with_certainty(doc: Doc, labels: list[str]) -> Doc:
    """A copy that says of its own annotations that they are certain."""
    copy = doc.copy()
    spans = [(s.start, s.end, labels.index(s.label_)) for s in doc.spans["entities"]]
    tags = gold_tags(spans, len(doc), len(labels))
    keep_taught(copy, labels, tags, tags, annotations_of(doc).links)
    return copy


def taught_by(nlp: Language, text: str, folder: Path) -> Doc:
    """A note as a pipeline teaches it, through a file."""
    [packed] = Teacher(nlp).teach([InputNote("1", text, "1.txt")])
    with DocBinWriter(folder / "1.spacy") as writer:
        writer.add(packed)
    [doc] = read_docs(folder / "1.spacy")
    return doc


def loss_of(nlp: Language, docs: list[Doc], name: str = "clinical_ner") -> float:
    losses: dict[str, float] = {}
    fix_random_seed(0)
    nlp.update(examples(nlp, docs), sgd=False, losses=losses, drop=0.0)
    return losses[name]


def test_notes_come_with_all_that_the_teacher_thinks_of_them(learned, folder, nlp):
    result = teach(learned, folder, "--batch-size", 2)
    assert (result.exit_code, "5 of 5 notes" in result.stderr) == (0, True), result.stderr
    assert [path.name for path in folder.parent.iterdir() if path != folder] == ["taught.spacy"]
    docs = read_docs(folder.parent / "taught.spacy")
    assert {doc._.note_id: doc.text for doc in docs} == TEXTS
    ner, relations = nlp.get_pipe("clinical_ner"), nlp.get_pipe("clinical_relations")
    for doc in docs:
        own = nlp(doc.text)
        assert found_in(doc) == found_in(own)
        taught = Taught.of(doc)
        if not len(doc):
            assert taught is None
            continue
        for competing in (True, False):
            scores = ner.model.predict([own])[0]
            wanted = tag_probabilities(scores, [len(own)], competing)[1]
            found = taught.tags(ner.labels, competing)
            assert found == pytest.approx(np.where(wanted < 0.001, 0, wanted), abs=0.001)
        [(candidates, probabilities)] = relations.relate([own])
        # Unlike what is predicted, they do not depend on how sure the mentions are.
        both = candidates.sure[candidates.heads] * candidates.sure[candidates.tails]
        [(_, predicted)] = relations.predict([own])
        assert predicted == pytest.approx(probabilities * both[:, None])
        found = sorted(link.score for link in taught.links)
        assert found == pytest.approx(np.sort(probabilities[probabilities >= 0.001]), abs=1e-5)
        assert not own._.relations or max(found) > 0.9
        assert len(taught.links) == (probabilities >= 0.001).sum()
        assert {link[:3] for link in taught.links} >= set(found_in(own)[1])
        assert all(0.001 <= link.score <= 1 for link in taught.links)


def test_certain_probabilities_teach_what_annotations_do(nlp, notes):
    labels = list(nlp.get_pipe("clinical_ner").labels)
    certain = [with_certainty(doc, labels) for doc in notes]
    for name in ("clinical_ner", "clinical_relations"):
        assert loss_of(nlp, certain, name) == pytest.approx(loss_of(nlp, notes, name), rel=1e-6)


def test_edited_annotations_are_learned_in_the_place_of_probabilities(nlp, notes, tmp_path, caplog):
    labels = list(nlp.get_pipe("clinical_ner").labels)
    taught = with_certainty(notes[0], labels)
    write_docs([taught], tmp_path / "taught.spacy")
    [read] = read_docs(tmp_path / "taught.spacy")
    assert Taught.of(read) is not None
    # Another order is no edit.
    read.spans["entities"] = list(read.spans["entities"])[::-1]
    assert Taught.of(read) is not None
    fewer, edited = taught.copy(), notes[0].copy()
    for doc in (fewer, edited):
        doc._.relations = doc._.relations[1:]
    assert len(fewer._.relations) == len(notes[0]._.relations) - 1
    assert Taught.of(fewer) is None
    for doc in (fewer, edited):
        doc.spans["entities"] = list(doc.spans["entities"])[1:]
    assert Taught.of(fewer) is None
    assert [r.getMessage().partition(" was ")[2] for r in caplog.records] == [
        "edited after its teacher annotated it: learned from its annotations alone"
    ]
    for name in ("clinical_ner", "clinical_relations"):
        assert loss_of(nlp, [fewer], name) == loss_of(nlp, [edited], name)


def test_probabilities_are_learned_in_the_place_of_annotations(nlp, notes):
    head = nlp.get_pipe("clinical_ner")
    [doc] = nlp.pipe([notes[0].text])
    # Less sure than this pipeline, which knows the note by heart.
    scores = head.model.predict([doc])[0] / 4
    parts = [tag_probabilities(scores, [len(doc)], competing)[1] for competing in (True, False)]
    taught = notes[0].copy()
    keep_taught(taught, head.labels, *parts, [])
    towards_taught, towards_annotations = (
        np.abs(head.get_loss([Example(doc, reference)], [scores])[1][0]).max() * len(doc)
        for reference in (taught, notes[0])
    )
    # It agrees with what it thinks itself, but for rounding.
    assert towards_taught < 0.002
    assert towards_annotations > 0.1


def test_links_are_learned_with_their_probability(nlp, notes):
    head = nlp.get_pipe("clinical_relations")
    doc = notes[0].copy()
    link = annotations_of(doc).links[0]
    tags = gold_tags([], len(doc), 1)
    gone, unheard = link._replace(head="T99"), link._replace(label="Unheard-of")
    keep_taught(doc, ["Drug"], tags, tags, [link._replace(score=0.25), gone, unheard])
    [example] = examples(nlp, [doc])
    targets = head._gold_candidates(example, head.schema)[1]
    assert sorted(set(targets.ravel().tolist())) == [0.0, 0.25]
    assert (targets == 0.25).sum() == 1
    assert targets[:, head.labels.index(link.label)].max() == 0.25


def test_labels_are_matched_by_name(notes):
    doc = notes[0].copy()
    tags = gold_tags([(0, 1, 0), (2, 4, 1)], len(doc), 2)
    keep_taught(doc, ["Dose", "Drug"], tags, tags, [])
    found = Taught.of(doc).tags(["ADE", "Drug", "Dose"], competing=True)
    assert found.shape == (len(doc), 3, 4)
    assert not found[:, 0].any()
    assert (found[:, 1] == tags[:, 1]).all()
    assert (found[:, 2] == tags[:, 0]).all()


def test_a_teacher_of_labels_that_exclude_each_other_teaches_just_that(nlp, tmp_path):
    head = nlp.get_pipe("clinical_ner")
    for overlapping in (True, False):
        head.overlapping = overlapping
        # A note that it is not sure of.
        taught = Taught.of(
            taught_by(
                nlp, "Daily pain of 5 mg metformin, aspirin and cough for diabetes.", tmp_path
            )
        )
        parts = [taught.tags(head.labels, competing) for competing in (True, False)]
        assert np.array_equal(*parts) != overlapping


def test_what_comes_after_the_heads_is_left_out(nlp, notes, tmp_path):
    for name in ("merge_entities", "doc_cleaner"):
        nlp.add_pipe(name)
    taught = taught_by(nlp, notes[0].text, tmp_path)
    assert len(taught) == len(notes[0])
    assert Taught.of(taught) is not None
    assert nlp.pipe_names[-2:] == ["merge_entities", "doc_cleaner"]


def test_other_tokens_are_learned_by_their_annotations_and_told_once(nlp, notes, caplog):
    labels = list(nlp.get_pipe("clinical_ner").labels)
    text = "He took aspirin 81 mg daily."
    other = note(text, ("Drug", "aspirin"))
    certain = with_certainty(other, labels)
    keep_taught(certain, labels, *[gold_tags([], len(other), len(labels))] * 2, [])
    # Made by a tokenizer that leaves the full stop at its word.
    words = [*(token.text for token in other[:-2]), "daily."]
    split = Doc(nlp.vocab, words=words, spaces=[True] * (len(words) - 1) + [False])
    head: ClinicalNER = nlp.get_pipe("clinical_ner")
    scores = [np.zeros((len(split), 4 * len(labels)), dtype=np.float32)]
    with caplog.at_level(logging.WARNING):
        losses = [
            head.get_loss([Example(split.copy(), reference)], scores)[0]
            for reference in (certain, other, certain)
        ]
    assert losses[0] == losses[1] == losses[2]
    assert [record.message for record in caplog.records] == [
        "clinical_ner: the teacher's tokens of 'note' are not those of this pipeline: learned, "
        "like all such notes, from its annotations alone"
    ]


def test_what_was_taught_survives_a_file(notes, tmp_path: Path):
    doc = notes[0].copy()
    tags = gold_tags([(2, 3, 0)], len(doc), 1) * np.float32(0.5)
    keep_taught(doc, ["Drug"], tags, 1 - tags, [Link("A", "T1", "T2", 0.5)])
    write_docs([doc, notes[1]], tmp_path / "notes.spacy")
    [read, without] = read_docs(tmp_path / "notes.spacy")
    taught = Taught.of(read)
    assert (taught.tags(["Drug"], True) == tags).all()
    assert (taught.tags(["Drug"], False) == 1 - tags).all()
    assert taught.links == [Link("A", "T1", "T2", 0.5)]
    assert Taught.of(without) is None


def test_an_interrupted_run_goes_on_where_it_stopped(learned, folder, monkeypatch):
    taught: list[str] = []
    original = Teacher.teach

    def stop(self: Teacher, notes: list[InputNote]):
        if len(taught) == 2:
            raise KeyboardInterrupt
        taught.extend(each.name for each in notes)
        return original(self, notes)

    def go_on(self: Teacher, notes: list[InputNote]):
        taught.extend(each.name for each in notes)
        return original(self, notes)

    monkeypatch.setattr(Teacher, "teach", stop)
    result = teach(learned, folder, "--batch-size", 1)
    assert result.exit_code == 130
    assert "2 notes are done, and the same command continues" in result.stderr
    assert not (folder.parent / "taught.spacy").exists()
    taught.clear()
    monkeypatch.setattr(Teacher, "teach", go_on)
    (folder / "9.txt").write_text("No medications were given.")
    result = teach(learned, folder)
    assert (result.exit_code, "6 of 6 notes" in result.stderr) == (0, True), result.stderr
    assert taught == ["3", "4", "5", "9"]
    names = [doc._.note_id for doc in read_docs(folder.parent / "taught.spacy")]
    assert sorted(names) == ["1", "2", "3", "4", "5", "9"]


def test_bad_notes_are_named_and_all_others_written(learned, folder, monkeypatch):
    (folder / "6.txt").write_bytes(b"caf\xe9 \xff")
    predict = ClinicalNER.predict

    def fail(self: ClinicalNER, docs: list[Doc]):
        if any("metformin" in doc.text for doc in docs):
            raise ValueError("metformin is too much")
        return predict(self, docs)

    monkeypatch.setattr(ClinicalNER, "predict", fail)
    result = teach(learned, folder)
    assert result.exit_code == 1
    assert "4 of 6 notes" in result.stderr
    assert "2 left out:" in result.stderr
    assert "2.txt: ValueError: metformin is too much" in result.stderr
    assert "6.txt: UnicodeDecodeError" in result.stderr
    out = folder.parent / "taught.spacy"
    assert len(read_docs(out)) == 4
    out.unlink()
    # Nothing is written in place of all notes.
    monkeypatch.setattr(ClinicalNER, "predict", lambda self, docs: [][0])
    result = teach(learned, folder)
    assert (result.exit_code, "6 left out:" in result.stderr) == (1, True), result.stderr
    assert f"0 of 6 notes in {out}, which was not written" in result.stderr.replace("\n", "")
    assert list(folder.parent.iterdir()) == [folder]


def test_what_cannot_be_done_is_refused(learned, folder, nlp):
    nlp.remove_pipe("clinical_relations")
    nlp.remove_pipe("clinical_ner")
    nlp.to_disk(folder.parent / "without")
    (folder.parent / "there.spacy").write_text("keep")
    for pipeline, out, told in (
        (folder.parent / "without", "taught.spacy", "has no clinical_ner to learn from"),
        (folder, "taught.spacy", "cannot load the pipeline"),
        (learned, "there.spacy", "there.spacy exists already; --overwrite replaces it"),
        (learned, "taught", "expected the name of a file that ends in .spacy"),
    ):
        result = run_script("teach.py", pipeline, folder, folder.parent / out)
        assert (result.exit_code, told in result.stderr) == (1, True), result.stderr
    assert (folder.parent / "there.spacy").read_text() == "keep"
    assert {path.name for path in folder.parent.iterdir()} == {"notes", "without", "there.spacy"}


def test_notes_that_changed_after_an_interruption_are_told(learned, folder, monkeypatch):
    original = Teacher.teach

    def stop(self: Teacher, notes: list[InputNote]):
        if notes[0].name == "3":
            raise KeyboardInterrupt
        return original(self, notes)

    monkeypatch.setattr(Teacher, "teach", stop)
    assert teach(learned, folder, "--batch-size", 1).exit_code == 130
    monkeypatch.setattr(Teacher, "teach", original)
    (folder / "1.txt").write_text("He took ibuprofen.")
    result = teach(learned, folder)
    assert result.exit_code == 1
    assert "1 notes have changed since; --overwrite starts over" in result.stderr
    result = teach(learned, folder, "--precision", "int8")
    assert result.exit_code == 1
    assert ".taught.spacy.part is left from a run with another pipeline" in result.stderr
    out = folder.parent / "taught.spacy"
    assert not out.exists()
    for _ in range(2):
        # The second time, it replaces the file.
        assert teach(learned, folder, "--overwrite").exit_code == 0
        [doc, *others] = read_docs(out)
        assert (doc.text, len(others)) == ("He took ibuprofen.", 4)
