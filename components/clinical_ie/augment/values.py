"""Other values for terms with numbers: near the old ones, and written like them.

A value from another note belongs to another patient and test: "body weight was 24.4 kg/m2". One
that differs a little from the old one fits whatever is next to it.
"""

import math
import random
import re
from collections.abc import Iterable
from itertools import pairwise

from .terms import shape_of

_NUMBER = re.compile(
    r"(?P<digits>\d+(?:[.,:]\d+)*)|\b(?P<word>two|three|four|five|six|seven|eight|nine|ten)\b",
    re.IGNORECASE,
)
_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
# What precedes a number that stays: the rest of a name (`CD4`, `IL-6`, `m2`, `L4-5`), the base of
# an exponent, the weeks of `38+2 weeks`, the sign of a grade (`+2`). Then the `10` of a power.
_NAME_BEFORE = re.compile(r"(?:[^\W\d](?:\d*[-\u2013/])?|\^|10\(|\d\+|\A\+)\Z")
_POWER_BEFORE = re.compile(r"[\u00d7x*]\s*\Z")
_POWER = re.compile(r"10\d{0,2}\Z")
# What follows a number that stays: an exponent, the ending of an ordinal, the rest of a name
# (`5HT3`), a prime (`3\u2032`), the sign of a grade (`2+`), the unit of a fraction (`two thirds`).
_NAME_AFTER = re.compile(
    r"[\^⁰¹²³⁴-⁹'\u2032\u2019+]|(?:st|nd|rd|th)\b|[^\W\d_]+\d"
    r"|[\s-]+(?:third|fourth|quarter|fifth|sixth|eighth|tenth)s?\b",
    re.IGNORECASE,
)
# `24 hours` stays, and so do dosing intervals: nobody takes a drug every seven hours or `q 4-7 h`.
_DAY = re.compile(r"24[ \u2000-\u200a-]?h")
_EVERY = re.compile(r"\b(?:every|q\.?)\s*(?:\d+\s*(?:[-\u2013]|to|or)\s*)?\Z", re.IGNORECASE)
_HOURS = re.compile(r"(?:\s*(?:[-\u2013]|to|or)\s*\d+)?[\s-]*h(?:r|our)?s?\b", re.IGNORECASE)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
# Dates with a year, dates of day and month only (`12-28`, `28/2`, `28.12.`), and placeholders of
# de-identified dates and names: `[**8-14**]`, `[**Hospital 18**]`.
_DATE = re.compile(
    r"\d([/-])\d+\1\d|\d\.\d+\.\d"
    r"|\A(?:0?[1-9]|1[0-2])[/-](?:0?[1-9]|[12]\d|3[01])\Z"
    r"|\A(?:0?[1-9]|[12]\d|3[01])(?:[/-](?:0?[1-9]|1[0-2])|\.(?:0?[1-9]|1[0-2])\.)\Z"
    r"|\[\*\*.*\d"
)
_SCORE = re.compile(r"(\d+)[+-]?\s*(?:/|of(?: the)?|out of)\s*(\d+)")
# Words that say that a number is on a scale.
_SCALE = re.compile(
    r"\b(?:gcs|glasgow|apgar|gleason|nyha|ecog|karnofsky|kps|nihss|mmse|moca|apache|sofa|meld"
    r"|bi-?rads|fio2|scores?|scale|grades?|class|stage|type|phase|performance status|acuity)\b",
    re.IGNORECASE,
)
# Between such a name and its number; markup of mentions does not count.
_SCALE_BEFORE = re.compile(_SCALE.pattern + r"(?:[\s:=(,-]|\b(?:of|is|was)\b)*\Z", re.IGNORECASE)
_MARKS = re.compile(r"\[\[[^\[\]:]*: |\]\]")
_NAME_LENGTH = 60
# Times of day, with or without minutes, and minutes after hours.
_CLOCK = re.compile(r"\s*(?:[ap]\.?\s?m\b|o.?clock)", re.IGNORECASE)
_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d\Z")
_AFTER_HOURS = re.compile(r"\bh(?:r|our)?s?(?:,| and)?\s*\Z|\dh\Z", re.IGNORECASE)
_MINUTES = re.compile(r"[\s-]*m(?:in)?", re.IGNORECASE)
_AGE_BEFORE = re.compile(r"\bage[ds]?(?: of)?\s*\Z", re.IGNORECASE)
_YEARS = re.compile(r"[\s-]*(?:years?|yrs?|y\.?\s?o|y/o|y)\b", re.IGNORECASE)
_WEEKS, _GESTATION = re.compile(r"[\s-]*w(?:ee)?k"), re.compile(r"\b(?:gestation|pregnan)", re.I)
_SATURATION = re.compile(r"\bs[ap]o2\b|\bsat(?:uration|s)?\b", re.IGNORECASE)
_DEGREES = re.compile(r"\s*(?:°|º|℃|℉|degrees|[Gg]rad\b|[CF]\b)")
_PERCENT = re.compile(r"\s*(?:%|per ?cent)")
# Doses of a drug, not concentrations in the blood.
_DOSE = re.compile(r"[ -]?(?:mg|mcg|[µμu]g|units?|IU)\b(?! ?/ ?[dm]?l\b)", re.IGNORECASE)
# Strengths of tablets, not rates (`0.04 mcg/kg/min`); combinations of drugs (`5-325 mg`).
_STRENGTH = re.compile(r"[ -]?(?:mg|mcg|[µμu]g)\b(?! ?/)", re.IGNORECASE)
_COMBINED = re.compile(
    r"(?<![\d.,])(\d+(?:\.\d+)?) ?[-/] ?(\d+(?:\.\d+)?)(?=[ -]?(?:mg|mcg)\b)", re.IGNORECASE
)
_COMBINED_SHARE = 4
_PH = re.compile(r"[67]\.\d+\Z")
# Thousands as written in German, not a number with three decimals.
_POINTED_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.000)+\Z")
# A decimal comma (`2,5 mg`), not one of thousands, lists (`1,2,3`) or names (`1,25(OH) vitamin D`).
_COMMA = re.compile(
    r"(?<![\d.,:])(?![1-9]\d{0,2},\d{3}(?!\d))(\d+),"
    r"(?=\d+(?!\d|,\d|[:)]|[-(][^\W\d]|\s(?:OH|alpha|beta)\b))"
)
_POINT = re.compile(r"(\d)\.(?=\d)")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+\Z")
_DECIMAL = re.compile(rf"[1-9]\d{{0,2}}(?:,\d{{3}})+|\d+(?:\.\d+)?|{'|'.join(_WORDS)}")
# Doses and durations, which may as well be doubled; all other values are measurements.
_GIVEN = re.compile(
    r"(?<![^\W\d_])(?:mg|mcg|[µμu]g|g|units?|iu|u|meq|ml|cc"
    r"|drops?|puffs?|tab(?:let)?s?|cap(?:sule)?s?)\b"
    r"(?! ?/ ?(?:[dm]?l|m2)\b)"
    r"|(?:hour|day|week|month|year|time|tag|woche|monat|jahr)[a-z]*\b"
    r"|\d ?(?:h|hrs?|d|wks?|yrs?)\b|\bq\.? ?\d|\bx ?\d+\Z",
    re.IGNORECASE,
)
# Without a unit, as in tables of vital signs: 36.8, 98.6.
_TEMPERATURE = re.compile(r"(?:3[5-9]|4[01]|9[5-9]|10[0-6])\.\d")
# Relative changes of a number: minimum, maximum, and maximum for values with a narrow range.
_LEAST, _MOST, _NARROW = 0.04, 0.15, 0.02
_HIGH_PERCENT = 90
_TRIES = 12
# Characters of a number; a longer one is an identifier, or more than a float can hold.
_LONGEST = 15
# How far one customary value may be from another, as logarithms.
_TWICE, _NEAR, _HARDLY = (math.log(1 + share) + 1e-9 for share in (1.0, 0.25, _NARROW))


