import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from clinical_ie.doc import Annotations
from clinical_ie.report.page import STEPS, dev_scores, render, write_page

from .helpers import GOLD, metrics, write_arm

SCRIPT = Path(__file__).parents[2] / "scripts" / "report.py"
AUGMENTATION = {
    "requests": 12,
    "accepted": 7,
    "dropped": {"missing marker": 1, "too <close>": {"answers": 4, "segments": 2}},
    "examples": [
        {"note": "n1", "source": "took [[Drug: aspirin]] & left", "rewrite": "[[Drug: ASA]] <b>"},
        {"note": "n2", "source": "no rewrite"},
    ],
}


# The `class` attributes of a chart, and the classes that the page's style speaks of.
CHART = re.compile(r'<svg role="img".*?</svg>', re.DOTALL)
CLASSES = re.compile(r'class="([^"]*)"')
STYLED = re.compile(r"\.([a-z][\w-]*)(?=[^{}]*\{)")


class Balance(HTMLParser):
    """Checks that elements are closed in the reverse order of opening."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids |= {value for name, value in attrs if name == "id"}
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_style_of_the_page_leaves_charts_alone(tmp_path: Path) -> None:
    gold = {"a": GOLD}
    for arm in ("no_aug", "with_aug"):
        write_arm(tmp_path / "metrics", arm, gold, gold, {"a": "aspirin 81 mg"})
    write_page(tmp_path / "metrics", tmp_path / "none", tmp_path, tmp_path / "index.html")
    html = (tmp_path / "index.html").read_text(encoding="utf8")
    style = html.partition("<style>")[2].partition("</style>")[0]
    charts = CHART.findall(html)
    drawn = {name for chart in charts for names in CLASSES.findall(chart) for name in names.split()}
    styled = set(STYLED.findall(style))
    # The names of Vega's classes are not for this project to choose.
    assert {"marks", "mark-text"} <= drawn
    assert {"mention", "chosen"} <= styled
    assert not drawn & styled


def test_page() -> None:
    html = render({"no_aug": metrics(1), "with_aug": metrics(2)}, AUGMENTATION, [])
    checked = Balance()
    checked.feed(html)
    assert (checked.open, len(checked.links)) == ([], 3)
    # All links stay within the page.
    assert {link.removeprefix("#") for link in checked.links} <= checked.ids
    assert not re.search(r"url\(|@import|https?:|<script src", html)
    assert "prefers-color-scheme: dark" in html
    assert "protocol: one-to-one; setting: end-to-end" in html
    assert "100.00 / 50.00 / 66.67" in html
    row = "<td>1</td>\n<td>0.00</td><td>100.00</td><td>0.00</td><td>100.00</td>"
    assert f'<th scope="row">&lt;Dose&gt;</th>{row}' in html
    assert "answers dropped: too &lt;close&gt;</th><td>4</td>" in html
    assert html.index("too &lt;close&gt;") < html.index("dropped: missing marker")
    assert "</mark> &amp; left" in html
    assert "ASA</mark> &lt;b&gt;" in html
    assert html.count('<section class="pair">') == 1
    assert "There was no test split" not in html


def test_every_score_has_its_protocol_and_every_p_its_limits() -> None:
    drawings = {"borders": "-", "relations": "-", "training": "-", "confusion": [("a", "-")]}
    said = ["Arms: b is better than a (p = 0.04)."]
    trained = [{"arm": "a", "seed": "0", "scores": {"mentions_strict_f": 0.5}}]
    html = render({"a": metrics()}, None, trained, drawings=drawings, in_words=said)
    captions = re.findall(r"<(?:fig)?caption>(.*?)</(?:fig)?caption>", html, re.S)
    scored = [caption for caption in captions if "F1" in caption or "Gold relations" in caption]
    assert len(scored) == 9
    assert all("one-to-one" in caption or "n2c2-2018" in caption for caption in scored)
    assert "the 20 with most errors" in html
    assert "another seed can differ as much" in html
    assert "not corrected for multiple comparisons" in html


def test_page_says_what_is_not_there() -> None:
    html = render({"a": metrics(fallback=True)}, None, [])
    assert "There was no test split" in html
    assert "No summary of an augmentation was found" in html
    assert "contains note text" not in html
    assert "<h2>Training</h2>" not in html
    assert "<table" in render({"a": metrics()}, {}, [])


def test_at_most_twenty_rewrites() -> None:
    examples = AUGMENTATION["examples"][:1] * 30
    assert render({"a": metrics()}, {"examples": examples}, []).count("<section") == 20


def test_dev_scores(tmp_path: Path) -> None:
    performance = {"mentions_strict_f": 0.5, "mentions_strict_p": 0.1, "relations_strict_f": None}
    # The second run was interrupted.
    for run in ("seed-3", "seed-3.part"):
        best = tmp_path / "no_aug" / run / "model-best"
        best.mkdir(parents=True)
        (best / "meta.json").write_text(json.dumps({"performance": performance}))
    found = dev_scores(tmp_path)
    assert found == [{"arm": "no_aug", "seed": "3", "scores": {"mentions_strict_f": 0.5}}]
    html = render({"a": metrics()}, None, found)
    assert "<td>3</td><td>50.00</td>" in html
    # Calibration can raise the scores above those in the log.
    assert "as it is saved" in html


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(metrics()))
    out = tmp_path / "report" / "index.html"
    for _ in range(2):
        write_page(tmp_path, tmp_path / "augment.json", tmp_path / "training", out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert list(out.parent.iterdir()) == [out]


def test_arms_of_which_gold_has_changed_or_predictions_are_gone(tmp_path: Path, caplog) -> None:
    texts = {"a": "aspirin 81 mg"}
    write_arm(tmp_path, "one", {"a": GOLD}, {"a": GOLD}, texts)
    write_arm(tmp_path, "two", {"a": Annotations(GOLD.mentions[:1])}, {"a": GOLD}, texts)
    places = tmp_path, tmp_path / "augment.json", tmp_path / "training", tmp_path / "index.html"
    with pytest.raises(ValueError, match="or gold has changed between them; evaluate them togeth"):
        write_page(*places)
    (tmp_path / "predictions" / "two.jsonl").unlink()
    write_page(*places)
    assert "predictions: no two.jsonl: the report has no error browser" in caplog.text


def test_the_steps_are_told_as_they_begin(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(metrics()))
    out, told = tmp_path / "index.html", []
    write_page(tmp_path, tmp_path / "augment.json", tmp_path, out, on_step=told.append)
    assert tuple(told) == STEPS


def test_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("report_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    paths = tmp_path, tmp_path / "augment.json", tmp_path, tmp_path / "index.html"
    with pytest.raises(script.typer.Exit) as stopped:
        script.main(*paths)
    assert stopped.value.exit_code == 1
    assert "no <arm>.json" in capsys.readouterr().err
    (tmp_path / "a.json").write_text(json.dumps(metrics()))
    (tmp_path / "augment.json").write_text("{not JSON")
    with pytest.raises(script.typer.Exit):
        script.main(*paths)
    assert "augment.json: not JSON" in capsys.readouterr().err
    (tmp_path / "augment.json").write_text(json.dumps(AUGMENTATION))
    script.main(*paths)
    assert "ASA" in (tmp_path / "index.html").read_text()
    told = capsys.readouterr()
    assert "ASA" in told.out
    assert f"{len(STEPS)}/{len(STEPS)}" in told.err
    script.main(*paths, no_text=True)
    assert "ASA" not in (tmp_path / "index.html").read_text() + capsys.readouterr().out
