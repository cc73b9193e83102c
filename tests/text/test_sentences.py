import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ie.corpora.notes import corpus_nlp


@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith saw the pt. ", "He was given vancomycin 1.5 g q6h and\nimproved."],
        ["Discharge Medications:\n", "1. Aspirin 81 mg daily\n", "2. Metoprolol 25 mg BID\n"],
        ["Allergies: penicillin\n\n", "no further text here"],
        ["He was seen in clinic by the surgical team and they felt that the\nwound had healed."],
        ["WBC   4.5   low\n", "HCT   33.1   low\n"],
        ["Was it the drug? ", "No."],
        ["- aspirin\n", "- heparin"],
        ["Seen by Dr. A. Smith, M.D. on the ward. ", "She took vitamin A. ", "He did not."],
        ["Baseline Cr. 1.8 as shown in Fig. 2 before. ", "20 mg were given."],
        ["\n\n", "Text after blank lines."],
    ],
)
def test_sentences_of_clinical_text(sentences):
    doc = corpus_nlp()("".join(sentences))
    assert [sentence.text_with_ws for sentence in doc.sents] == sentences


@given(st.text(alphabet='aA1. \n\r\t:?-"é'))
def test_every_token_is_in_one_sentence_and_words_start_them(text):
    doc = corpus_nlp()(text)
    sentences = list(doc.sents)
    assert [token.i for sentence in sentences for token in sentence] == list(range(len(doc)))
    assert not any(sentence[0].is_space for sentence in sentences[1:])


@pytest.mark.parametrize("text", ["", "\n", " ", "...", "1.", ":\n:\n"])
def test_any_text_has_its_tokens_in_sentences(text):
    doc = corpus_nlp()(text)
    assert sum(len(sentence) for sentence in doc.sents) == len(doc)