def other_values(term: str, rng: random.Random, most: int) -> list[str]:
    """The term with other numbers, all changed by about the same share.

    most (int): Maximum number of terms.
    RETURNS (list[str]): Empty for a term without numbers, or with numbers that cannot change on
        their own: dates, times of day, years, names, fractions, scores (`8/10`, `GCS 15`),
        strengths of combinations of drugs.
    """
    pointed = _pointed(term)
    if pointed != term:
        return [_POINT.sub(r"\1,", value) for value in other_values(pointed, rng, most)]
    numbers = [match for match in _NUMBER.finditer(term) if not _stays(term, match)]
    if not numbers or is_date(term) or ":" in term:
        return []
    if any(len(number.group()) > _LONGEST for number in _NUMBER.finditer(term)):
        return []
    if _is_score(term) or _is_combined(term):
        return []
    found: dict[str, None] = {}
    for _ in range(_TRIES):
        share = rng.uniform(_LEAST, _MOST) * rng.choice((-1, 1))
        new = [_changed(term, number, share) for number in numbers]
        if None not in new and _order(new) == _order([number.group() for number in numbers]):
            found[_with(term, numbers, new)] = None
    return list(found)[:most]


def nearest_values(term: str, others: Iterable[str], most: int) -> list[str]:
    """The values that differ least from a term; no number differs by more than a factor of two,
    and measurements by less.

    others (Iterable[str]): Values of the same shape (see `shape_of`).
    most (int): Maximum number of values.
    """
    own = _logarithms(term)
    reach = _reach(term) if own else 0.0
    found = []
    for other in others:
        new = _logarithms(other)
        if own != new and len(own) == len(new):
            far = max(abs(a - b) for a, b in zip(own, new, strict=True))
            if far <= reach:
                found.append((far, other))
    return [other for _, other in sorted(found)[:most]]


