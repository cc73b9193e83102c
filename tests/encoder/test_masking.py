"""Masking of wordpieces, and that every note is read completely."""

import numpy as np
import pytest
from transformers import AutoTokenizer

from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder.masking import NOT_HIDDEN, Pool, mask_windows
from clinical_ie.encoder.wordpieces import SpecialTokens

from .tiny_models import FAMILIES

TEXTS = ["Took aspirin 81 mg daily.\n" * 9, "", "\n\n", "No pain.", "x" * 200]


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture(scope="module")
def pool(tokenizer):
    return Pool.of((corpus_nlp().make_doc(text) for text in TEXTS), tokenizer)


def test_every_wordpiece_of_every_note_is_there(pool, tokenizer):
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert pool.ids.tolist() == [id_ for ids in encoded for id_ in ids]
    assert pool.ends.tolist() == np.cumsum([len(ids) for ids in encoded if ids]).tolist()


def test_windows_hold_each_wordpiece_once_and_never_two_notes(pool):
    cuts = []
    for seed in range(20):
        windows = pool.windows(30, np.random.default_rng(seed))
        assert (windows[:, 1] - windows[:, 0]).max() <= 30
        covered = sorted(i for start, end in windows.tolist() for i in range(start, end))
        assert covered == list(range(len(pool.ids)))
        assert set(pool.ends.tolist()) <= set(windows[:, 1].tolist())
        cuts.append(tuple(sorted(windows[:, 1].tolist())))
    assert len(set(cuts)) > 10


def test_a_note_that_fits_is_not_cut(pool):
    windows = pool.windows(200, np.random.default_rng(0))
    assert sorted(windows[:, 1].tolist()) == pool.ends.tolist()


def test_words_are_hidden_whole_and_everything_else_is_shown(pool, tokenizer):
    special = SpecialTokens.of(tokenizer)
    windows = pool.windows(30, np.random.default_rng(0))
    batch = mask_windows(pool, windows, special, len(tokenizer), 0.3, np.random.default_rng(1))
    before = len(special.before)
    n_hidden = 0
    for row, (start, end) in enumerate(windows.tolist()):
        length = end - start
        body = slice(before, before + length)
        hidden = batch.labels[row, body] != NOT_HIDDEN
        true = pool.ids[start:end]
        assert (batch.labels[row, body][hidden] == true[hidden]).all()
        assert (batch.ids[row, body][~hidden] == true[~hidden]).all()
        words = pool.words[start:end]
        assert not set(words[hidden].tolist()) & set(words[~hidden].tolist())
        assert batch.ids[row, :before].tolist() == list(special.before)
        assert batch.attention[row].sum() == length + len(special)
        assert (batch.labels[row] != NOT_HIDDEN).sum() == hidden.sum()
        n_hidden += hidden.sum()
    assert 0 < n_hidden < len(pool.ids)
    shown = batch.ids[batch.labels != NOT_HIDDEN]
    assert 0.6 < (shown == special.mask).mean() <= 1


def test_blanks_that_are_wordpieces_are_words_by_themselves(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(FAMILIES["roberta"](tmp_path))
    pool = Pool.of([corpus_nlp().make_doc("Took two pills.")], tokenizer)
    shown = tokenizer.convert_ids_to_tokens(pool.ids.tolist())
    words: dict[int, str] = {}
    for piece, word in zip(shown, pool.words.tolist(), strict=True):
        words[word] = words.get(word, "") + piece
    assert sorted(words.values()) == [".", "Took", "pills", "two", "Ġ", "Ġ"]


def test_notes_without_a_wordpiece_are_no_notes(tokenizer):
    empty = Pool.of((corpus_nlp().make_doc(text) for text in ["", "\n"]), tokenizer)
    assert not len(empty.ids)
    assert empty.windows(30, np.random.default_rng(0)).shape == (0, 2)
