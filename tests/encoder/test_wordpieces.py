from itertools import pairwise

import numpy as np
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from transformers import AutoTokenizer

from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.encoder.wordpieces import SpecialTokens, align, encode_docs

VOCAB = spacy.blank("en").vocab


@given(
    words=st.lists(st.tuples(st.sampled_from(["a", "bc", "def", " "]), st.booleans()), max_size=9),
    borders=st.lists(st.integers(0, 30), unique=True),
)
def test_a_piece_belongs_to_the_tokens_with_which_it_shares_characters(words, borders):
    doc = Doc(VOCAB, words=[word for word, _ in words], spaces=[space for _, space in words])
    borders = [border for border in sorted(borders) if border <= len(doc.text)]
    # Not all characters are in a piece.
    offsets = list(pairwise(borders))[::2]
    pieces, counts = align(doc, np.array(offsets, dtype=np.int64).reshape(-1, 2))
    expected = [
        [i for i, (a, b) in enumerate(offsets) if a < token.idx + len(token) and token.idx < b]
        for token in doc
    ]
    assert counts.tolist() == [len(found) for found in expected]
    assert pieces.tolist() == [piece for found in expected for piece in found]


def test_the_pieces_of_a_batch_are_those_of_its_docs(tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    texts = ("Took aspirin,\n\n\n81 mg", "", "\n", "one \u200b two\n\nthree")
    docs = [corpus_nlp()(text) for text in texts]
    together = encode_docs(docs, tokenizer)
    n_pieces = n_tokens = n_pairs = n_blanks = 0
    for doc, n_of_doc in zip(docs, together.doc_lengths, strict=True):
        ids = tokenizer(doc.text, add_special_tokens=False)["input_ids"]
        assert together.ids[n_pieces : n_pieces + n_of_doc].tolist() == ids
        alone = encode_docs([doc], tokenizer)
        pairs = together.of_token[n_pairs : n_pairs + len(alone.of_token)]
        assert (pairs - n_pieces).tolist() == alone.of_token.tolist()
        assert together.counts[n_tokens : n_tokens + len(doc)].tolist() == alone.counts.tolist()
        blanks = [token for token, n in zip(doc, alone.counts, strict=True) if not n]
        place = slice(n_blanks, n_blanks + len(blanks))
        assert (together.blanks[place] - n_tokens).tolist() == [token.i for token in blanks]
        kinds = [min(token.text.count("\n"), 2) for token in blanks]
        assert together.blank_kinds[place].tolist() == kinds
        n_pieces, n_pairs = n_pieces + n_of_doc, n_pairs + len(alone.of_token)
        n_tokens, n_blanks = n_tokens + len(doc), n_blanks + len(blanks)
    assert (len(together.ids), len(together.of_token)) == (n_pieces, n_pairs)
    assert set(together.blank_kinds.tolist()) == {0, 1, 2}


def test_a_tokenizer_without_a_mask_has_its_unknown_piece_in_place(tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    expected = (tokenizer.cls_token_id,), (tokenizer.sep_token_id,), tokenizer.pad_token_id
    assert SpecialTokens.of(tokenizer) == SpecialTokens(*expected, tokenizer.mask_token_id)
    assert len(SpecialTokens.of(tokenizer)) == 2
    unknown, tokenizer.mask_token = tokenizer.unk_token_id, None
    assert SpecialTokens.of(tokenizer) == SpecialTokens(*expected, unknown)
