import pickle

import pytest
import spacy
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokenizer import Tokenizer

from clinical_ie.brat import TextBound, list_notes, read_note
from clinical_ie.text.alignment import misaligned_offsets
from clinical_ie.text.sentences import clinical_sentences
from clinical_ie.text.tokenizer import _LONG, _has_blanks

TOKENIZER = {"@tokenizers": "clinical_ie.ClinicalTokenizer.v1"}
NLP = spacy.blank("en", config={"nlp": {"tokenizer": TOKENIZER}})
DEFAULT = spacy.blank("en")

# Expected tokens are separated by blanks.
WHOLE = [
    "q6h", "q4-6h", "Q8H", "x3", "CD4", "HbA1c", "T2", "IIb", "5FU", "2nd", "18F", "3D", "2.5",
    ".5", "1,200", "12:30", "1:1000", "10/10/2012", "1/2/98", "2151-8-1", "08-01-2012",
    "c.2542G>A", "p.Arg97*", "p.(Arg97Ter)", "c.76_78del", "Dr.", "vs.", "e.g.", "A&O", "No.5",
    "Mr.", "mrs.", "ca.",
    "\u03bcg", "\u00b5g", "https://example.org/a-b?c=1", "ward.7@example.org", "e\u0301te\u0301",
    "aujourd'hui", "o'clock", "38,5", "\u0443\u0445\u043e", "----", "____", "**", "Fig.3a",
    "(", "\u2026", "...", ">=", "->", "[**",
]  # fmt: skip
SPLIT = [
    # numbers and units
    ("10mg", "10 mg"),
    ("10MG", "10 MG"),
    ("500mg/5mL", "500 mg / 5 mL"),
    ("1,200mg/day", "1,200 mg / day"),
    ("mg/kg", "mg / kg"),
    ("0.5-1mg/kg/hr", "0.5 - 1 mg / kg / hr"),
    ("5\u03bcg", "5 \u03bcg"),
    ("40mgPO", "40 mg PO"),
    ("5,000units", "5,000 units"),
    ("24h", "24 h"),
    ("40yo", "40 yo"),
    ("05:30AM", "05:30 AM"),
    ("2-3x/day", "2 - 3 x / day"),
    ("x3days", "x3 days"),
    ("1.5cm\u00d72cm", "1.5 cm \u00d7 2 cm"),
    ("1.5x2cm", "1.5 x 2 cm"),
    ("120/80mmHg", "120 / 80 mmHg"),
    ("5%", "5 %"),
    ("37.5\u00b0C", "37.5 \u00b0C"),
    ("10^9/L", "10 ^ 9 / L"),
    ("aspirin81mg", "aspirin 81 mg"),
    ("1000000U", "1000000 U"),
    ("10mgqd,", "10 mg qd ,"),
    ("98.6F", "98.6 F"),
    ("101.2F.", "101.2 F ."),
    ("\u00bdtab", "\u00bd tab"),
    # ranges, comparisons, signs
    ("325-650", "325 - 650"),
    ("12\u201315", "12 \u2013 15"),
    ("pain\u2014severe", "pain \u2014 severe"),
    ("\u22125", "\u2212 5"),
    (">100", "> 100"),
    (">=5", ">= 5"),
    ("p<0.001", "p < 0.001"),
    ("~3cm", "~ 3 cm"),
    ("\u223c4", "\u223c 4"),
    ("#30", "# 30"),
    ("+/-", "+/-"),
    ("3+edema", "3 + edema"),
    ("CD4+", "CD4 +"),
    ("Na+", "Na +"),
    ("WBC-5.2*", "WBC - 5.2 *"),
    ("HLA-B*27", "HLA - B*27"),
    ("T2-weighted", "T2 - weighted"),
    ("PO/NG", "PO / NG"),
    ("(HbA1c:7.2%)", "( HbA1c : 7.2 % )"),
    ("(CT)-scan", "( CT ) - scan"),
    ("pressure=29/8", "pressure = 29 / 8"),
    ("-aspirin", "- aspirin"),
    ("nausea&vomiting", "nausea & vomiting"),
    ("(p.Arg97*),", "( p.Arg97* ) ,"),
    ("46,XX", "46 , XX"),
    # words
    ("tablet(s)", "tablet (s)"),
    ("Crohn's", "Crohn 's"),
    ("doesn\u2019t", "does n\u2019t"),
    ("PVCs", "PVC s"),
    # other languages
    ("l'oedème", "l' oedème"),
    ("(d\u2019hypertension)", "( d\u2019 hypertension )"),
    ("qu'il", "qu' il"),
    ("dell'aorta", "dell' aorta"),
    ("予阿司匹林100mg口服。", "予 阿 司 匹 林 100 mg 口 服 。"),
    ("共3天、30mg、75mg", "共 3 天 、 30 mg 、 75 mg"),
    ("1.咳嗽。2.发热", "1 . 咳 嗽 。 2 . 发 热"),
    ("아스피린100mg", "아스피린 100 mg"),
    ("2型糖尿病", "2 型 糖 尿 病"),
    ("咳嗽3天", "咳 嗽 3 天"),
    ("头CT", "头 CT"),
    ("薬アスピリンを", "薬 ア ス ピ リ ン を"),
    ("صداع؟", "صداع ؟"),
    ("صداع،", "صداع ،"),
    ("בית־חולים", "בית ־ חולים"),
    ("बुखार।", "बुखार ।"),
    ("10\u043c\u0433/\u0441\u0443\u0442", "10 \u043c\u0433 / \u0441\u0443\u0442"),
    ("одышка.Назначен", "одышка . Назначен"),
    ("dolor.Él", "dolor . Él"),
    # stops
    ("b.i.d.", "b.i.d ."),
    ("p.o.,", "p.o . ,"),
    ("U/L.", "U / L ."),
    ("hepatitis B.", "hepatitis B ."),
    ("MR.", "MR ."),
    ("MS.", "MS ."),
    ("Ca.", "Ca ."),
    ("VS.", "VS ."),
    ("450ms.", "450 ms ."),
    ("pain.The", "pain . The"),
    ("40.The", "40 . The"),
    ("normal.on", "normal . on"),
    ("disease.12", "disease . 12"),
    ("protein.(5)", "protein . ( 5 )"),
    ("p.o.daily", "p.o . daily"),
    ("1.Aspirin", "1 . Aspirin"),
    ("q4-6h.", "q4-6h ."),
    ("10/10/2012-10/12/2012", "10/10/2012 - 10/12/2012"),
    ("wait...what", "wait ... what"),
    # de-identified text
    ("[**2151-8-1**].", "[** 2151-8-1 **] ."),
    ("[**8-1**]-[**8-5**]", "[** 8 - 1 **] - [** 8 - 5 **]"),
    ("[**Known lastname 1234**],", "[** Known lastname 1234 **] ,"),
    # a byte order mark is not part of the first word
    ("\ufeffNote", "\ufeff Note"),
]


