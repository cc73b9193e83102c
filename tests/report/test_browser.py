"""The report in a real web browser: clicks, keys, filters, and no network requests."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.report.page import write_page

from .helpers import perturbed, write_arm

pytestmark = pytest.mark.browser

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
HOSTILE = (
    "</script><script>alert(1)</script> <img src=x onerror=alert(2)> \u2028 \u202e\u0000 &amp; "
)


def crowded(n: int = 150) -> tuple[str, Annotations]:
    """A note with n mentions, each related to the next one, and some to one far ahead."""
    text, mentions = "😀 ", []
    for i in range(n):
        label = ("Drug", "Strength", "Biological_structure", "ADE")[i % 4]
        mentions.append(Mention(f"T{i}", label, ((len(text), len(text) + 7),)))
        text += "aspirin 81 mg " if i % 5 else "aspirin for pain.\n"
    links = [Link("Strength-Drug", f"T{i + 1}", f"T{i}") for i in range(n - 1)]
    links += [Link("ADE-Drug", f"T{i}", f"T{i + 25}") for i in range(0, n - 25, 6)]
    return text, Annotations(mentions, links)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    text, dense = crowded()
    at = len(HOSTILE)
    nested = Annotations(
        [
            Mention("T1", "Drug", ((at, at + 7),)),
            Mention("T2", "<b>Odd</b>", ((at, at + 14),)),
            Mention("T3", "Drug", ((at + 2, at + 4), (at + 9, at + 12))),
        ],
        [Link("Has", "T1", "T2"), Link("Self", "T1", "T1")],
    )
    texts = {"dense": text, "hostile": HOSTILE + "aspirin for pain", "plain": "nothing at all"}
    gold = {"dense": dense, "hostile": nested, "plain": Annotations()}
    for arm, seed in (("no_aug", 1), ("with_aug", 2)):
        predicted = {name: perturbed(found, seed) for name, found in gold.items()}
        predicted["hostile"] = perturbed(nested, seed, rate=1.0)
        write_arm(folder / "metrics", arm, gold, predicted, texts)
    write_page(folder / "metrics", folder / "none.json", folder, folder / "index.html")
    return folder / "index.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; Debian has it as the package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, report: Path) -> Iterator[Page]:
    """The open report; any console message, error or request fails the test."""
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.on("request", lambda request: told.append(request.url))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert told == [report.as_uri()]


def count(page: Page) -> tuple[int, int]:
    at, _, of, *_ = page.locator("#count").inner_text().split()
    return int(at), int(of)


def test_words_of_charts_have_the_colour_of_the_page(page: Page) -> None:
    words = page.locator("figure svg text")
    assert words.count() > 20
    fills = words.evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
    ink = page.locator("body").evaluate("body => getComputedStyle(body).color")
    assert set(fills) == {ink}


def test_walking_by_button_and_key(page: Page) -> None:
    assert page.locator("#previous").is_disabled()
    at, of = count(page)
    assert (at, of > 20) == (1, True)
    page.locator("#next").click()
    page.locator("h1").click()
    page.keyboard.press("n")
    page.keyboard.press("j")
    page.keyboard.press("p")
    assert count(page) == (3, of)
    first = page.locator("#told").inner_text()
    page.locator("#errors").select_option(value="7")
    assert count(page) == (8, of)
    assert page.locator("#told").inner_text() != first
    assert page.locator("#note .chosen").count() > 0


def test_filters_narrow_the_list_and_add_up(page: Page) -> None:
    _, of = count(page)
    options = page.locator("#f-kind option").all_inner_texts()[1:]
    assert sum(int(text.rsplit("(")[-1].rstrip(")")) for text in options) == of
    page.locator("#f-kind").select_option(index=1)
    expected = int(options[0].rsplit("(")[-1].rstrip(")"))
    assert count(page) == (1, expected)
    kind = options[0].split(": ")[1].rsplit(" (")[0]
    assert all(kind in text for text in page.locator("#errors option").all_inner_texts())
    by_type = page.locator("#f-type option").all_inner_texts()
    # The options of the other filters show how many errors of this kind they would leave.
    assert sum(int(text.rsplit("(")[-1].rstrip(")")) for text in by_type[1:]) == expected
    page.locator("#f-doc").select_option(value="2")
    assert page.locator("#count").inner_text() == "no such errors"
    assert page.locator("#note-text").inner_text() == "nothing at all"
    page.locator("#f-kind").select_option(index=0)
    page.locator("#f-doc").select_option(index=0)
    page.locator("#f-arm").select_option("with_aug")
    assert count(page)[1] != of


def test_marks_stand_on_their_words_behind_wide_signs(page: Page) -> None:
    """Offsets count characters in the files and UTF-16 units in the browser."""
    page.locator("#f-doc").select_option(value="0")
    first = page.locator("#note .mention:not(.predicted) .ground").first
    box = first.bounding_box()
    expected = page.evaluate(
        """() => {
            const node = document.querySelector("#note-text > div").firstChild;
            const at = node.data.indexOf("aspirin");
            const range = document.createRange();
            range.setStart(node, at); range.setEnd(node, at + 7);
            const box = range.getBoundingClientRect();
            return [box.left, box.top, box.width];
        }"""
    )
    assert [box["x"], box["y"], box["width"]] == pytest.approx(expected, abs=1)


# Pairs of boxes that overlap by more than 3 pixels, as a share of the boxes.
OVERLAPS = """(selector) => {
  const boxes = [...document.querySelectorAll(selector)].map((e) => e.getBoundingClientRect());
  let n = 0;
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 3 && y > 3) n += 1;
  }));
  return n / boxes.length;
}"""


def test_all_relations_of_a_dense_note_keep_apart(page: Page) -> None:
    page.locator("#f-doc").select_option(value="0")
    assert page.locator("#note .relation:not(.predicted)").count() == 149 + 21
    assert page.evaluate(OVERLAPS, "#note .relation .label") == 0
    assert page.evaluate(OVERLAPS, "#note .type") == 0
    # No label overlaps words of the lines above it.
    crossing = page.evaluate(
        """() => {
            const words = [...document.querySelectorAll("#note .ground")].map((e) =>
                e.getBoundingClientRect());
            const labels = [...document.querySelectorAll("#note .relation .label")].map((e) =>
                e.getBoundingClientRect());
            return labels.filter((a) => words.some((b) =>
                Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)).length;
        }"""
    )
    assert crossing == 0
    page.locator("#show-all").uncheck()
    assert page.locator("#note .relation").count() < 20


def test_what_is_right_is_drawn_once_and_apart_from_errors(page: Page, report: Path) -> None:
    page.locator("#f-doc").select_option(value="0")
    metrics = json.loads((report.parent / "metrics" / "no_aug.json").read_text("utf8"))
    listed = page.locator("#f-kind option").all_inner_texts()
    assert listed[0] == f"all kinds of error ({count(page)[1]})"
    page.locator("#f-doc").select_option(value="")
    drawn = dict.fromkeys(("right", "gold", "predicted"), 0)
    for doc in "012":
        page.locator("#f-doc").select_option(value=doc)
        for kind in drawn:
            drawn[kind] += page.locator(f"#note g.mention.{kind}").count()
    micro = metrics["entities"]["strict"]["micro"]
    assert drawn == {"right": micro["tp"], "gold": micro["fn"], "predicted": micro["fp"]}


def test_text_of_a_note_is_text(page: Page) -> None:
    page.locator("#f-doc").select_option(value="1")
    assert "<script>alert(1)</script>" in page.locator("#note-text").text_content()
    assert page.locator("#note-text img").count() == 0
    assert "<b>Odd</b>" in page.locator("#f-type").text_content()


def test_light_and_dark(chromium: Browser, page: Page, report: Path) -> None:
    def ground(of: Page) -> str:
        return of.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground(page)
    page.locator("#theme").click()
    assert ground(page) != light
    page.locator("#theme").click()
    assert ground(page) == light
    dark = chromium.new_page(color_scheme="dark")
    dark.goto(report.as_uri())
    assert ground(dark) != light
    # The printed page is light even on a dark screen.
    dark.emulate_media(media="print", color_scheme="dark")
    assert ground(dark) == light
    dark.close()


def test_every_control_is_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    reached = []
    page.evaluate("const h = document.getElementById('errors-title'); h.tabIndex = -1; h.focus()")
    controls = ["f-arm", "f-kind", "f-type", "f-doc", "next", "show-all", "errors", "note"]
    for _ in controls:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == controls
    for name in ("arm", "kind of error", "type", "document", "Errors"):
        assert page.get_by_label(name, exact=True).count() == 1


def test_focus_is_seen(page: Page) -> None:
    page.locator("#f-kind").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    outline = "getComputedStyle(document.activeElement).outlineWidth"
    assert page.evaluate(outline) == "3px"


def test_print_leaves_the_controls_out_and_each_line_keeps_its_marks(page: Page) -> None:
    page.locator("#f-doc").select_option(value="0")
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator("#note-text").is_visible()
    # A page break moves lines, and the drawings over them must move along.
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    lines = page.locator("#note-text > div")
    assert lines.count() == page.locator("#note-text > div > svg use").count() > 10
    widest = page.evaluate("document.getElementById('note').scrollWidth")
    assert widest <= 720
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#note-text > div > svg").count() == 0


@pytest.mark.parametrize("width", [320, 390, 768, 1920])
def test_nothing_hangs_out_of_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(250)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def open_note(chromium: Browser, folder: Path, text: str, mention: Mention) -> Page:
    """The report on a note with one mention, which was not found."""
    gold = {"note": Annotations([mention])}
    write_arm(folder / "metrics", "no_aug", gold, {"note": Annotations()}, {"note": text})
    write_page(folder / "metrics", folder / "none", folder, folder / "index.html")
    page = chromium.new_page()
    page.goto((folder / "index.html").as_uri())
    return page


def test_a_word_longer_than_a_line_is_cut_between_signs(chromium: Browser, tmp_path: Path) -> None:
    text = "x" * 7 + "😀" * 300 + " end"
    page = open_note(chromium, tmp_path, text, Mention("T1", "Drug", ((len(text) - 3, len(text)),)))
    lines = page.locator("#note-text > div").all_inner_texts()
    assert len(lines) > 2
    assert "".join(lines) == text
    assert "\ufffd" not in "".join(lines)
    page.close()


def test_a_script_from_right_to_left_is_laid_out_from_the_right(
    chromium: Browser, tmp_path: Path
) -> None:
    text = "המטופל קיבל אספירין עבור כאב."
    page = open_note(chromium, tmp_path, text, Mention("T1", "Drug", ((12, 19),)))
    first, stop = page.locator("#note-text > div").evaluate(
        """line => [0, line.textContent.length - 1].map((at) => {
          const range = document.createRange();
          range.setStart(line.firstChild, at);
          range.setEnd(line.firstChild, at + 1);
          return range.getBoundingClientRect().left;
        })"""
    )
    assert stop < first
    # The type begins where the mention does, seen from the left.
    ground, type_ = (page.locator(f"#note {name}").bounding_box() for name in (".ground", ".type"))
    assert ground
    assert type_
    assert abs(ground["x"] - type_["x"]) < 3
    page.close()


def test_a_label_wider_than_the_page_does_not_push_its_figures_out(
    chromium: Browser, tmp_path: Path
) -> None:
    page = open_note(chromium, tmp_path, "aspirin", Mention("T1", "Label" * 40, ((0, 7),)))
    wide = page.locator(".scroll").evaluate_all(
        "all => all.filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    assert wide == 0
    page.close()


def test_without_text_there_is_nothing_of_any_note(report: Path, tmp_path: Path) -> None:
    write_page(
        report.parent / "metrics", tmp_path / "none", tmp_path, tmp_path / "a.html", with_text=False
    )
    html = (tmp_path / "a.html").read_text("utf8")
    for word in ("aspirin", "for pain", "hostile", "dense", "browser-data"):
        assert word not in html
    assert "protocol: one-to-one" in html
    assert (tmp_path / "a.html").stat().st_mode & 0o777 == 0o600
