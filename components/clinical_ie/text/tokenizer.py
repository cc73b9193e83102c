r"""Tokenization of clinical text: spaCy's tokenizer with rules of another kind.

spaCy's English rules list where to split, but annotators of clinical notes start and end mentions
at nearly every character that is not a letter or digit. Here every such character splits, and the
rules list the shapes that stay whole: decimals, thousands, times, dates, dosing intervals, dotted
abbreviations, variants in HGVS notation, addresses. Letters and digits are only split between a
number and its unit, before a number that lacks its blank, and before the plural `s` of an acronym.

A split too many costs a token. A split too few puts a mention out of reach of every model that
labels tokens. So whatever annotators treat both ways is split: `b.i.d.` at the end of a sentence
is annotated with and without its last full stop, and becomes `b.i.d` and `.`.
"""

import re
from collections.abc import Callable, Iterator
from itertools import takewhile

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

from .columns import token_words

_CJK = (
    r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U00020000-\U0003ffff"
)
# Listed by block, not as every character that is not a letter: combining marks, and the joiners
# inside emoji, stay with what they modify. Full stop, comma and colon have rules of their own.
_SIGNS = (
    r"!\"#$%()+\-/;<=>?@\[\\\]^_`{|}~"
    r"\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00ba\u00bb\u00bf\u00d7\u00f7"
    r"\u02c2-\u02df\u200b\u2010-\u2018\u201a-\u2027\u2030-\u205e\u2060\u207a-\u207e\u208a-\u208e"
    r"\u20a0-\u20bf\u2103\u2109\u2114\u2116-\u2118\u211e-\u2123\u2190-\u2bff\u3001-\u3003"
    r"\u3008-\u3020\u30fb\ufe30-\ufe6b\ufeff"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufffc\ufffd"
    r"\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
    # Of Greek, Armenian, Hebrew, Arabic and Urdu, and Indian scripts.
    r"\u037e\u0387\u0589\u058a\u05be\u05c0\u05c3\u060c\u061b\u061f\u066a\u066d\u06d4\u0964\u0965"
    # Chinese and Japanese have no blanks between words: a mention begins and ends at any character.
    rf"{_CJK}"
)
# Letters of Latin, Greek and Cyrillic.
_SMALL = r"a-z\u00df-\u00f6\u00f8-\u00ff\u03ac-\u03ce\u0430-\u045f"
_CAPITAL = r"A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0400-\u042f"
# Signs that split at the end of a word, and inside it only between certain neighbours.
_EDGE_SIGNS = r"&'*\u2019.,:"

# Rows of one of these draw lines. The lookbehind lets a match begin only at the start of a row, so
# that rows are found in one pass.
_ROWS = "|".join(rf"(?<!{sign}){sign}{{2,}}" for sign in (r"\.", "-", "_", "=", r"\*", "#", "~"))
# Signs that belong together: the brackets of de-identified text, comparisons, arrows, degrees.
_DEGREES = r"[\u00b0\u00ba][CF](?![^\W_])"
_CLUSTERS = rf"\[\*\*|\*\*\]|\+/[-\u2212]|[<>]=|->|{_DEGREES}|{_ROWS}"
_CLITICS = r"['\u2019](?:[sSdm]|re|ve|ll)|n['\u2019]t"
# French and Italian articles and the like: `l'oedème`, `dell'aorta`, but not `aujourd'hui`.
_ELISION = r"(?i:[cdjlmnst]|(?:jus|lors|puis)?qu|un|(?:d[ae]|a|ne|su)ll)['\u2019](?=[^\W\d_]{2})"
# `tablet(s)`: the ending is not a word, so it becomes one token instead of three.
_PLURAL = r"\((?:s|es)\)"