def tokens(text: str) -> list[str]:
    return [token.text for token in NLP.make_doc(text)]


@pytest.mark.parametrize("text", WHOLE)
def test_one_token(text):
    assert tokens(text) == [text]


@pytest.mark.parametrize(("text", "expected"), SPLIT)
def test_split(text, expected):
    assert tokens(text) == expected.split(" ")


def test_a_line_of_a_medication_list():
    text = "1. metoprolol succinate XL 50mg\tPO/NG  q6h prn\r\n2. Lisinopril 10MG TAB"
    assert tokens(text) == [
        *["1", ".", "metoprolol", "succinate", "XL", "50", "mg", "\t", "PO", "/", "NG", " ", "q6h"],
        *["prn", "\r\n", "2", ".", "Lisinopril", "10", "MG", "TAB"],
    ]


@given(
    st.one_of(
        st.text(),
        st.text(
            st.sampled_from(" \t\n\r\u00a0\u2009\ufeff\u200b.,:;-+/*[]()'\u2019%°µaAbB019xmgq")
        ),
        st.lists(st.sampled_from([*WHOLE, *(text for text, _ in SPLIT)])).map("".join),
    )
)
@example("\r\n \n \x85\u2028a\x1c b")
@example("👩\u200d⚕\ufe0f🇩🇪e\u0301 ")
def test_text_is_kept(text):
    doc = NLP.make_doc(text)
    assert doc.text == text
    assert all(text[token.idx : token.idx + len(token)] == token.text for token in doc)


@given(st.text(st.sampled_from(" \n\t\r\u00a0\u2003aA.1-")))
def test_white_space_is_split_as_by_default(text):
    def spaces(nlp: Language) -> list[str]:
        return [token.text for token in nlp.make_doc(text) if token.is_space]

    assert spaces(NLP) == spaces(DEFAULT)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("signs", ["=", "(", "-=", "a.", "[**", "1/", "c.1>", "\U0001f48a"])
def test_a_word_of_signs_without_end(signs):
    """Rules that look at unlimited context for each character would take minutes here."""
    text = f"x{signs * 100_000}"[:100_000] + "y"
    assert NLP.make_doc(text).text == text


def test_sentences_find_their_lines():
    doc = clinical_sentences(NLP("Allergies: none\n\n\n1. Aspirin 81mg PO\r\n2. Lasix q6h.\n"))
    starts = [token.text for token in doc if token.is_sent_start]
    assert starts == ["Allergies", "1", "2"]


