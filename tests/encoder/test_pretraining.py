"""Pretraining of an encoder on masked words of notes."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder import pretraining
from clinical_ie.encoder.masking import Pool
from clinical_ie.encoder.model import LongDocEncoder
from clinical_ie.encoder.pretraining import PretrainSettings, load_tokenizer, pretrain_encoder
from tests.conftest import run_script

from .tiny_models import FAMILIES

TEXTS = ["Took aspirin 81 mg daily for pain.\n" * 12, "No fever. Took aspirin.\n" * 20]


def pool_of(encoder: Path, texts: list[str]) -> Pool:
    return Pool.of(map(corpus_nlp().make_doc, texts), load_tokenizer(str(encoder)))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return AutoModel.from_pretrained(folder).state_dict()


@pytest.mark.parametrize("family", list(FAMILIES))
def test_it_learns_and_what_it_writes_is_an_encoder(family: str, tmp_path: Path):
    encoder = FAMILIES[family](tmp_path / family)
    pool = pool_of(encoder, TEXTS)
    settings = PretrainSettings(epochs=8, window=32, batch_windows=4, learn_rate=3e-3)
    out = tmp_path / "out"
    report = pretrain_encoder((pool, pool), str(encoder), out, settings)
    assert len(report["losses"]) == len(report["held_out_losses"]) == 8
    assert report["losses"][-1] < report["losses"][0]
    assert report["held_out_losses"][-1] < report["held_out_losses"][0]
    assert json.loads((out / "pretraining.json").read_text()) == report
    assert not (tmp_path / "out.part").exists()
    model = LongDocEncoder(str(out), width=16, window=32, context=6, lstm_depth=0)
    model.initialize()
    [vectors] = model.predict([corpus_nlp()("Took aspirin.")])
    assert vectors.shape == (3, 16)
    before, after = weights(encoder), weights(out)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not [
        name
        for name in changed
        if name.endswith(("word_embeddings.weight", "tok_embeddings.weight"))
    ]


def test_a_run_that_is_interrupted_ends_as_if_it_had_not_been(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pretraining, "SECONDS_BETWEEN_STATES", 0.0)
    pool = pool_of(tiny_bert, TEXTS)
    settings = PretrainSettings(epochs=3, window=32, batch_windows=4)
    seen: list[int] = []

    def stop_at_five(step: pretraining.Step) -> None:
        seen.append(step.done)
        if step.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain_encoder(
            (pool, None), str(tiny_bert), tmp_path / "a", settings, on_step=stop_at_five
        )
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "a.part" / pretraining.STATE).stat().st_mode & 0o777 == 0o600
    first = pretrain_encoder(
        (pool, None),
        str(tiny_bert),
        tmp_path / "a",
        settings,
        on_step=lambda s: seen.append(s.done),
    )
    # The last reported step had not been saved yet.
    assert seen[:7] == [1, 2, 3, 4, 5, 5, 6]
    second = pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "b", settings)
    assert first == second
    # It has read the notes.
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_losses_of_epochs_that_were_whole_are_told_once(
    tiny_bert: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(pretraining, "SECONDS_BETWEEN_STATES", 0.0)
    pool = pool_of(tiny_bert, TEXTS)
    settings = PretrainSettings(epochs=3, window=32, batch_windows=4)
    plain = pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "b", settings)

    def stop(step: pretraining.Step) -> None:
        # During the last epoch.
        if step.done == step.steps - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "a", settings, on_step=stop)
    resumed = pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "a", settings)
    assert resumed == plain
    assert len(resumed["losses"]) == len(resumed["held_out_losses"]) == 3


def test_a_run_that_stops_between_two_epochs_tells_the_losses_of_both(
    tiny_bert: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(pretraining, "SECONDS_BETWEEN_STATES", 0.0)
    pool = pool_of(tiny_bert, TEXTS)
    settings = PretrainSettings(epochs=2, window=32, batch_windows=4)
    plain = pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "b", settings)

    def stop(run, held_out):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pretraining._Run, "_look", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "a", settings)
    assert pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "a", settings) == plain


def test_what_was_done_is_not_done_again(tiny_bert: Path, tmp_path: Path):
    pool = pool_of(tiny_bert, TEXTS)
    settings = PretrainSettings(epochs=1, window=32, batch_windows=4)
    first = pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "a", settings)

    def none_left(step: pretraining.Step) -> None:
        raise AssertionError(step)

    again = pretrain_encoder(
        (pool, None), str(tiny_bert), tmp_path / "a", settings, on_step=none_left
    )
    assert again == first
    # The same wordpieces in other notes, or in other words, are another run.
    for changed in (
        replace(pool, ends=pool.ends[-1:]),
        replace(pool, words=np.zeros_like(pool.words)),
    ):
        other = pretrain_encoder((changed, None), str(tiny_bert), tmp_path / "a", settings)
        assert other["identity"] != first["identity"]
    # With other held-out notes, it is another run.
    looked = pretrain_encoder((pool, pool), str(tiny_bert), tmp_path / "a", settings)
    assert len(looked["held_out_losses"]) == 1


def test_a_run_that_stops_as_its_encoder_is_written_has_no_step_left(
    tiny_bert: Path, tmp_path: Path, monkeypatch
):
    pool = pool_of(tiny_bert, TEXTS)
    settings = PretrainSettings(epochs=1, window=32, batch_windows=4)
    save = pretraining._Run.save

    def stopped(run, folder, report):
        save(run, folder, report)
        raise KeyboardInterrupt

    def none_left(step: pretraining.Step) -> None:
        raise AssertionError(step)

    run = partial(pretrain_encoder, (pool, None), str(tiny_bert), tmp_path / "a", settings)
    with monkeypatch.context() as patched:
        patched.setattr(pretraining._Run, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            run()
    report = run(on_step=none_left)
    assert report == pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "b", settings)
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] in "ab") == ["a", "b"]


def test_other_weights_in_the_same_place_are_another_run(tmp_path: Path):
    encoder = FAMILIES["bert"](tmp_path / "encoder")
    pool = pool_of(encoder, TEXTS)
    settings = PretrainSettings(epochs=1, window=32, batch_windows=4)
    first = pretrain_encoder((pool, None), str(encoder), tmp_path / "a", settings)
    model = AutoModel.from_pretrained(encoder)
    model.encoder.layer[0].output.dense.weight.data.mul_(3)
    model.save_pretrained(encoder)
    again = pretrain_encoder((pool, None), str(encoder), tmp_path / "a", settings)
    assert again["losses"] != first["losses"]


def test_another_run_does_not_go_on_where_this_one_stopped(tiny_bert: Path, tmp_path: Path):
    pool = pool_of(tiny_bert, TEXTS)
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "state.pt").write_bytes(b"no state")
    settings = PretrainSettings(epochs=1, window=32, batch_windows=4)
    plain = pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "out", settings)
    assert len(plain["losses"]) == 1
    other = PretrainSettings(epochs=1, window=32, batch_windows=4, seed=1)
    assert (
        pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "out", other)["losses"]
        != plain["losses"]
    )


def test_a_gpu_without_bfloat16_reads_in_float32(monkeypatch):
    monkeypatch.setattr(pretraining, "bfloat16_pays", lambda device: False)
    run = object.__new__(pretraining._Run)
    run._device = torch.device("cuda")
    with run._mixed():
        assert not torch.is_autocast_enabled("cuda")


def test_the_head_shares_the_embeddings_on_the_device(tiny_bert: Path):
    """Here as in training, a device for which PyTorch replaces all weights of a module."""
    settings, device = PretrainSettings(epochs=1, window=32), torch.device("meta")
    run = pretraining._Run(pool_of(tiny_bert, TEXTS), None, str(tiny_bert), settings, device)
    [embeddings] = run._head._embeddings
    assert embeddings is run._encoder.get_input_embeddings().weight
    weights = [*run._encoder.parameters(), *run._head.parameters()]
    assert {weight.device.type for weight in weights} == {"meta"}


def test_a_gpu_whose_memory_is_full_is_told_in_one_line(
    tiny_bert: Path, tmp_path: Path, monkeypatch
):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    monkeypatch.setattr(pretraining._Run, "_loss", full)
    write_docs(list(map(corpus_nlp(), TEXTS)), tmp_path / "notes.spacy")
    options = ["--notes", tmp_path / "notes.spacy", "--window", 32, "--epochs", 1]
    done = run_script("pretrain.py", tiny_bert, tmp_path / "out", *options)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "pretrain: less of --batch-windows or --window may help: "
        "CUDA out of memory. Tried to allocate 2.00 GiB."
    )


def test_mistakes_are_told(tiny_bert: Path, tmp_path: Path):
    pool = pool_of(tiny_bert, TEXTS)
    with pytest.raises(ValueError, match=r"window = 65: .* takes 8 to 64 wordpieces"):
        pretrain_encoder(
            (pool, None), str(tiny_bert), tmp_path / "a", PretrainSettings(epochs=1, window=65)
        )
    with pytest.raises(ValueError, match="no wordpiece at all"):
        pretrain_encoder(
            (pool_of(tiny_bert, ["\n"]), None),
            str(tiny_bert),
            tmp_path / "a",
            PretrainSettings(epochs=1, window=32),
        )
    # The perplexity of nothing would be that of a perfect guess.
    with pytest.raises(ValueError, match="the held-out notes contain no wordpiece at all"):
        pretrain_encoder(
            (pool, pool_of(tiny_bert, ["\n"])),
            str(tiny_bert),
            tmp_path / "a",
            PretrainSettings(epochs=1, window=32),
        )
    with pytest.raises(ValueError, match="--gpu-id 99: PyTorch sees"):
        pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "a", PretrainSettings(1), 99)


def test_two_runs_are_not_at_work_in_one_place(tiny_bert: Path, tmp_path: Path):
    """Each would remove what the other is about to move to its place."""
    pool, settings = pool_of(tiny_bert, TEXTS), PretrainSettings(epochs=1, window=32)

    def start_another(step: pretraining.Step) -> None:
        with pytest.raises(BlockingIOError, match="another run is at work here"):
            pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "a", settings)

    pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "a", settings, on_step=start_another)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_no_output_of_its_own_is_not_replaced(tiny_bert: Path, tmp_path: Path):
    pool = pool_of(tiny_bert, TEXTS)
    settings = PretrainSettings(epochs=1, window=32)
    with pytest.raises(ValueError, match="name another folder, or remove it"):
        pretrain_encoder((pool, None), str(tiny_bert), tiny_bert, settings)
    assert (tiny_bert / "config.json").is_file()
    for _ in range(2):
        pretrain_encoder((pool, None), str(tiny_bert), tmp_path / "out", settings)


def test_the_script(tiny_bert: Path, tmp_path: Path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for number, text in enumerate(TEXTS):
        (notes / f"{number}.txt").write_text(text)
    write_docs([corpus_nlp()("Took aspirin.")], tmp_path / "more.spacy")
    options = ["--notes", notes, "--notes", tmp_path / "more.spacy", "--window", 32, "--epochs", 2]
    options += ["--held-out", tmp_path / "more.spacy"]
    done = run_script("pretrain.py", tiny_bert, tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    assert "3 notes of" in done.output
    assert "held out notes: perplexity" in done.output
    assert (tmp_path / "out" / "config.json").is_file()
    (notes / "bad.txt").write_bytes(b"\xff\xfe\x00")
    made = (tmp_path / "out" / "pretraining.json").stat().st_mtime_ns
    done = run_script("pretrain.py", tiny_bert, tmp_path / "out", *options)
    assert done.exit_code == 0
    assert "1 notes were left out" in done.output
    assert "bad.txt" in done.output
    assert "3 notes of" in done.output
    assert (tmp_path / "out" / "pretraining.json").stat().st_mtime_ns == made
    done = run_script("pretrain.py", tiny_bert, tmp_path / "strict", *options, "--strict")
    assert done.exit_code == 1
    assert "bad.txt" in done.output
    assert "1 notes cannot be read, and --strict allows none" in done.output
    assert not (tmp_path / "strict").exists()


def test_the_script_reads_rows_of_files(tiny_bert: Path, tmp_path: Path):
    notes = tmp_path / "notes.jsonl"
    rows = [{"pmid": number, "body": text} for number, text in enumerate(TEXTS)]
    rows += [{"pmid": 7, "body": None}, {"pmid": 8, "body": ""}]
    notes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--notes", notes, "--window", 32, "--epochs", 1]
    done = run_script("pretrain.py", tiny_bert, tmp_path / "out", *options)
    assert done.exit_code == 1
    assert "no wordpiece at all" in done.output
    assert f"{notes}:1: no key 'id' ('pmid', 'body'); name it with --id-column" in done.output
    options += ["--id-column", "pmid", "--text-column", "body"]
    done = run_script("pretrain.py", tiny_bert, tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    assert "2 notes of" in done.output
    assert "1 notes were left out" in done.output
    assert f"{notes}:3: 'body' is null" in done.output


def test_the_script_refuses_in_one_line(tiny_bert: Path, tmp_path: Path):
    done = run_script("pretrain.py", tiny_bert, tmp_path / "out", "--notes", tmp_path / "none")
    assert done.exit_code == 1
    assert done.output.startswith("pretrain: ")
    assert "no such folder" in done.output
    within = f"{tiny_bert}/-mine"
    done = run_script("pretrain.py", f"{tiny_bert}/", within, "--notes", tmp_path / "none")
    assert done.exit_code == 1
    assert "lies in the encoder" in done.output
    done = run_script("pretrain.py", tmp_path / "no", tmp_path / "out", "--notes", tmp_path)
    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