_UNITS = (
    "g kg mg mcg ug \u00b5g \u03bcg ng pg fg G gm gms gr l L dl dL ml mL cl cL ul uL \u00b5l"
    " \u00b5L \u03bcl \u03bcL fl fL pL cc m M km cm mm \u00b5m \u03bcm um nm mM \u00b5M \u03bcM uM"
    " nM mol nmol pmol umol Eq mEq meq u U iu IU mIU mU kU UI h H hr hrs d s sec ms min wk wks w y"
    " yo yr yrs mo mos am pm AM PM x X in ft lb lbs oz Fr Hz kHz MHz Pa kPa V mV kV W J kJ kcal cal"
    " A mA kb bp bpm rpm Ci mCi Gy cGy Sv gtt gtts tab tabs cap caps pk ppd mmHg mmHG mmhg cmH2O"
    " MG MCG ML MEQ GM CC UNIT UNITS TAB TABS CAP CAPS PUFF PUFFS DROP DROPS HR HRS MIN MINS DAY"
    " DAYS WK WKS WEEK WEEKS MONTH MONTHS YR YRS YEAR YEARS YO MMHG BPM"
    # Russian: mg, mcg, g, kg, ml, l, mm, cm, mmol, units, hours, days.
    " \u043c\u0433 \u043c\u043a\u0433 \u0433 \u043a\u0433 \u043c\u043b \u043b"
    " \u043c\u043c \u0441\u043c \u043c\u043c\u043e\u043b\u044c"
    " \u041c\u0415 \u0415\u0414 \u0435\u0434 \u0447 \u0441\u0443\u0442"
)
# Lookbehind must have a fixed width: a number of up to seven digits without a letter before it,
# except the `x` of `x3days` and `2x3cm`, and letters from which numbers are split. So `CD4`, `q6h`
# and `HbA1c` stay whole.
_OTHER_LETTER = r"[^\W\d_A-Za-z\u00c0-\u052f]"
_LOWER_CASE = "[a-z]{4}"
_AFTER_NUMBER = "|".join([
    *(
        rf"(?<={before}\d{{{n}}})"
        for before in (r"\b", _LOWER_CASE, _OTHER_LETTER)
        for n in range(1, 8)
    ),
    *(rf"(?<={before}[xX]\d{{{n}}})" for before in (r"\b", r"\d") for n in (1, 2)),
])  # fmt: skip
_UNIT = (
    rf"(?<=\d)(?=[^\W\d_])(?:{_AFTER_NUMBER})"
    rf"(?:(?=(?:{'|'.join(_UNITS.split())})(?![^\W_])|[a-z\u00b5\u03bc]{{3}})"
    r"|(?:m?c?g|[mdu]L|mEq)(?=[A-Z]|(?:po|iv|im|sl|pr|[bt]id|qid|q[dho]|qhs)(?![^\W_])))"
)

_DATE = r"\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)|\d{1,2}-\d{1,2}-\d{4}|\d{4}[/-]\d{1,2}[/-]\d{1,2}"
_INTERVAL = r"[qQ]\d+[-\u2013]\d+(?:[hHdDwW]|[hH][rR][sS]?|min)"

_FIRST = rf"{_CLUSTERS}|{_ELISION}|[{_SIGNS}&'*\u2019,:]|\.(?!\d)|\.(?=\d+\.\d)"
_PREFIX = rf"\A(?:{_FIRST})"
# Most characters are letters, at which hardly a rule can match: they are ruled out first, which
# makes a search three times as fast.
_SUFFIX = (
    r"(?=[^0-9A-Za-mo-z])"
    rf"(?:(?<=[^\W_])(?:{_CLITICS}|{_PLURAL})|{_CLUSTERS}|[{_SIGNS}{_EDGE_SIGNS}])\Z"
)
_AT_LETTERS = "|".join(
    [
        rf"(?<=\d)(?:[xX](?=\d)|{_UNIT})",
        # `38.5C`, `½tab`.
        r"(?:(?<=\b\d\d\.\d)|(?<=\b\d{3}\.\d))(?=[CF](?![^\W_]))|(?<=[\u00bc-\u00be])",
        # `PVCs`: the plural of an acronym.
        r"(?<=[A-Z]{2})(?=s(?![^\W_]))",
        rf"(?<![\w/.])(?:{_INTERVAL})(?![\w/])",
    ]
)
_AT_OTHERS = "|".join(
    [
        # A matched shape becomes a token.
        rf"(?<![\w/.])(?:{_DATE})(?![\w/])",
        _CLUSTERS,
        rf"(?<=[^\W_]){_PLURAL}",
        # Bases of a variant: `2542G>A`.
        r"(?<![ACGTU])>|>(?![ACGTU])",
        rf"[{_SIGNS.replace('>', '')}]",
        # `1,200` and `12:30` are numbers, `2.5` too, and `HLA-B*27` is a name.
        r"(?<!\d)[,:]|[,:](?!\d)|\*(?!\d)",
        # Full stops without the blank after them: `pain.The`, `test.(5)`, `normal.on`,
        # `disease.12`, `1.Aspirin`, `p.o.daily`.
        rf"(?<!\b[cgmnpr])\.(?=[{_CAPITAL}][{_SMALL}])|(?<=[{_SMALL}]{{2}})\.(?=[{_CAPITAL}])",
        r"\.(?=[^\w\s])|(?<=[^\w\s])\.(?!\d)",
        # Not in `Fig.3` and `No.5`, where it would look like the end of a sentence.
        rf"(?<=[{_SMALL}]{{3}})\.(?=[{_SMALL}]{{2}})|(?<=\d)\.(?=[A-Za-z]{{2}}|[{_CJK}])",
        r"(?<=[A-Za-z]{2})(?<![Ff]ig)(?<![Ff]igs)(?<!\b[Nn]o)\.(?=\d)",
        r"(?<=\.[A-Za-z])\.(?=[A-Za-z]{2})",
        # A number without the blank before it: `aspirin81`, `WBC9.0`.
        rf"(?<={_LOWER_CASE})(?=\d)|(?<={_OTHER_LETTER})(?=\d)|(?<=[A-Za-z]{{2}})(?=\d+\.\d)",
        r"(?<=[A-Za-z]{2})&(?=[A-Za-z]{2})",
        r"(?<=[A-Za-z])['\u2019]s(?![^\W_])",
        # The units that begin with a letter outside ASCII.
        _UNIT,
    ]
)
_INFIX = rf"(?=[A-Za-z])(?:{_AT_LETTERS})|(?![A-Za-z])(?:{_AT_OTHERS})"

