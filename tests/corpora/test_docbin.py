"""Writing and reading `.spacy` files."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from clinical_ie.corpora.docbin import ATTRIBUTES, DocBinWriter, pack, read_docs, write_docs
from clinical_ie.corpora.reader import NotesReader, make_notes_reader, read_once
from clinical_ie.doc import annotations_of


def test_docs_are_written_as_spacy_writes_them(notes, tmp_path: Path):
    docs = [doc.copy() for doc in notes]
    docs[0].cats = {"discharge": 1.0}
    docs[1].ents = [Span(docs[1], 2, 3, label="Drug", kb_id="C0025598")]
    docs.append(Doc(Vocab(), words=["No", "blanks", "known"]))
    with DocBinWriter(tmp_path / "x.spacy") as writer:
        for doc in docs:
            writer.add(pack(doc))
    ours = DocBin().from_disk(tmp_path / "x.spacy")
    theirs = DocBin(ATTRIBUTES, store_user_data=True, docs=docs)
    theirs = DocBin().from_bytes(theirs.to_bytes())
    for one, other in zip(ours.get_docs(Vocab()), theirs.get_docs(Vocab()), strict=True):
        assert one.to_bytes() == other.to_bytes()
        assert annotations_of(one) == annotations_of(other)


def test_strings_that_the_file_has_are_not_packed_again(notes, tmp_path: Path):
    docs = [*notes, notes[0].copy(), Doc(Vocab(), words=["Quite", "new"])]
    known: set[int] = set()
    packed = [pack(doc, known) for doc in docs]
    assert packed[0].strings == pack(docs[0]).strings
    assert (packed[-2].strings, packed[-1].strings) == (set(), {"Quite", "new"})
    with DocBinWriter(tmp_path / "whole.spacy") as writer:
        for doc in docs:
            writer.add(pack(doc))
    write_docs(docs, tmp_path / "x.spacy")
    assert (tmp_path / "x.spacy").read_bytes() == (tmp_path / "whole.spacy").read_bytes()


def test_files_with_the_keys_of_before_hold_what_they_held(notes, tmp_path: Path):
    old = notes[0].copy()
    assert old._.relations
    old._.note_id = "n1"
    own = [key for key in old.user_data if isinstance(key, tuple)]
    for key in own:
        old.user_data[key[1]] = old.user_data.pop(key)
    assert not old._.relations
    DocBin(ATTRIBUTES, store_user_data=True, docs=[old]).to_disk(tmp_path / "old.spacy")
    [read] = read_docs(tmp_path / "old.spacy")
    assert annotations_of(read) == annotations_of(notes[0])
    assert read._.note_id == "n1"


def test_a_folder_is_told_apart_from_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(IsADirectoryError, match="is a folder; name one of the"):
        read_docs(tmp_path)


def test_a_file_that_fails_half_way_is_not_there(notes, tmp_path: Path):
    def fail() -> None:
        with DocBinWriter(tmp_path / "x.spacy") as writer:
            writer.add(pack(notes[0]))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def test_more_tokens_than_a_file_holds_are_told(notes, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("clinical_ie.corpora.docbin._MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"x\.spacy: 1,680 bytes of tokens; a \.spacy file holds"):
        write_docs(notes, tmp_path / "x.spacy")
    assert not list(tmp_path.iterdir())


def test_a_missing_file_names_the_step_that_makes_it(notes, tmp_path: Path):
    train, augmented = tmp_path / "train.spacy", tmp_path / "augmented.spacy"
    with pytest.raises(FileNotFoundError, match=r"train\.spacy: .*`weasel run convert` makes it"):
        list(NotesReader(train, augmented)(spacy.blank("en")))
    write_docs(notes, train)
    with pytest.raises(FileNotFoundError, match=r"augmented\.spacy: .*`weasel run augment` makes"):
        list(NotesReader(train, augmented)(spacy.blank("en")))


def test_notes_are_read_several_times_for_each_time_that_others_are(notes, tmp_path: Path):
    train, more = tmp_path / "train.spacy", tmp_path / "more.spacy"
    write_docs(notes[:2], train)
    write_docs(notes[2:3], more)
    nlp, own = spacy.blank("en"), [doc.text for doc in notes[:2]]
    examples = list(NotesReader(train, more, 3)(nlp))
    assert [example.text for example in examples] == own * 3 + [notes[2].text]
    # In one batch, a Doc must not be there twice.
    assert len({id(example.predicted) for example in examples}) == 7
    assert [example.text for example in NotesReader(train, times=3)(nlp)] == own
    with pytest.raises(ValueError, match="times is 0; expected 1 or more"):
        make_notes_reader(train, more, 0)


def test_readers_of_the_same_notes_share_them_within_a_block(notes, tmp_path: Path):
    train, more = tmp_path / "train.spacy", tmp_path / "more.spacy"
    write_docs(notes, train)
    write_docs(notes[:1], more)
    nlp = spacy.blank("en")
    with read_once():
        # spaCy's checks take only the first example, so the others must not be made early.
        begun = NotesReader(train)(nlp)
        first = next(begun)
        train.rename(tmp_path / "gone")
        examples = list(NotesReader(train)(nlp))
        assert [first, *begun] == examples == list(NotesReader(train)(nlp))
        assert [eg.text for eg in examples] == [doc.text for doc in notes]
        (tmp_path / "gone").rename(train)
        for reader, other in (
            (NotesReader(train, more), nlp),
            (NotesReader(train), spacy.blank("en")),
        ):
            assert next(reader(other)) is not first
    assert next(NotesReader(train)(nlp)) is not first


def test_the_code_of_a_span_is_kept(tmp_path: Path):
    doc = spacy.blank("en")("aspirin")
    doc.spans["entities"] = [Span(doc, 0, 1, label="Drug", kb_id="RxNorm:1191")]
    write_docs([doc], tmp_path / "a.spacy")
    [read] = read_docs(tmp_path / "a.spacy")
    assert read.spans["entities"][0].kb_id_ == "RxNorm:1191"
