"""The copy of the transformer that is used for inference."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier
from time import sleep

import numpy as np
import pytest
import spacy
import torch
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, fix_random_seed
from transformers import AutoModel

from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder import reading
from clinical_ie.encoder import shim as shim_module
from clinical_ie.encoder.linear import PackedLinear, can_pack
from clinical_ie.encoder.reading import reading_copy
from tests.conftest import examples, note, pipeline_config, update_like_spacy_train

from .tiny_models import FAMILIES

needs_packing = pytest.mark.skipif(
    not can_pack(torch.device("cpu")), reason="this build of PyTorch has no oneDNN layers"
)


@pytest.fixture
def nlp(tiny_bert: Path, notes):
    fix_random_seed(0)
    nlp = load_model_from_config(Config(pipeline_config(tiny_bert)), auto_fill=True)
    nlp.initialize(lambda: examples(nlp, notes))
    return nlp


def encoder_of(nlp):
    return nlp.get_pipe("tok2vec").model.layers[0]


@needs_packing
@pytest.mark.parametrize("family", list(FAMILIES))
def test_what_is_copied_reads_as_before_and_is_left_as_it_was(family, tmp_path: Path):
    model = AutoModel.from_pretrained(FAMILIES[family](tmp_path)).eval()
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).last_hidden_state
        reader = reading_copy(model, "float32")
        torch.testing.assert_close(reader(input_ids=ids).last_hidden_state, expected)
        torch.testing.assert_close(model(input_ids=ids).last_hidden_state, expected)
    packed = [module for module in reader.modules() if isinstance(module, PackedLinear)]
    assert len(packed) == sum(type(m) is torch.nn.Linear for m in model.modules())
    assert any(m.gelu or m.activation[0] == "gelu" for m in packed) == hasattr(model, "encoder")


def test_threads_that_read_first_at_once_share_one_copy(nlp, monkeypatch):
    made, ready = [], Barrier(4)

    def slowly(*arguments):
        made.append(arguments)
        sleep(0.2)
        return reading_copy(*arguments)

    monkeypatch.setattr(shim_module, "reading_copy", slowly)
    encoder, doc = encoder_of(nlp), corpus_nlp()("He took aspirin.")
    # Drops the copy that initialization made.
    encoder.shims[0].read_with("float32")

    def read(_):
        ready.wait()
        return encoder.predict([doc])[0]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(read, range(4))
    assert len(made) == 1
    for vectors in others:
        np.testing.assert_array_equal(vectors, first)


# The thread goes no further than the copy: a fork while PyTorch computes is never safe.
_FORKS_MEANWHILE = """
import os, sys, time
from threading import Event, Thread
import spacy
from clinical_ie.encoder import shim

started, made = Event(), shim.reading_copy

def slowly(*arguments):
    started.set()
    time.sleep(0.5)
    raise SystemExit

nlp = spacy.load(sys.argv[1])
shim.reading_copy = slowly
thread = Thread(target=nlp, args=["He took aspirin."])
thread.start()
started.wait()
shim.reading_copy = made
child = os.fork()
if not child:
    nlp("He took aspirin.")
    os._exit(0)
thread.join()
for _ in range(300):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        sys.exit(status)
    time.sleep(0.1)
os.kill(child, 9)
sys.exit("the child waits for a thread that it does not have")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_while_the_copy_is_made_does_not_wait_for_it(nlp, tmp_path: Path):
    nlp.to_disk(tmp_path)
    command = [sys.executable, "-c", _FORKS_MEANWHILE, str(tmp_path)]
    subprocess.run(command, check=True)


def test_learning_makes_the_copy_anew(nlp, notes):
    doc = corpus_nlp()("He took aspirin.")
    encoder = encoder_of(nlp)
    before = encoder.predict([doc])[0].copy()
    update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.05))
    assert np.abs(encoder.predict([doc])[0] - before).max() > 1e-3


@pytest.mark.parametrize(
    "precision", ["bfloat16", "bf16", pytest.param("int8", marks=needs_packing)]
)
def test_precision_is_chosen_when_loading_and_never_saved(
    precision, nlp, tmp_path: Path, monkeypatch
):
    if precision != "int8" and not reading.bfloat16_pays(torch.device("cpu")):
        # Any processor can compute in bfloat16, slowly and without oneDNN's layers.
        monkeypatch.setattr(reading, "bfloat16_pays", lambda device: True)
        monkeypatch.setattr(reading, "can_pack", lambda device: False)
    nlp.to_disk(tmp_path / "full")
    rough = spacy.load(tmp_path / "full", config={"components.tok2vec.model.precision": precision})
    doc = corpus_nlp()("He took aspirin 81 mg.")
    full, rounded = (encoder_of(each).predict([doc])[0] for each in (nlp, rough))
    assert rounded.dtype == np.float32
    assert 0 < np.abs(full - rounded).max() < 0.1
    rough.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again", config={"components.tok2vec.model.precision": "float32"})
    np.testing.assert_array_equal(encoder_of(again).predict([doc])[0], full)


