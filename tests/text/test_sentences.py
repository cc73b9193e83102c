import pytest

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
        ["\n\n", "Text after blank lines."],
    ],
)
def test_sentences_of_clinical_text(sentences):
    doc = corpus_nlp()("".join(sentences))
    assert [sentence.text_with_ws for sentence in doc.sents] == sentences


@pytest.mark.parametrize("text", ["", "\n", " ", "...", "1.", ":\n:\n"])
def test_any_text_has_its_tokens_in_sentences(text):
    doc = corpus_nlp()(text)
    assert sum(len(sentence) for sentence in doc.sents) == len(doc)
