import pytest

from clinical_ie.html import hues_of, labels_in, marks_html


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("[[T1|Drug: a<b]]", '<mark style="--hue: 0"><b>Drug</b> a&lt;b</mark>'),
        (
            "[[A: x [[B: y]] z]]",
            '<mark style="--hue: 0"><b>A</b> x <mark style="--hue: 137"><b>B</b> y</mark> z</mark>',
        ),
        ("[** name **] [1] \\[[x\\]]", "[** name **] [1] [[x]]"),
        ("stray ]] [[A: open", 'stray ]] <mark style="--hue: 0"><b>A</b> open</mark>'),
        ("[[A b: no label]]", "[[A b: no label]]"),
        ("", ""),
    ],
)
def test_marks(markup: str, expected: str) -> None:
    assert marks_html(markup, hues_of(labels_in(markup))) == expected
