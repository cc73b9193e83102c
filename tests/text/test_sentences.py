import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from clinical_ie.corpora.notes import corpus_nlp, make_doc
from clinical_ie.doc import Annotations, Mention
from clinical_ie.text.columns import span_borders
from clinical_ie.text.sentences import clinical_sentences, merge_inside_mentions


@pytest.mark.parametrize(
    "sentences",
    [
        # Only a short word before a number is an abbreviation, and a year is no number of a list.
        ["She was given Heparin. ", "20 mg were too much."],
        ["Seen by the surgeons.\n", "2019. ", "He left."],
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
        ["Aspirin 81 mg b.i.d., heparin 5 mg p.o.; insulin. ", "He left."],
        ["Aspirin (81 mg b.i.d.) and heparin (5 mg p.o.), then none (see Fig. 1.). ", "He left."],
        ["Seen by (A.) Smith. ", "He left."],
        ["Hr. Maier wurde von Hrn. Klein gebracht. ", "Entlassung."],
        ["Sr. Ruiz, visto por la Dra. Soto. ", "Alta."],
        ["患者咳嗽3天。", "有发热\uff1f", "\u201c无头痛。\u201d", "予阿司匹林100mg。"],
        ["هل يوجد صداع؟ ", "لا يوجد."],
        [
            "Varón de 60 años que acude a urgencias por fiebre y disnea desde hace tres días\n",
            "Exploración física: normal",
        ],
        [
            "Moderate MR. ",
            "LV function normal.\n",
            "History of MS. ",
            "Low Ca. ",
            "Has CA. ",
            "No.",
        ],
        ["MR. SMITH WAS SEEN BY DR. JONES. ", "HE HAS MS."],
        ["QTc 450 ms. ", "Temp was 38 C. ", "Hepatitis C. ", "Protein S. ", "John C. Smith came."],
        [
            "IMPRESSION: ",
            "1. Obstruction. ",
            "2. Ascites.\n",
            "Plan: ",
            "1. CAD ",
            "2. HTN ",
            "3. DM",
        ],
        ["诊断\uff1a", "1.心肌梗死\uff1b", "2.高血压病"],
        ["a) aspirin\n", "b) heparin\n", "Pain: 5. ", "Go on."],
        ["1. Tumor grade 2. ", "Nodes negative.\n", "Room 2. ", "Bed."],
        ['He said "no." ', "(Then he left.) ", '"Why?" ', '"[So.]" ', "Nobody knows."],
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


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_every_line_end_is_one(end):
    text = "Meds:\nAspirin 81 mg\n1. Lasix\n2. Heparin\n\nHe was\nseen. No\npain.\n"
    expected = [sentence.text for sentence in corpus_nlp()(text).sents]
    assert len(expected) == 6, expected
    sentences = [sentence.text for sentence in corpus_nlp()(text.replace("\n", end)).sents]
    assert sentences == [sentence.replace("\n", end) for sentence in expected]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a", "\r", "\n", "b"], ["a\r\nb"]),
        (["Meds:", "\r", "\n", "Aspirin", "\r", "\n", "\r", "\n", "No"], None),
        # A line break inside a word, and one after a heading.
        (["a\r\nb", "\r\n", "Meds:", "\n", "aspirin"], ["a\r\nb\r\n", "Meds:\n", "aspirin"]),
    ],
)
def test_other_tokenizers_may_cut_line_ends_or_hide_them_in_words(words, expected):
    doc = clinical_sentences(Doc(Vocab(), words=words, spaces=[False] * len(words)))
    expected = expected or ["Meds:\r\n", "Aspirin\r\n\r\n", "No"]
    assert [sentence.text for sentence in doc.sents] == expected


@given(st.lists(st.sampled_from(["a", "A", "B.", ":", "\r", "\n", "\r\n", "\n\r", " ", "a\nb"])))
def test_any_tokens_have_sentences(words):
    doc = clinical_sentences(Doc(Vocab(), words=words, spaces=[False] * len(words)))
    assert sum(len(sentence) for sentence in doc.sents) == len(doc)


def test_no_sentence_starts_inside_a_mention():
    text = "It hurts. Badly. Then he left. He slept."
    mentions = [Mention("T1", "X", ((3, 15),)), Mention("T2", "X", ((10, 16), (3, 9)))]
    doc = make_doc(corpus_nlp(), text, Annotations(mentions), "n")
    assert [sentence.text for sentence in doc.sents] == [
        *["It hurts. Badly.", "Then he left.", "He slept."]
    ]
    doc[4].is_sent_start = True
    borders = span_borders(list(doc.spans["entities"]))
    assert merge_inside_mentions(doc, *borders) == 1
    assert merge_inside_mentions(doc, *borders) == 0


@pytest.mark.timeout(60)
def test_mentions_nested_without_end():
    """An algorithm that looks at every token of each mention would take an hour here."""
    n = 50_000
    mentions = [Mention(f"T{i}", "X", ((2 * i, 4 * n - 2 * i),)) for i in range(n)]
    doc = make_doc(corpus_nlp(), "a " * 2 * n, Annotations(mentions), "n")
    assert len(doc.spans["entities"]) == n
    assert len(list(doc.sents)) == 1


def test_a_mention_may_begin_with_a_sentence():
    doc = Doc(spacy.blank("en").vocab, words=list("abcdef"), sent_starts=[True, False] * 3)
    assert merge_inside_mentions(doc, np.array([2]), np.array([6])) == 1
    assert [sent.text for sent in doc.sents] == ["a b", "c d e f"]
