"""An interrupted training run resumes as if it had not been interrupted."""

import json
import random
import shutil
import stat
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from spacy.training.batchers import configure_minibatch_by_words
from spacy.training.loop import create_train_batches
from thinc.api import compounding

from clinical_ie.corpora.docbin import write_docs
from clinical_ie.system.workplace import claimed
from clinical_ie.training import checkpoint, loop, run
from clinical_ie.training.batches import Batches
from clinical_ie.training.checkpoint import Checkpoint
from clinical_ie.training.fingerprint import FINGERPRINT
from tests.conftest import ROOT, build_tiny_bert

CONFIG = ROOT / "configs" / "train" / "minilm.cfg"
STEPS = 6


@pytest.fixture(scope="module")
def values(tmp_path_factory, notes) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("resuming")
    write_docs(notes, folder / "notes.spacy")
    build_tiny_bert(folder / "encoder", max_pieces=256)
    paths = folder / "notes.spacy", folder / "notes.spacy", str(folder / "encoder")
    # Small batches, so that an epoch has several.
    return run.run_values(CONFIG, *paths, str(STEPS), "2") | {"training.batcher.size": 20}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The number of updates so far, and the update before which the run is stopped."""
    counted = {"made": 0, "stop_before": -1}
    update = Language.update

    def counting(self, *args, **kwargs):
        if counted["made"] == counted["stop_before"]:
            raise KeyboardInterrupt
        counted["made"] += 1
        return update(self, *args, **kwargs)

    monkeypatch.setattr(Language, "update", counting)
    return counted


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        # These files contain the path of the run.
        if path.is_file() and path.name not in ("config.cfg", FINGERPRINT)
    }


def stopped(out: Path, values: dict[str, object], calls: dict[str, int], after: int) -> Path:
    """Start a run that is stopped after `after` steps; return its checkpoint."""
    calls.update(made=0, stop_before=after)
    with pytest.raises(KeyboardInterrupt):
        run.train_pipeline(CONFIG, out, values, -1)
    calls.update(made=0, stop_before=-1)
    [checkpoint] = out.with_name(f"{out.name}.part").glob("checkpoint-*.pt")
    return checkpoint


@pytest.mark.parametrize(("seconds", "after", "left"), [(600.0, 4, 4), (-1.0, 4, 3), (-1.0, 1, 6)])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    values, tmp_path: Path, calls, monkeypatch, capsys, seconds, after, left
):
    run.train_pipeline(CONFIG, tmp_path / "straight", values, -1)
    # With -1, every step is followed by a checkpoint, otherwise only those with an evaluation.
    monkeypatch.setattr(loop, "SECONDS_BETWEEN", seconds)
    checkpoint = stopped(tmp_path / "out", values, calls, after)
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o600
    capsys.readouterr()
    random.seed(1)
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    # spaCy makes one step more than max_steps.
    assert calls["made"] == left == STEPS + 1 - (after - (1 if seconds > 0 else 0))
    assert f"going on after step {STEPS - left}" in capsys.readouterr().out
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")
    log = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [0, 2, 4, 6]
    assert {path.name for path in tmp_path.iterdir()} == {"out", "straight"}


def test_a_run_that_was_stopped_after_its_last_step_is_not_made_again(
    values, tmp_path: Path, calls, train_until_calibration
):
    run.train_pipeline(CONFIG, tmp_path / "straight", values, -1)
    train_until_calibration(CONFIG, tmp_path / "out", values)
    calls["made"] = 0
    told = run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert calls["made"] == 0
    assert told["candidate_ceiling"] == 1.0
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")
    assert spacy.load(tmp_path / "out" / "model-best").meta["performance"]["clinical_ner_loss"] > 0


class Killed(BaseException):
    """Not caught anywhere in a run, like the kill of a process."""


def cut_off(to_disk, pipeline: Path, **kwargs):
    to_disk(pipeline, **kwargs)
    (pipeline / "tok2vec" / "model").write_bytes(b"cut off")
    raise Killed


# The call at which a run is killed, identified by the name of the folder.
MOMENTS = {
    "saving the calibrated pipeline": (Language, "to_disk", "model-best.part"),
    "removing what was there": (shutil, "rmtree", "out"),
    "moving it to its place": (Path, "rename", "out.part"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_after_training_goes_on_with_what_is_left(
    values, tmp_path: Path, calls, monkeypatch, moment
):
    run.train_pipeline(CONFIG, tmp_path / "straight", values, -1)
    (tmp_path / "out" / "model-best").mkdir(parents=True)
    where, name, folder = MOMENTS[moment]
    function = getattr(where, name)

    def killing(*args, **kwargs):
        path = next((arg for arg in args if isinstance(arg, Path)), Path())
        if path.name != folder:
            return function(*args, **kwargs)
        if name == "to_disk":
            cut_off(partial(function, args[0]), path)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(where, name, killing)
        with pytest.raises(Killed):
            run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    calls["made"] = 0
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert calls["made"] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "straight"}


def test_the_best_pipeline_outlives_a_kill_while_it_is_replaced(
    values, tmp_path: Path, calls, monkeypatch
):
    checkpoint = stopped(tmp_path / "out", values, calls, after=3)
    best = checkpoint.with_name("model-best")
    rename = Path.rename

    def killing(self, target):
        if self.name == "model-best.part":
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killing)
        with pytest.raises(Killed):
            run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert not best.exists()
    # On a GPU, repeating an evaluation may give a lower score.
    monkeypatch.setattr(loop, "create_evaluation_callback", lambda *args: lambda: (-1.0, {}))
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"model-best", "model-last", "log.jsonl", FINGERPRINT}


def test_a_fingerprint_that_a_kill_left_half_written_is_no_ones_file(values, tmp_path: Path, calls):
    part = stopped(tmp_path / "out", values, calls, after=3).parent
    (part / f".{FINGERPRINT}-host-0-a").mkdir()
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert run.is_trained(CONFIG, tmp_path / "out", values)


def test_what_a_stopped_run_leaves_holds_no_words_of_its_notes(
    values, notes, tmp_path: Path, calls
):
    part = stopped(tmp_path / "out", values, calls, after=3).parent
    words = {token.text for doc in notes for token in doc}
    for name in ("model-best", "model-last"):
        strings = json.loads((part / name / "vocab" / "strings.json").read_text("utf8"))
        assert "Reason-Drug" in strings
        assert not words & set(strings)


def test_two_runs_do_not_meet_in_one_folder(values, tmp_path: Path, calls):
    checkpoint = stopped(tmp_path / "out", values, calls, after=3)
    for other in (values, values | {"system.seed": 1}):
        with (
            claimed(checkpoint.parent),
            pytest.raises(run.TrainingError, match="another run is at work here"),
        ):
            run.train_pipeline(CONFIG, tmp_path / "out", other, -1)
    assert checkpoint.exists()


def test_a_run_ends_where_its_folder_links_to(values, tmp_path: Path):
    (tmp_path / "disk" / "out").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "out")
    run.train_pipeline(CONFIG, tmp_path / "link", values, -1)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "out" / FINGERPRINT).exists()
    assert not list(tmp_path.rglob("*.part"))


def test_what_came_to_the_folder_meanwhile_stays(values, tmp_path: Path, calls):
    stopped(tmp_path / "out", values, calls, after=5)
    thesis = tmp_path / "out" / "thesis.txt"

    calibrate = run._calibrate

    def bring(*args):
        thesis.parent.mkdir()
        thesis.write_text("precious")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_calibrate", lambda *args: bring(calibrate(*args)))
        with pytest.raises(run.TrainingError, match=r"holds 'thesis.txt'"):
            run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    thesis.unlink()
    calls["made"] = 0
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert calls["made"] == 0
    assert (tmp_path / "out" / "model-best").is_dir()


@pytest.mark.parametrize("change", ["seed", "damaged"])
def test_another_run_and_a_damaged_checkpoint_begin_anew(
    values, tmp_path: Path, calls, capsys, change
):
    checkpoint = stopped(tmp_path / "out", values, calls, after=4)
    if change == "seed":
        values = values | {"system.seed": 1}
    else:
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    capsys.readouterr()
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert calls["made"] == STEPS + 1
    assert "going on" not in capsys.readouterr().out
    log = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert len(log) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert not list((tmp_path / "out").glob("checkpoint*"))


@pytest.mark.parametrize("content", [torch.zeros(3), {"progress": {}}, 5, None, b"\x80\x02]u."])
def test_a_checkpoint_that_is_none_is_told(tmp_path: Path, content: object, caplog):
    path = tmp_path / "checkpoint.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    assert Checkpoint(path).read() is None
    assert caplog.messages == [f"{path} is damaged: training from the start"]


def test_a_checkpoint_of_another_pipeline_is_told(values, tmp_path: Path, calls):
    checkpoint = stopped(tmp_path / "out", values, calls, after=4)
    found = torch.load(checkpoint)
    found["weights"]["layers"].pop()
    torch.save(found, checkpoint)
    with pytest.raises(run.TrainingError, match="remove it to train from the start"):
        run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert checkpoint.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_checkpoint_for_which_there_is_no_room_leaves_the_last_one(values, tmp_path: Path, calls):
    checkpoint = stopped(tmp_path / "out", values, calls, after=3)
    before = checkpoint.read_bytes()
    checkpoint.with_name(f"{checkpoint.name}.part").symlink_to("/dev/full")
    with pytest.raises(run.TrainingError, match="is the disk full"):
        run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert checkpoint.read_bytes() == before
    assert list(checkpoint.parent.glob("checkpoint*")) == [checkpoint]


def test_an_error_on_the_way_leaves_what_goes_on(values, tmp_path: Path, calls, monkeypatch):
    stopped(tmp_path / "out", values, calls, after=3)

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Language, "to_disk", full)
        with pytest.raises(run.TrainingError, match="no space left"):
            run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    calls["made"] = 0
    run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    assert calls["made"] == STEPS + 1 - 3


def test_a_full_gpu_is_not_blamed_on_the_checkpoint(values, tmp_path: Path, calls, monkeypatch):
    checkpoint = stopped(tmp_path / "out", values, calls, 3)

    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Checkpoint, "restore", full)
    with pytest.raises(run.TrainingError) as caught:
        run.train_pipeline(CONFIG, tmp_path / "out", values, -1)
    told = "less of batch_pieces or training.batcher.size may help: CUDA out of memory."
    assert str(caught.value) == f"{CONFIG}: {told}"
    assert checkpoint.exists()


@pytest.mark.parametrize("sizes", ["fixed", "growing"])
@pytest.mark.parametrize("max_epochs", [0, 3, -1])
def test_batches_are_those_of_spacy_from_any_of_them_on(max_epochs: int, sizes: str):
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("word " * size) for size in (3, 1, 4, 1, 5, 9, 2, 6)]

    def corpus(nlp: Language) -> Iterator[Example]:
        return (Example(doc, doc) for doc in docs)

    def batcher():
        size = 8 if sizes == "fixed" else compounding(3, 20, 1.1)
        return configure_minibatch_by_words(size=size, tolerance=0.2, discard_oversize=False)

    def words(batch: list[Example]) -> list[int]:
        return [docs.index(example.reference) for example in batch]

    def drawn(batches: Batches, n: int) -> list[tuple[int, list[int]]]:
        return [(batches.epoch, words(batch)) for batch in islice(batches, n)]

    random.seed(0)
    theirs = create_train_batches(nlp, corpus, batcher(), max_epochs)
    expected = [(epoch, words(batch)) for epoch, batch in islice(theirs, 40)]
    assert len(expected) == 40 or max_epochs == 3
    for stop in range(len(expected)):
        random.seed(0)
        batches = Batches(nlp, corpus, batcher(), max_epochs)
        before = drawn(batches, stop)
        state, chance = json.loads(json.dumps(batches.state)), random.getstate()
        random.seed(9)
        again = Batches(nlp, corpus, batcher(), max_epochs)
        again.go_on(state)
        random.setstate(chance)
        assert before + drawn(again, 40 - stop) == expected


def test_no_notes_are_told_before_the_first_step():
    with pytest.raises(ValueError, match="E986"):
        Batches(spacy.blank("en"), lambda nlp: iter(()), lambda examples: iter(()), 0)


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_run_goes_on_where_there_are_fewer_gpus(monkeypatch, gpus):
    """A scheduler gives it another machine, or another number of the same one's."""
    states: list[torch.Tensor] = [torch.ones(16, dtype=torch.uint8)] * 2

    def put(state: torch.Tensor, device: int | str | torch.device = "cuda") -> None:
        # As PyTorch's list of generators does.
        states[torch.device(device).index or 0] = state

    cuda = torch.cuda
    monkeypatch.setattr(cuda, "is_initialized", lambda: bool(states))
    monkeypatch.setattr(cuda, "get_rng_state", lambda device="cuda": states[0])
    monkeypatch.setattr(cuda, "get_rng_state_all", lambda: list(states))
    monkeypatch.setattr(cuda, "set_rng_state", put)
    monkeypatch.setattr(
        cuda,
        "set_rng_state_all",
        lambda new: [put(state, f"cuda:{i}") for i, state in enumerate(new)],
    )
    chance = checkpoint._chance()
    states[:] = [torch.zeros(16, dtype=torch.uint8)] * gpus
    checkpoint._set_chance(chance)
    assert [int(state[0]) for state in states] == [1] * gpus
