import re
from collections import Counter
from typing import Any

from clinical_ie.augment.outcome import Outcome
from clinical_ie.augment.page import render


def summary(**changes: Any) -> dict[str, Any]:
    settings = {
        "config": "x.cfg",
        "model": {"@llm_models": "m"},
        "seed": 0,
        "n_augmented": 3,
        "strategy": "uniform",
        "segments_per_note": 1,
    }
    counts = Counter({"Drug": 8, "ADE": 2})
    outcome = Outcome(settings, (1.0, 2.0), {}, (counts, Counter({"ADE-Drug": 2})))
    return outcome.as_dict() | changes


def test_an_empty_run_has_a_page() -> None:
    html = render(summary())
    assert "0 new notes of 3 asked for" in html
    assert "Nothing was dropped." in html
    assert "No rewrite was accepted." in html


def test_marks_are_coloured_and_text_is_escaped() -> None:
    pair = {
        "note": "n<1>",
        "source": "Had [[T1|Drug: <script>alert(1)</script>]] & [[ADE: a [[Drug: b]]]].",
        "rewrite": "Had [[Drug: x",
    }
    html = render(summary(examples=[pair]))
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</mark> &amp; <mark" in html
    assert "n&lt;1&gt;" in html
    assert html.count("<mark") == html.count("</mark>") == 4
    hues = re.findall(r'--hue: (\d+)"><b>(\w+)</b>', html)
    assert len({hue for hue, label in hues if label == "Drug"}) == 1


def test_what_the_run_came_to() -> None:
    dropped = {"missing marker": {"answers": 7, "segments": 2, "example": {}}}
    dropped["missing marker"]["example"] = {"source": "s", "rewrite": "r", "detail": "T9"}  # type: ignore[dict-item]
    html = render(
        summary(
            accepted=2,
            dropped=dropped,
            tokens={"prompt": 1000000, "completion": 500, "untold": 7},
            cost={"all": 1.5, "this_run": 0.25},
            new_terms={"Drug": {"terms": 5, "new": 3}},
            mentions={"Drug": {"train": 8, "augmented": 2}, "ADE": {"train": 2, "augmented": 8}},
        )
    )
    assert "<td>missing marker</td><td>7</td><td>2</td>" in html
    assert "T9" in html
    assert "1,000,000 in prompts, 500 in answers; not reported for 7 answers" in html
    assert "1.5000, 0.2500 of it in this run" in html
    assert "<td>Drug</td><td>5</td><td>3</td>" in html
    # 8 of 10 mentions before, 10 of 20 after.
    assert re.search(r"<td>Drug</td><td>8</td><td>2</td>\s*<td>80.0 %</td><td>50.0 %</td>", html)


def test_a_cost_that_is_not_known_is_not_nothing() -> None:
    tokens = {"prompt": None, "completion": None, "untold": 7}
    html = render(summary(tokens=tokens, cost={"all": None, "this_run": None}))
    assert "not known" in html
    html = render(summary(cost={"all": 1.5, "this_run": None}))
    assert "1.5000, ? of it in this run" in html


def test_nothing_is_loaded_from_anywhere() -> None:
    html = render(summary())
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=|url\(|@import", html)
