import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clinical_ie.augment.terms import shape_of
from clinical_ie.augment.values import is_on_scale, nearest_values, other_values


def drawn(term: str) -> set[str]:
    return {value for seed in range(20) for value in other_values(term, random.Random(seed), 9)}


@pytest.mark.parametrize(
    ("term", "some"),
    [
        ("10 mg", {"5 mg", "15 mg"}),
        ("12 units", {"11 units", "13 units"}),
        ("10 mg/dL", {"9 mg/dL", "11 mg/dL"}),
        ("500 mg/d", {"400 mg/d", "600 mg/d"}),
        ("1,500 mL", {"1,400 mL", "1,600 mL"}),
        ("52-year-old", {"50-year-old", "55-year-old"}),
        ("Three weeks later", {"Two weeks later", "Four weeks later"}),
        ("140/90 mmHg", {"150/100 mmHg", "130/80 mmHg"}),
        ("4-6 mm", {"5-7 mm", "3-5 mm"}),
        ("2.1 \u00d7 106 IU/mL", {"2.2 \u00d7 106 IU/mL"}),
        ("December 15", {"December 14", "December 16"}),
        ("5 mg every 24 hours", {"10 mg every 24 hours"}),
    ],
)
def test_other_values(term: str, some: set[str]) -> None:
    assert some <= drawn(term)
    assert term not in drawn(term)


def test_nobody_makes_eleven_milligrams() -> None:
    assert drawn("11 mg daily") >= {"10 mg daily", "12 mg daily"}
    assert drawn("10 mg daily") == {"5 mg daily", "15 mg daily"}


@pytest.mark.parametrize(
    ("term", "others"),
    [
        ("0.125 mg", {"0.25 mg", "0.0625 mg"}),
        ("12.5 mg", {"25 mg", "6.25 mg"}),
        ("47.5 mg daily", {"95 mg daily", "23.75 mg daily"}),
    ],
)
def test_a_strength_with_decimals_is_doubled_or_halved(term: str, others: set[str]) -> None:
    assert drawn(term) == others


@pytest.mark.parametrize(
    "term",
    ["2,5 mg", "0,125 mg", "37,8 °C", "pH 7,35", "1,6 L/min", "12,5-14,5 g/dl", "1,6 x 2,7 cm"],
)
def test_decimal_commas_are_points(term: str) -> None:
    values = drawn(term)
    assert {value.replace(",", ".") for value in values} == drawn(term.replace(",", "."))
    assert values
    assert not any("." in value for value in values)


def test_commas_may_also_group_thousands() -> None:
    assert "1,400 mL" in drawn("1,500 mL")
    assert drawn("1,500 mL und 2,5 mL") >= {"1,400 mL und 2,4 mL", "1,600 mL und 2,7 mL"}


def test_a_rate_changes_a_little() -> None:
    assert drawn("0.12 mcg/kg/min") <= {f"0.{n} mcg/kg/min" for n in range(10, 15)}


@pytest.mark.parametrize("term", ["1645", "2350", "1015"])
def test_what_may_be_a_time_of_day_still_may(term: str) -> None:
    assert all(int(value[:2]) < 24 and int(value[2:]) < 60 for value in drawn(term))


@pytest.mark.parametrize(
    "term",
    [
        "",
        "5-325 mg",
        "800/160 mg",
        "2.5-5 mg",
        "pain",
        "CD4",
        "IL-6",
        "CA-125",
        "T12",
        "3rd day",
        "5HT3",
        "2014",
        "June 2013",
        "03/12/2014",
        "3-12-14",
        "8:30 am",
        "7/10",
        "8 of the 32",
        "1 week",
        "02",
        "1.000 mg",
        "1.000,5 mg",
        "1,25(OH)2 vitamin D",
        "1,25 OH vitamin D3",
        "(1,3)-beta-D-glucan",
        "1,2,3 mm",
        "serotype 4,12: i",
        "every 24 hours",
        "10^9",
        "5\u2032 end",
        "L4-5",
        "C5\u20136",
        "GCS 15",
        "Glasgow Coma Scale score of 15",
        "NYHA class 2",
        "Grade 3",
        "4+/5",
        "2+",
        "+2",
        "38+2 weeks",
        "two thirds",
        "Three-quarters",
        "8.30 am",
        "1430 h",
        "every 8 hours",
        "every two hours",
        "every 4-6 hours",
        "q 12 hours",
        "Q. 8 H",
        "q 4 to 6 h",
        "12-28",
        "28/2",
        "28.12.",
        "[**8-14**]",
        "[**Hospital 1807**]",
        f"specimen {'4' * 400}",
        f"{'7' * 5000}/10",
    ],
)
def test_what_is_no_value_stays(term: str) -> None:
    assert drawn(term) == set()