def test_attention_takes_the_plain_way_in_bfloat16_and_only_there(nlp, notes, monkeypatch):
    ways = []
    monkeypatch.setattr(
        shim_module, "PlainAttention", lambda: ways.append("plain") or nullcontext()
    )
    shim = encoder_of(nlp).shims[0]
    doc = corpus_nlp()("He took aspirin 81 mg.")
    for module in (reading, shim_module):
        monkeypatch.setattr(module, "bfloat16_pays", lambda device: True)
    monkeypatch.setattr(reading, "can_pack", lambda device: False)
    found = {}
    for precision in ("float32", "bfloat16"):
        shim.read_with(precision)
        encoder_of(nlp).predict([doc])
        found[precision], ways[:] = bool(ways), []
    for mixed in (False, True):
        shim.bfloat16 = mixed
        update_like_spacy_train(nlp, examples(nlp, notes), Adam(0.05))
        found[mixed], ways[:] = bool(ways), []
    assert found == {"float32": False, "bfloat16": True, False: False, True: True}


def test_what_would_be_slower_is_told_and_read_in_float32(nlp, monkeypatch, caplog):
    doc = corpus_nlp()("He took aspirin 81 mg.")
    expected = encoder_of(nlp).predict([doc])[0]
    shim = encoder_of(nlp).shims[0]
    monkeypatch.setattr(reading, "bfloat16_pays", lambda device: False)
    shim.precision, shim._reader = "bfloat16", None
    for _ in range(2):
        np.testing.assert_array_equal(encoder_of(nlp).predict([doc])[0], expected)
    (told,) = caplog.messages
    assert "'bfloat16' is no faster than float32 on this CPU" in told


def test_a_precision_that_is_none_is_refused(tiny_bert):
    config = Config(pipeline_config(tiny_bert, precision="int3"))
    with pytest.raises(Exception, match="precision"):
        load_model_from_config(config, auto_fill=True)


def test_what_has_read_can_be_pickled(nlp):
    shim = encoder_of(nlp).shims[0]
    encoder_of(nlp).predict([corpus_nlp()("x")])
    assert shim._reader is not None
    assert shim.__getstate__()["_reader"] is None
    copy = pickle.loads(pickle.dumps(shim))
    assert copy.is_loaded
    assert copy._reader is None


def test_averaged_weights_are_used_where_spacy_asks_for_them(nlp, notes):
    sgd = Adam(0.01, use_averages=True)
    for _ in range(5):
        update_like_spacy_train(nlp, examples(nlp, notes), sgd)
    doc = corpus_nlp()("He took aspirin.")
    encoder, tagger = encoder_of(nlp), nlp.get_pipe("clinical_ner").model.shims[0]._model
    last, last_head = encoder.predict([doc])[0].copy(), tagger.output.weight.clone()
    with nlp.use_params(sgd.averages):
        averaged = encoder.predict([doc])[0].copy()
        assert not torch.equal(tagger.output.weight, last_head)
    assert np.abs(averaged - last).max() > 1e-4
    np.testing.assert_array_equal(encoder.predict([doc])[0], last)
    assert torch.equal(tagger.output.weight, last_head)


def test_lower_layers_learn_more_slowly(nlp, notes):
    shim = encoder_of(nlp).shims[0]
    shim.learn_rate_scale, shim.layer_decay = 0.5, 0.25
    seen = {}

    def observed(key, weights, gradient, *, lr_scale=1.0):
        seen[key[1]] = lr_scale
        return weights, gradient

    update_like_spacy_train(nlp, examples(nlp, notes), observed)
    assert seen["encoder.layer.1.output.dense.weight"] == 0.5
    assert seen["encoder.layer.0.output.dense.weight"] == 0.125
    assert seen["embeddings.position_embeddings.weight"] == 0.03125


