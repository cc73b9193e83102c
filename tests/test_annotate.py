import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config, minibatch
from thinc.api import Config

from clinical_ie.annotate import (
    Annotated,
    BratWriter,
    Failure,
    FolderSource,
    InputNote,
    JsonlWriter,
    annotate_notes,
    as_record,
    load_pipeline,
)
from clinical_ie.annotate.run_log import text_sum
from clinical_ie.brat import read_note
from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.system.hashing import pipeline_fingerprint
from clinical_ie.system.workers import WorkerPool

from .conftest import ROOT, examples, note, pipeline_config
from .scoring.helpers import load, save_pipeline

TEXT = "Anna saw\r\nOmar."
FOUND = Annotations(
    [Mention("T1", "Name", ((0, 4),), 0.75), Mention("T2", "Name", ((10, 14),), 0.75)],
    [Link("Next", "T1", "T2", 0.5)],
)


@pytest.fixture
def loader(tmp_path: Path) -> Callable[[], Language]:
    return partial(load, save_pipeline(tmp_path / "pipeline"))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Notes 0 to 9: 3 breaks the pipeline, 5 is not UTF-8, 7 is empty."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        content = {3: b"A CRASH here", 5: b"caf\xe9", 7: b""}.get(number, TEXT.encode())
        (folder / f"{number}.txt").write_bytes(content)
    return folder


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_bad_notes_are_left_out(
    loader: Callable[[], Language], notes: Path, batch_size: int
) -> None:
    check_results(list(annotate_notes(loader, read(notes), batch_size=batch_size)))


def read(folder: Path) -> Iterator[InputNote | Failure]:
    return FolderSource(folder).read({}, lambda name: None)


def check_results(results: list[Annotated | Failure]) -> None:
    failures = {r.name: r.reason for r in results if isinstance(r, Failure)}
    assert failures.keys() == {"3.txt", "5.txt"}
    assert failures["3.txt"] == "RuntimeError: too much"
    assert "UTF-8" in failures["5.txt"]
    done = {r.note.name: r.annotations for r in results if isinstance(r, Annotated)}
    assert list(done) == list("01246789")
    assert done.pop("7") == Annotations()
    assert all(annotations == FOUND for annotations in done.values())