def near_values(term: str, other: str) -> bool:
    """Whether two terms differ only in their numbers, and in each by at most a factor of two."""
    if shape_of(term) != shape_of(other):
        return False
    own, new = _logarithms(term), _logarithms(other)
    pairs = list(zip(own, new, strict=False))
    return len(own) == len(new) > 0 and all(abs(a - b) <= _TWICE for a, b in pairs)


def is_on_scale(before: str, term: str) -> bool:
    """Whether a term has a number and the text before it names a scale: `GCS [[Value: 14]]`.

    before (str): The text before the term, with or without markup.
    """
    if not any(char.isdigit() for char in term):
        return False
    return bool(_SCALE_BEFORE.search(_MARKS.sub("", before[-_NAME_LENGTH:])))


def is_date(term: str) -> bool:
    """Whether a term has a numeric date, or the placeholder of one: `[**2151-8-1**]`."""
    return bool(_DATE.search(term))


def _pointed(term: str) -> str:
    """A term with points for its decimal commas; if it has points, they are the decimal ones."""
    return term if "," not in term or _POINT.search(term) else _COMMA.sub(r"\1.", term)


def _reach(term: str) -> float:
    """How far a customary value may be from another, as a logarithm."""
    term = _pointed(term)
    if any(_is_narrow(term, number) for number in _NUMBER.finditer(term)):
        return _HARDLY
    return _TWICE if _GIVEN.search(term) else _NEAR


def _logarithms(term: str) -> list[float]:
    """The logarithms of a term's numbers; empty for dates, times of day, and other notations."""
    term = _pointed(term)
    numbers = [match.group() for match in _NUMBER.finditer(term)]
    if is_date(term) or any(":" in text or _YEAR.match(text) for text in numbers):
        return []
    if any(not _DECIMAL.fullmatch(text.lower()) for text in numbers):
        return []
    values = [_value(text) for text in numbers]
    return [math.log(value) for value in values] if all(values) else []


def _stays(term: str, number: re.Match[str]) -> bool:
    before, digits, end = term[: number.start()], number["digits"], number.end()
    if _NAME_AFTER.match(term, end) or (_EVERY.search(before) and _HOURS.match(term, end)):
        return True
    if digits is None:
        return False
    return bool(
        _NAME_BEFORE.search(before)
        or _YEAR.match(digits)
        or (_CLOCK.match(term, end) and "." in digits)
        or (_TIME_OF_DAY.match(digits) and _HOURS.match(term, end))
        or _DAY.match(term, number.start())
        or (_POWER.match(digits) and _POWER_BEFORE.search(before))
    )


def _is_score(term: str) -> bool:
    """Whether a term has a number on a scale, or a part of a total (`8/10`)."""
    parts = (int(part) <= int(whole) for part, whole in _SCORE.findall(term))
    return bool(_SCALE.search(term)) or any(parts)