def test_words_are_masked_in_training_alone(tiny_bert, notes):
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = Config(pipeline_config(tiny_bert, mask_share=1.0, transformer_config=off))
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples(nlp, notes))
    encoder = encoder_of(nlp)
    # With all letters masked, words of equal length look the same.
    docs = [corpus_nlp()("aspirin"), corpus_nlp()("cefepim")]
    one, other = encoder.predict(docs)
    assert np.abs(one - other).max() > 1e-3
    (one, other), _ = encoder.begin_update(docs)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_copy_learns_and_is_averaged_by_itself(nlp, notes):
    """`replace_listeners` makes such a copy for a head, which may then be frozen."""
    encoder = encoder_of(nlp)
    other = encoder.copy()
    assert other.shims[0].id != encoder.shims[0].id
    doc = corpus_nlp()("He took aspirin.")
    before = other.predict([doc])[0].copy()
    sgd = Adam(0.01, use_averages=True)
    for _ in range(5):
        update_like_spacy_train(nlp, examples(nlp, notes), sgd)
    with other.use_params(sgd.averages):
        np.testing.assert_array_equal(other.predict([doc])[0], before)


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 0), True)])
def test_bfloat16_that_a_gpu_only_imitates_is_none(capability, has, monkeypatch):
    asked: list[torch.device] = []

    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or capability[0] >= 8

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "device", lambda d: asked.append(d) or nullcontext())
    device = torch.device("cuda", 1)
    assert reading.bfloat16_pays(device) is has
    assert asked == [device]


@pytest.mark.parametrize(("ratio", "pays"), [(0.5, True), (0.9, False), (1.8, False)])
def test_bfloat16_that_a_cpu_is_slow_at_is_none(ratio, pays, monkeypatch):
    """A processor can have bfloat16 instructions and still be faster without them."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(reading, "_bfloat16_over_float32", lambda: ratio)
    assert reading.bfloat16_pays(torch.device("cpu")) is pays
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not reading.bfloat16_pays(torch.device("cpu"))


def test_what_bfloat16_takes_is_measured_once_and_changes_no_random_number():
    state = torch.get_rng_state()
    ratio = reading._bfloat16_over_float32()
    assert 0 < ratio < 1000
    assert reading._bfloat16_over_float32() == ratio
    assert torch.equal(torch.get_rng_state(), state)


def test_what_bfloat16_takes_is_measured_on_one_thread(monkeypatch):
    """On busy cores, several threads wait for each other, and times vary from 0.5 to 5 times."""
    used = []
    linear = torch.nn.functional.linear

    def observed(*args):
        used.append(torch.get_num_threads())
        return linear(*args)

    monkeypatch.setattr(torch.nn.functional, "linear", observed)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        reading._bfloat16_over_float32.__wrapped__()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(used) == {1}


def test_rotary_frequencies_keep_their_digits(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(reading, "bfloat16_pays", lambda device: True)
    monkeypatch.setattr(reading, "can_pack", lambda device: False)
    model = AutoModel.from_pretrained(FAMILIES["modernbert"](tmp_path)).eval()
    reader = reading_copy(model, "bfloat16")
    assert {p.dtype for p in reader.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    frequencies = [b for name, b in reader.named_buffers() if "inv_freq" in name]
    assert frequencies
    assert all(b.dtype == torch.float32 for b in frequencies)
    assert torch.isfinite(reader(input_ids=torch.arange(5, 20)[None]).last_hidden_state).all()


def test_an_error_within_averaged_weights_leaves_none_of_them(nlp, notes):
    sgd = Adam(0.01, use_averages=True)
    for _ in range(3):
        update_like_spacy_train(nlp, examples(nlp, notes), sgd)
    doc = corpus_nlp()("He took aspirin.")
    last = encoder_of(nlp).predict([doc])[0].copy()

    def interrupted() -> None:
        with nlp.use_params(sgd.averages):
            encoder_of(nlp).predict([doc])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    np.testing.assert_array_equal(encoder_of(nlp).predict([doc])[0], last)


def test_two_copies_on_disk_are_the_same_bytes(nlp, tmp_path: Path):
    nlp.to_disk(tmp_path / "a")
    for name in ("b", "c"):
        spacy.load(tmp_path / "a").to_disk(tmp_path / name)
    one, other = (tmp_path / name / "tok2vec" / "model" for name in "bc")
    assert one.read_bytes() == other.read_bytes()


def test_other_labels_can_be_learned_by_a_pipeline_that_was_saved(nlp, notes, tmp_path: Path):
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    other = note(
        "Fever for two days.", ("Sign", "Fever"), ("Time", "two days"), links=(("x", 0, 1),)
    )
    loaded.initialize(lambda: examples(loaded, [other]))
    assert loaded.get_pipe("clinical_ner").labels == ("Sign", "Time")
    update_like_spacy_train(loaded, examples(loaded, [other]), Adam(0.01))
    assert loaded("Fever for two days.").text == other.text