@pytest.mark.slow
def test_several_processes(
    loader: Callable[[], Language], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[WorkerPool] = []
    terminate = WorkerPool.terminate

    def counted(pool: WorkerPool) -> None:
        ended.append(pool)
        terminate(pool)

    monkeypatch.setattr(WorkerPool, "terminate", counted)
    found = list(read(notes))
    stream = annotate_notes(loader, found * 9, batch_size=4, n_process=2)
    with closing(stream):
        check_results(list(islice(stream, len(found))))
        assert multiprocessing.active_children()
        assert not ended
    # Nobody waits for the batches that are still being read.
    assert len(ended) == 1
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_notes_over_which_a_process_is_killed(loader: Callable[[], Language]) -> None:
    # The first ends all worker processes, and the second their replacements.
    texts = {str(number): TEXT for number in range(20)} | {"3": "KILL", "13": "KILL"}
    notes = (InputNote(name, text, f"{name}.txt") for name, text in texts.items())
    results = list(annotate_notes(loader, notes, batch_size=2, n_process=2))
    names = [r.name if isinstance(r, Failure) else f"{r.note.name}.txt" for r in results]
    assert names == [f"{name}.txt" for name in texts]
    failures = {r.name: r.reason for r in results if isinstance(r, Failure)}
    assert failures.keys() == {"3.txt", "13.txt"}
    assert all("the process that read it was killed" in reason for reason in failures.values())
    assert all(r.annotations == FOUND for r in results if isinstance(r, Annotated))
    assert not multiprocessing.active_children()


KILLED = """
import os, sys
from functools import partial
from clinical_ie.annotate import InputNote, annotate_notes
from tests.scoring.helpers import load

if __name__ == "__main__":
    notes = (InputNote(str(number), "Anna", "") for number in range(10**6))
    stream = annotate_notes(partial(load, sys.argv[1]), notes, batch_size=1, n_process=2)
    print(next(stream).note.name, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_worker_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    path = os.pathsep.join([str(ROOT), str(ROOT / "components")])
    # The workers hold the other end of the output pipe, so this waits for them to end.
    killed = subprocess.run(
        [sys.executable, tmp_path / "killed.py", save_pipeline(tmp_path / "pipeline")],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-9, b"0\n")


def test_a_component_that_drops_notes(loader: Callable[[], Language], notes: Path) -> None:
    class Dropping:
        """Some components silently drop a bad batch from the stream."""

        def __call__(self, doc: Doc) -> Doc:
            return doc

        def pipe(self, stream: Iterable[Doc], batch_size: int) -> Iterator[Doc]:
            for docs in minibatch(stream, batch_size):
                if not any("CRASH" in doc.text for doc in docs):
                    yield from docs

    nlp = loader()
    Language.component("test_dropping", func=Dropping())
    nlp.add_pipe("test_dropping", first=True)
    check_results(list(annotate_notes(lambda: nlp, read(notes), batch_size=4)))


def test_notes_are_read_as_they_are_needed(loader: Callable[[], Language]) -> None:
    taken = count()

    def endless() -> Iterator[InputNote]:
        for number in taken:
            yield InputNote(str(number), TEXT, f"{number}.txt")

    stream = annotate_notes(loader, endless(), batch_size=4)
    for _ in range(40):
        next(stream)
    assert next(taken) < 60


def test_the_words_of_notes_do_not_stay_in_memory(loader: Callable[[], Language]) -> None:
    nlp = loader()
    texts = ["A1 saw O1.", "A2 in a CRASH", "A3 saw O3.", "A4 saw O4.", "A5 saw O5."]
    notes = [InputNote(str(number), text, "") for number, text in enumerate(texts)]
    before = set(nlp.vocab.strings)
    results = list(annotate_notes(lambda: nlp, notes, batch_size=2))
    assert set(nlp.vocab.strings) == before
    found = [result.annotations for result in results if isinstance(result, Annotated)]
    mentions = [Mention("T1", "Name", ((0, 2),), 0.75), Mention("T2", "Name", ((7, 9),), 0.75)]
    assert found == [Annotations(mentions, [Link("Next", "T1", "T2", 0.5)])] * 4


def test_a_long_note_is_one_note(loader: Callable[[], Language]) -> None:
    (result,) = annotate_notes(loader, [InputNote("long", "x" * 1_000_100, "")], batch_size=1)
    assert isinstance(result, Annotated)


@pytest.mark.parametrize("name", ["no_such_package", "/no/such/folder"])
def test_a_pipeline_that_is_not_there(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"cannot load the pipeline {name}: OSError: .*find"
    ) as caught:
        load_pipeline(name)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_pipeline(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "config.cfg").write_text("[nlp\n")
    with pytest.raises(ValueError, match="cannot load the pipeline") as caught:
        load_pipeline(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("a\nb"), "ValueError: a"),
        (KeyError("a"), "KeyError: 'a'"),
        (OSError("\n  \n a \r\nb"), "OSError: a"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_why_a_note_failed_is_told_in_one_line(
    loader: Callable[[], Language], monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    nlp = loader()

    def fail(text: str) -> Doc:
        raise error

    monkeypatch.setattr(nlp, "make_doc", fail)
    [result] = annotate_notes(lambda: nlp, [InputNote("n", TEXT, "n.txt")], batch_size=1)
    assert result == Failure("n.txt", told)


def test_record() -> None:
    assert as_record("ward/1", TEXT, FOUND) == {
        "id": "ward/1",
        "entities": [
            {"id": "T1", "start": 0, "end": 4, "label": "Name", "text": "Anna", "score": 0.75},
            {"id": "T2", "start": 10, "end": 14, "label": "Name", "text": "Omar", "score": 0.75},
        ],
        "relations": [{"label": "Next", "head": "T1", "tail": "T2", "score": 0.5}],
    }


def test_brat_folder_is_its_owners_alone(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with BratWriter(out) as writer:
        writer.write("ward/1", TEXT, FOUND)
        writer.write("empty", "", Annotations())
        writer.write("marked", TEXT, FOUND, bom=True)
    note = read_note(out / "ward" / "1.txt", out)
    assert note.text == TEXT
    assert (
        str(note.standoff) == "T1\tName 0 4\tAnna\nT2\tName 10 14\tOmar\nR1\tNext Arg1:T1 Arg2:T2\n"
    )
    assert (out / "marked.txt").read_bytes() == b"\xef\xbb\xbf" + TEXT.encode()
    assert (out / "empty.txt").read_bytes() == (out / "empty.ann").read_bytes() == b""
    for path in (out.parent, out, out / "ward"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in out.rglob("*.*"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in out.iterdir()} == {
        "ward", "empty.txt", "empty.ann", "marked.txt", "marked.ann",
    }  # fmt: skip


def test_files_are_as_open_as_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o750)
    with BratWriter(tmp_path / "shared") as writer:
        writer.write("ward/1", TEXT, FOUND)
    assert (tmp_path / "shared" / "ward").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "shared" / "ward" / "1.ann").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["../1", "/1"])
def test_a_note_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with BratWriter(tmp_path / "out") as writer, pytest.raises(ValueError, match="outside"):
        writer.write(name, TEXT, FOUND)


def test_no_text_is_there_without_its_annotations(tmp_path: Path) -> None:
    (tmp_path / "1.ann").mkdir()
    with BratWriter(tmp_path) as writer, pytest.raises(IsADirectoryError):
        writer.write("1", TEXT, FOUND)
    assert not (tmp_path / "1.txt").exists()


def test_jsonl_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    with JsonlWriter(path) as writer:
        writer.write("a", TEXT, FOUND)
        writer.write("b", "", Annotations())
        assert not path.exists()
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == as_record("a", TEXT, FOUND)
    assert second == {"id": "b", "entities": [], "relations": []}
    assert path.stat().st_mode & 0o777 == 0o600

    def stop(writer: JsonlWriter) -> None:
        with writer:
            writer.write("c", TEXT, FOUND)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop(JsonlWriter(path))
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(KeyboardInterrupt), JsonlWriter(tmp_path / "none.jsonl"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [path.parent]


def test_what_a_killed_run_wrote_is_taken_as_far_as_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"

    def stop() -> None:
        with JsonlWriter(path, {"pipeline": "a"}) as writer:
            for name in ("1", "2", "3"):
                writer.write(name, TEXT, FOUND)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    part = tmp_path / "out.jsonl.part"
    lines = part.read_bytes()
    for content, log_ends, done in (
        (lines, "", ["1", "2", "3"]),
        (lines[:-5], "", ["1", "2"]),
        (lines + b'{"id": "4"', '["4", 1', ["1", "2", "3"]),
    ):
        part.write_bytes(content)
        with JsonlWriter.log_of(path).open("a") as log:
            log.write(log_ends)
        assert list(JsonlWriter(path, {"pipeline": "a"}).done) == done
    with pytest.raises(ValueError, match=r"another pipeline \(a, now b\)"):
        JsonlWriter(path, {"pipeline": "b"})
    with JsonlWriter(path, {"pipeline": "a"}) as writer:
        writer.write("4", TEXT, FOUND)
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == list("1234")
    assert list(tmp_path.iterdir()) == [path]
    JsonlWriter.log_of(path).write_text("[]\nx")
    with pytest.raises(ValueError, match="not the log of an unfinished run"):
        JsonlWriter(path)


def test_a_note_that_was_taken_away_is_written_again(tmp_path: Path) -> None:
    def stop() -> None:
        with BratWriter(tmp_path) as writer:
            writer.write("1", TEXT, FOUND)
            writer.write("2", TEXT, FOUND)
            writer.write("3", TEXT, FOUND)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    (tmp_path / "1.txt").unlink()
    (tmp_path / "3.ann").unlink()
    assert BratWriter(tmp_path).done == {"2": text_sum(TEXT)}


def test_the_fingerprint_is_that_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    before = pipeline_fingerprint(str(tmp_path))
    assert pipeline_fingerprint(str(tmp_path)) == before
    (tmp_path / "meta.json").write_text("{ }")
    assert pipeline_fingerprint(str(tmp_path)) != before
    assert pipeline_fingerprint("clinical_ie") != "clinical_ie"
    assert pipeline_fingerprint("nowhere/at all") == "nowhere/at all"


def test_the_precision_of_reading_is_chosen_when_loading(tiny_bert, tmp_path: Path):
    nlp = load_model_from_config(Config(pipeline_config(tiny_bert)), auto_fill=True)
    nlp.initialize(lambda: examples(nlp, [note("Took aspirin.", ("Drug", "aspirin"))]))
    nlp.to_disk(tmp_path)
    names = {None: "float32", "bfloat16": "bfloat16", "bf16": "bfloat16", "int8": "int8"}
    for precision, expected in names.items():
        loaded = load_pipeline(str(tmp_path), precision=precision)
        assert loaded.get_pipe("tok2vec").model.layers[0].shims[0].precision == expected
    with pytest.raises(ValueError, match="precision 'int3': expected one of float32, bfloat16"):
        load_pipeline(str(tmp_path), precision="int3")


@pytest.mark.parametrize("pipe", ["sentencizer", "tok2vec"])
def test_a_precision_that_a_pipeline_has_no_use_for_is_told(pipe: str, tmp_path: Path):
    nlp = spacy.blank("en")
    nlp.add_pipe(pipe)
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match="no encoder that reads with precision 'int8'; leave it"):
        load_pipeline(str(tmp_path), precision="int8")
