"""Invalid inputs of the step: one line says why, and no files are left behind."""

import errno
import os
from pathlib import Path

import pytest
from spacy.tokens import Doc, Span

from clinical_ie.augment.config import ConfigError
from clinical_ie.augment.run import augment
from clinical_ie.corpora.docbin import DocBinWriter, write_docs
from clinical_ie.system.locks import HAS_LOCKS
from clinical_ie.system.workplace import claimed
from tests.augment.conftest import CONFIG, Scripted
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tries = 3", "tires = 3", r"augment\.tries: Field required"),
        ("tries = 3", "tries = 3\nretries = 2", r"augment\.retries: Extra inputs"),
        ("tries = 3", "tries = 0", r"augment\.tries: Input should be greater"),
        ("tries = 3", "tries = 3\nmin_mentions = 9", "min_mentions is above max_mentions"),
        ("tries = 3", "tries 3", "tries"),
        ("[paths]", "[path]", r"unknown section \[path\]"),
        ("journal = null", "journal = null\nweights = 1", r"unknown key weights in \[paths\]"),
        ("path = ${paths.journal}", "pathe = 1", "pathe"),
        ("terms = ${paths.train}", "terms = ${paths.training}", "training"),
        ("terms = ${paths.train}", "terms = ${paths.train}\nfew = 1", "few"),
        ("tests.Scripted.v1", "tests.Scripted.v2", r"tests\.Scripted\.v2"),
        ("[components.llm]\nfactory", "[components.lm]\nfactory", "llm"),
    ],
)
def test_a_config_that_cannot_be_used(
    old: str,
    new: str,
    message: str,
    scripted: Scripted,
    train: Path,
    config: Path,
    out: Path,
    out_dir: Path,
) -> None:
    config.write_text(CONFIG.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        augment(train, out, out_dir, config, 3, seed=0)
    assert str(caught.value).startswith(f"{config}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert not out.parent.exists()


def test_missing_weights_leave_nothing_behind(train: Path, out: Path, out_dir: Path) -> None:
    weights = train.with_name("model.gguf")
    local = ROOT / "configs" / "augment" / "local.cfg"
    with pytest.raises(FileNotFoundError, match=r"model\.gguf: .*weasel run models"):
        augment(train, out, out_dir, local, 2, seed=0, model_path=weights)
    assert not out.parent.exists()


def test_weights_for_a_config_that_has_none(
    scripted: Scripted, train: Path, config: Path, out: Path
) -> None:
    weights = train.with_name("model.gguf")
    with pytest.raises(ConfigError, match=r"no paths\.model, so --model-path has no effect"):
        augment(train, out, out.with_suffix(""), config, 3, seed=0, model_path=weights)
    assert not out.parent.exists()


def test_missing_files(scripted: Scripted, train: Path, config: Path, out: Path) -> None:
    out_dir = out.with_suffix("")
    with pytest.raises(FileNotFoundError, match=r"no\.cfg: no such config"):
        augment(train, out, out_dir, config.with_name("no.cfg"), 3, seed=0)
    with pytest.raises(FileNotFoundError, match=r"no\.spacy: no such file"):
        augment(train.with_name("no.spacy"), out, out_dir, config, 3, seed=0)


def test_two_notes_of_one_name(
    scripted: Scripted, train: Path, config: Path, out: Path, train_docs: list[Doc]
) -> None:
    write_docs([*train_docs, train_docs[0]], train)
    with pytest.raises(ValueError, match="two notes with the id 'note-1'"):
        augment(train, out, out.with_suffix(""), config, 3, seed=0)


def test_a_label_that_brat_cannot_hold_is_told_before_anything_is_asked(
    scripted: Scripted, train: Path, config: Path, out: Path, train_docs: list[Doc]
) -> None:
    doc = Doc(train_docs[0].vocab, words=["Rash", "seen", "."])
    doc.spans["entities"] = [Span(doc, 0, 1, label="Adverse Event")]
    write_docs([*train_docs, doc], train)
    with pytest.raises(ValueError, match=r"the label 'Adverse Event' in the note .*; rename it"):
        augment(train, out, out.with_suffix(""), config, 3, seed=0)
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [("n" * 247, "has too long a name: .* at most 255 bytes; rename it"), ("../x", "leads out of")],
)
def test_a_note_whose_copy_cannot_be_written_is_told_before_anything_is_asked(
    scripted: Scripted, train: Path, config: Path, out: Path, train_docs: list[Doc], name, told
) -> None:
    doc = train_docs[0].copy()
    doc._.note_id = name
    write_docs([*train_docs, doc], train)
    with pytest.raises(ValueError, match=told):
        augment(train, out, out.with_suffix(""), config, 3, seed=0)
    assert not scripted.asked
    assert not out.parent.exists()


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_asked(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    for places in ((train / "new.spacy", out_dir), (out, train / "new")):
        with pytest.raises(OSError, match=f"{train} is a file; expected a folder, for {train}"):
            augment(train, *places, config, 3, seed=0)
    assert not scripted.asked


def test_new_notes_do_not_replace_the_training_notes(
    train: Path, config: Path, out_dir: Path
) -> None:
    before = train.read_bytes()
    with pytest.raises(ValueError, match="would replace the training notes; name another file"):
        augment(train, train.parent / "corpus" / ".." / train.name, out_dir, config, 1, seed=0)
    assert train.read_bytes() == before
    with pytest.raises(IsADirectoryError, match="is a folder; expected the name of a file"):
        augment(train, train.parent, out_dir, config, 1, seed=0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_new_notes_replace_no_pipe_or_device(
    scripted: Scripted, train: Path, config: Path, out_dir: Path
) -> None:
    pipe = train.with_name("pipe")
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="pipe is a device, a pipe or a socket"):
        augment(train, pipe, out_dir, config, 3, seed=0)
    assert pipe.is_fifo()
    assert not scripted.asked


def test_a_full_disk_is_told_with_its_place(
    scripted: Scripted,
    train: Path,
    config: Path,
    out: Path,
    out_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(DocBinWriter, "add_doc", full)
    with pytest.raises(OSError, match=f"No space left on device, at {out} or in {out_dir}"):
        augment(train, out, out_dir, config, 3, seed=0)
    # The answers are safe.
    monkeypatch.undo()
    n_asked = len(scripted.asked)
    augment(train, out, out_dir, config, 3, seed=0)
    assert len(scripted.asked) == n_asked


@pytest.mark.skipif(not HAS_LOCKS, reason="this system has no locks on folders")
def test_a_second_run_at_the_same_time_is_refused(
    scripted: Scripted, train: Path, config: Path, out: Path, out_dir: Path
) -> None:
    with claimed(out_dir), pytest.raises(BlockingIOError, match="another run is at work here"):
        augment(train, out, out_dir, config, 3, seed=0)
    assert not scripted.asked
    augment(train, out, out_dir, config, 3, seed=0)