def _is_combined(term: str) -> bool:
    """Whether a strength is that of a combination of drugs, or a range (`2.5-5 mg`)."""
    for pair in _COMBINED.findall(term):
        low, high = sorted(map(float, pair))
        if low * _COMBINED_SHARE <= high or any("." in number for number in pair):
            return True
    return False


def _most(term: str, number: re.Match[str], value: float) -> float:
    """The highest value for a number: there is no July 33, no 13 p.m. and no 108% of oxygen."""
    before, after = term[: number.start()], number.end()
    if _MONTH.search(term) and value <= 31:
        return 28
    if _CLOCK.match(term, after):
        return 12
    degrees = _DEGREES.match(term, after) or _TEMPERATURE.fullmatch(term.strip())
    if degrees and value <= 42:
        return 42
    if _AFTER_HOURS.search(before) and _MINUTES.match(term, after):
        return 59
    if _GESTATION.search(term) and _WEEKS.match(term, after):
        return 42
    if _AGE_BEFORE.search(before) or _YEARS.match(term, after):
        return 100
    return 100 if value <= 100 and _is_percent(term, number) else math.inf


def _is_percent(term: str, number: re.Match[str]) -> bool:
    return bool(_PERCENT.match(term, number.end()) or _SATURATION.search(term))


def _is_narrow(term: str, number: re.Match[str]) -> bool:
    """Whether a number hardly changes: a temperature, a high percentage, a pH."""
    text = number.group()
    return bool(
        _DEGREES.match(term, number.end())
        or _PH.match(text)
        or _TEMPERATURE.fullmatch(term.strip())
        or (_HIGH_PERCENT <= _value(text) <= 100 and _is_percent(term, number))
    )


def _changed(term: str, number: re.Match[str], share: float) -> str | None:
    """The changed number, written like the old one; None if that is not possible."""
    text = number.group()
    if number["word"]:
        place = _WORDS.index(text.lower()) + (1 if share > 0 else -1)
        word = _WORDS[place] if 0 <= place < len(_WORDS) else None
        return word.capitalize() if word and text[0].isupper() else word
    if ("," in text and not _THOUSANDS.match(text)) or _POINTED_THOUSANDS.match(text):
        return None
    old, sign = _value(text), 1 if share > 0 else -1
    narrow = _is_narrow(term, number)
    if narrow:
        share *= _NARROW / _MOST
    most = _most(term, number, old)
    if "." in text:
        decimals = len(text.partition(".")[2])
        if _STRENGTH.match(term, number.end()):
            # 0.125 mg is made, and 0.25, but no 0.136.
            return f"{old * 2.0**sign:g}"
        step = 10.0**-decimals
        new = round(old + max(abs(share * old), step) * sign, decimals)
        return f"{new:.{decimals}f}" if step <= new <= most else None
    whole = int(old)
    if text[0] == "0":
        return None
    in_fives = whole in {5, 10, 15} and _DOSE.match(term, number.end())
    step = 1 if narrow else 5 if in_fives else _grain(whole)
    steps = max(1, round(abs(share) * whole / step))
    other = whole + steps * sign * step
    # 1 takes the singular, so a 1 stays, and no other number becomes one.
    if other < 2 or whole == 1 or other > most:
        return None
    # It may be a time of day, and there is no 16:75.
    if _TIME_OF_DAY.match(term.strip()) and not _TIME_OF_DAY.match(str(other)):
        return None
    return f"{other:,}" if "," in text else str(other)


def _grain(number: int) -> int:
    """The step in which a number changes: 500 by hundreds, 325 by fives."""
    steps = (1000, 100, 50, 10, 5)
    return next((step for step in steps if number % step == 0 and 4 * step <= number), 1)


def _order(numbers: list[str | None]) -> list[tuple[bool, bool]]:
    """For each number after the first, whether it is above and whether below its predecessor."""
    values = [_value(number) for number in numbers if number is not None]
    return [(after > before, after < before) for before, after in pairwise(values)]


def _value(number: str) -> float:
    word = number.lower()
    return _WORDS.index(word) + 2.0 if word in _WORDS else float(number.replace(",", ""))


def _with(term: str, numbers: list[re.Match[str]], new: list[str | None]) -> str:
    pieces, end = [], 0
    for number, other in zip(numbers, new, strict=True):
        pieces += [term[end : number.start()], other or number.group()]
        end = number.end()
    return "".join(pieces) + term[end:]