def test_saved_pickled_and_in_processes(tmp_path):
    text = "Took 10mg q4-6h (p.Arg97*)."
    expected = tokens(text)
    NLP.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    pickled = pickle.loads(pickle.dumps(NLP))
    assert loaded.config["nlp"]["tokenizer"] == NLP.config["nlp"]["tokenizer"]
    for nlp in (loaded, pickled):
        assert [token.text for token in nlp.make_doc(text)] == expected
    docs = loaded.pipe([text] * 4, n_process=2)
    assert [[token.text for token in doc] for doc in docs] == [expected] * 4


def test_a_users_special_case_holds_beside_punctuation():
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": TOKENIZER}})
    nlp.tokenizer.add_special_case("b.i.d.", [{"ORTH": "b.i.d."}])
    nlp.tokenizer.add_special_case("nsaid", [{"ORTH": "ns"}, {"ORTH": "aid"}])
    assert [token.text for token in nlp.make_doc("(b.i.d.), nsaid,")] == [
        *["(", "b.i.d.", ")", ",", "ns", "aid", ","]
    ]


def test_misaligned_offsets():
    doc = NLP.make_doc("Took 10mg  q6h. ")
    assert misaligned_offsets(doc, range(len(doc.text) + 1)) == [1, 2, 3, 6, 8, 12, 13]
    assert misaligned_offsets(doc, [99, 5, 1, 1]) == [99, 1, 1]
    assert misaligned_offsets(NLP.make_doc(""), [0]) == []


def test_mentions_of_real_notes_start_and_end_with_tokens(maccrobat):
    """At most 7 of 10,000 boundaries are inside a token, with at most 1.15 times spaCy's tokens."""
    boundaries = misaligned = ours = default = 0
    for path in list_notes(maccrobat):
        note = read_note(path)
        doc = NLP.make_doc(note.text)
        offsets = [
            offset
            for bound in note.standoff.records(TextBound)
            for fragment in bound.fragments
            for offset in fragment
        ]
        boundaries += len(offsets)
        misaligned += len(misaligned_offsets(doc, offsets))
        ours += len(doc)
        default += len(DEFAULT.make_doc(note.text))
    assert misaligned <= 0.0007 * boundaries
    assert ours <= 1.15 * default


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("(", ["("]),
        ("(-)", ["(", "-", ")"]),
        ("abc,def;", ["abc", ",", "def", ";"]),
        ("[**", ["[**"]),
        ("1-2-", ["1", "-", "2", "-"]),
        ("!", ["!"]),
        ("'", ["'"]),
    ],
)
def test_a_stretch_without_blanks_is_cut_as_a_short_one_is(unit, words):
    """spaCy's own loop would take minutes, because its time is quadratic in the length."""
    doc = NLP.make_doc(f"see {unit * 60_000}\nend")
    assert [token.text for token in doc] == ["see", *(words * 60_000), "\n", "end"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("ending", ["'s", "\u2019ll", "n't", "'s,", "\u00b0C"])
def test_endings_of_words_without_end(ending):
    text = f"it{ending * 30_000}"
    assert NLP.make_doc(text).text == text


def test_a_long_row_and_a_long_word_are_one_token():
    text = f"{'-' * 50_000} {'acgt' * 5_000}"
    assert [token.text for token in NLP.make_doc(text)] == text.split()


@given(st.text(st.sampled_from("aB1(.-,*=[$ \n"), max_size=40), st.integers(200, 400))
def test_long_stretches_keep_their_text(text, n):
    doc = NLP.make_doc(text * n)
    assert doc.text == text * n


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n", [30, 200, 20_000])
def test_a_long_row_of_articles_is_stripped_in_one_pass(n):
    """One by one, each would copy all that is left: 16,000 of them took 43 seconds."""
    articles = "dell\u2019" * n
    text = f"pain ({articles}aorta ends"
    words = [token.text for token in NLP.make_doc(text)]
    assert words == ["pain", "(", *["dell\u2019"] * n, "aorta", "ends"]


@pytest.mark.parametrize("row", [*":(),|'\"&/<+", "=-", ":-", "()", "dell'", "un'"])
@pytest.mark.parametrize("after", ["", " foo bar", "e.g. x", "Dr. foo", "aorta's.", "\n", "5 mg"])
def test_what_follows_a_long_row_is_as_without_cutting(row, after):
    text = f"pain {row * 400}{after}"
    cut, whole = NLP.make_doc(text), Tokenizer.__call__(NLP.tokenizer, text)
    assert [(token.text, token.whitespace_) for token in cut] == [
        (token.text, token.whitespace_) for token in whole
    ]


@given(st.lists(st.sampled_from([0, 1, 150, _LONG - 1, _LONG, _LONG + 1]), max_size=6))
def test_a_look_at_few_characters_finds_every_long_stretch(lengths):
    text = " ".join("x" * length for length in lengths)
    assert _has_blanks(text) == (max(lengths, default=0) <= _LONG)