# Words that keep the signs at their ends. Titles and the like never end a mention, but in capitals
# some are other terms: MR, MS, DR, CA, VS. So are `ms` and `Ca`.
TITLES = r"(?:[Dd]ra?|[Mm]rs?|Ms|St|Hrn?|Sra?|[Vv]s|ca|(?i:prof|approx|figs?|e\.g|i\.e))\."
_WHOLE = (
    rf"(?:{TITLES}"
    r"|[cgmnpr]\.(?:[-*\[(]?[A-Za-z]*\d[\w>*+=?;()\[\]-]*[\w*=?]|\([A-Za-z]+\d[^\s()]*\))"
    rf"|{_DATE}|{_INTERVAL})\Z"
)
_ADDRESS = r"(?:https?://|ftp://|www\.)\S+\Z|[\w.+-]+@[\w-]+(?:\.[\w-]+)+\Z"


# Stretches between white space whose tokens are remembered, some 200 bytes each. spaCy's default of
# 10,000 is full after a hundred notes, and all later words are split anew wherever they occur.
_MAX_CACHED = 100_000

# A stretch without white space longer than this is not a word but a line of a table, a row of
# signs or encoded data. spaCy strips the signs of a word one by one and copies the rest each time.
_LONG = 300
_PIECE = 100
# Where such a stretch is cut: between two signs, but not inside a row, which is one token; and
# after clitics and degrees, the only letters that are split off the end of a word.
_SIGN = rf"[{_SIGNS}{_EDGE_SIGNS}]"
_BETWEEN_SIGNS = re.compile(
    rf"([.\-_=*#~])(?={_SIGN})(?!\1)|(?![.\-_=*#~]){_SIGN}(?={_SIGN})"
    rf"|(?:{_CLITICS})(?=['\u2019n])|{_DEGREES}(?={_SIGN})"
)
# What is stripped off its front one by one, and has letters in it: `dell'dell'dell'`.
_FRONT = re.compile(rf"(?>{_FIRST}){{20,}}")
_FIRSTS = re.compile(_FIRST)


class ClinicalTokenizer(Tokenizer):
    """spaCy's tokenizer, in linear time even on long stretches without white space."""

    def __call__(self, text: str) -> Doc:
        """Make a Doc of a text.

        text (str): Of any length.
        """
        if _has_blanks(text) or max(map(len, text.split()), default=0) <= _LONG:
            return super().__call__(text)
        words: list[str] = []
        spaces: list[bool] = []
        for piece in _pieces(text):
            if isinstance(piece, list):
                words += piece
                spaces += [False] * len(piece)
                continue
            doc = super().__call__(piece)
            words += token_words(doc)
            spaces += doc.to_array("SPACY").astype(bool).tolist()
        return Doc(self.vocab, words=words, spaces=spaces)


def _has_blanks(text: str) -> bool:
    """Whether no stretch without a blank is too long, by a look at few of the characters."""
    at = -1
    while len(text) - at > _LONG + 1:
        at = text.rfind(" ", at + 1, at + _LONG + 2)
        if at < 0:
            return False
    return True


def _pieces(text: str) -> Iterator[str | list[str]]:
    """The text in pieces, cut only inside stretches that are too long; a piece that is stripped off
    the front of one is a list of its tokens."""
    start = 0
    for long in re.finditer(rf"\S{{{_LONG + 1},}}", text):
        if front := _FRONT.match(text, long.start(), long.end()):
            yield text[start : long.start()]
            found = _FIRSTS.finditer(text, long.start(), long.end())
            # The last is left to spaCy, which sees what follows: a blank, or a suffix.
            tokens = list(takewhile(lambda each: each.end() < front.end(), found))
            yield [token[0] for token in tokens]
            start = tokens[-1].end()
        cut = _BETWEEN_SIGNS.search(text, max(start, long.start()) + _PIECE, long.end())
        while cut:
            yield text[start : cut.end()]
            start = cut.end()
            cut = _BETWEEN_SIGNS.search(text, start + _PIECE, long.end())
    yield text[start:]


def make_clinical_tokenizer() -> Callable[[Language], Tokenizer]:
    """Registered as `clinical_ie.ClinicalTokenizer.v1`.

    RETURNS (Callable[[Language], Tokenizer]): Makes the tokenizer of a pipeline. It is a
        `spacy.tokenizer.Tokenizer`: text is kept exactly, white space other than single blanks
        becomes tokens, special cases can be added, and a saved pipeline keeps the rules it was
        saved with.
    """
    return _make_tokenizer


def _make_tokenizer(nlp: Language) -> Tokenizer:
    return ClinicalTokenizer(
        nlp.vocab,
        prefix_search=re.compile(_PREFIX).search,
        suffix_search=re.compile(_SUFFIX).search,
        infix_finditer=re.compile(_INFIX).finditer,
        token_match=re.compile(_WHOLE).match,
        url_match=re.compile(_ADDRESS).match,
        max_cache_size=_MAX_CACHED,
    )