@pytest.mark.parametrize(
    ("term", "others", "expected"),
    [
        ("10 mg", ["5 mg", "20 mg", "40 mg", "10 mg", "12.5 mg"], ["12.5 mg", "20 mg", "5 mg"]),
        (
            "every 12 hours",
            ["every 8 hours", "every 24 hours"],
            ["every 8 hours", "every 24 hours"],
        ),
        ("120/80", ["110/70", "200/80", "120"], ["110/70"]),
        ("60%", ["45%", "90%", "55%"], ["55%"]),
        ("5.8 cm", ["10.8 cm", "5.0 cm"], ["5.0 cm"]),
        ("1.5 mg/dL", ["3.0 mg/dL", "1.7 mg/dL"], ["1.7 mg/dL"]),
        ("98.6", ["104.0", "98.4"], ["98.4"]),
        ("36,8", ["40,1", "36,6"], ["36,6"]),
        ("1,000 mL", ["2,000 mL", "1,500 mL", "2,500 mL"], ["1,500 mL", "2,000 mL"]),
        ("two tablets", ["three tablets", "six tablets"], ["three tablets"]),
        ("2014", ["2013", "2015"], []),
        ("8:30", ["8:45"], []),
        ("0 mg", ["5 mg"], []),
        ("pain", ["ache"], []),
        ("1.2.3", ["1.2.4"], []),
    ],
)
def test_the_nearest_of_other_values(term: str, others: list[str], expected: list[str]) -> None:
    assert nearest_values(term, others, 4) == expected
    assert nearest_values(term, others, 1) == expected[:1]


@pytest.mark.parametrize("term", ["36.8", "39.1", "98.6", "103.2"])
def test_a_number_alone_that_may_be_a_temperature_hardly_changes(term: str) -> None:
    values = drawn(term)
    assert values
    assert all(abs(float(value) / float(term) - 1) < 0.025 for value in values)


@pytest.mark.parametrize(
    ("term", "most"),
    [
        ("July 29, 2015", 28),
        ("31 June", 28),
        ("March 27\u201330", 28),
        ("11 p.m.", 12),
        ("12 o'clock", 12),
        ("3 h 57 min", 59),
        ("99-year-old", 100),
        ("102 yrs old", 100),
        ("at the age of 97", 100),
        ("41 weeks of gestation", 42),
        ("97.7%", 100),
        ("99.9 %", 100),
        ("90-98%", 100),
        ("SpO2 98", 100),
        ("41.8 \u00b0C", 42),
        ("41.8 Grad", 42),
        ("41.8", 42),
    ],
)
def test_what_cannot_be_is_not_written(term: str, most: int) -> None:
    values = drawn(term)
    assert values
    for value in values:
        numbers = re.findall(r"\d+(?:\.\d+)?", value.replace("2015", "").replace("SpO2", ""))
        assert all(0 < float(number) <= most for number in numbers)


def test_a_cap_is_for_what_is_below_it() -> None:
    assert drawn("150%") >= {"140%", "160%"}
    assert drawn("45 \u00b0") == {"44 \u00b0", "46 \u00b0"}
    assert "104 \u00b0F" in drawn("103 \u00b0F")
    assert "50 mm in March" in drawn("40 mm in March")
    assert drawn("40 \u00b0C") == {"39 \u00b0C", "41 \u00b0C"}


def test_a_high_percentage_changes_little() -> None:
    assert {f"{share}%" for share in (96, 97, 99, 100)} == drawn("98%")
    assert drawn("100%") == {"98%", "99%"}
    assert all(90.5 <= float(value[:-1]) <= 94.3 for value in drawn("92.4%"))


def test_readings_stay_those_of_a_living_body() -> None:
    assert all(7.2 <= float(value) <= 7.6 for value in drawn("7.40"))
    assert all(37 <= float(value.split()[0]) <= 40 for value in drawn("38.5 °C"))
    assert all(int(value[:-1]) <= 100 for value in drawn("98%"))
    assert all(int(value.split()[1]) <= 28 for value in drawn("May 27"))


@pytest.mark.parametrize(
    ("term", "broken"),
    [("100-101 mg", "110-105 mg"), ("100 to 105 mg", "90 to 90 mg"), ("95/90 mmHg", "80/80 mmHg")],
)
def test_of_two_numbers_the_greater_one_stays_so(term: str, broken: str) -> None:
    assert drawn(term)
    assert broken not in drawn(term)


@example("0.0,0", 0)
@example("1,234.5 mg", 0)
@given(st.text("0123456789.,/-x\u00d7 mgCDto%°", max_size=20), st.integers(0, 100))
def test_any_text_gets_values_written_like_its_own(term: str, seed: int) -> None:
    for value in other_values(term, random.Random(seed), 4):
        assert value != term
        assert shape_of(value) == shape_of(term)
        assert re.sub(r"\d", "", value) == re.sub(r"\d", "", term)


@pytest.mark.parametrize(
    ("before", "term", "expected"),
    [
        ("Neuro: GCS ", "14", True),
        ("[[T1|Test: FiO2]]: [[T2|Value: ", "60%", True),
        ("an Apgar score of ", "9", True),
        ("NYHA class ", "III", False),
        ("GCS 14, HR ", "92", False),
        ("", "14", False),
    ],
)
def test_a_number_behind_the_name_of_a_scale(before: str, term: str, expected: bool) -> None:
    assert is_on_scale(before, term) is expected
