"""The report's charts, as SVG that uses the page's colours and loads nothing from the network."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from ..scoring import MODES
from ..scoring.errors import BORDER_KINDS, CORRECT, DISTANCES, FAR, MISS_KINDS
from ..terminal.printable import printable

Rows = Sequence[dict[str, Any]]

# Distinguishable by most colour-blind readers, on light and dark ground (after Okabe and Ito).
PALETTE = ["#3a86c8", "#d55e00", "#2a9d7c", "#b5609a", "#a08a00", "#7a7a85", "#56b4e9", "#c0504d"]
_WIDTH = 420
_FONT = "Helvetica, Arial, Liberation Sans, sans-serif"


def _printable(value: Any) -> Any:
    """A specification with all its values in printable characters."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: _printable(each) for name, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value


def svg(chart: alt.TopLevelMixin, title: str) -> Markup:
    """A chart as an SVG element, with a title for screen readers."""
    spec = chart.properties(background="transparent").to_dict()
    # Fonts differ between machines, so there must be room for wider letters everywhere.
    text = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFont": _FONT,
            "titleFont": _FONT, "labelFontSize": 12, "titleFontSize": 12}  # fmt: skip
    spec["config"] = {
        # `currentColor` is the text colour of the page, light or dark.
        "axis": text | {
            "domainColor": "#888", "tickColor": "#888", "gridColor": "#8884", "labelLimit": 260,
            "titleFontWeight": "normal", "labelSeparation": 14, "labelFlush": False,
        },
        "axisY": {"titlePadding": 26},
        "facet": {"spacing": 40},
        "padding": {"left": 24, "right": 24, "top": 5, "bottom": 5},
        "axisQuantitative": {"tickCount": 5},
        "legend": text | {"orient": "bottom", "columnPadding": 40, "symbolOpacity": 1},
        "header": text,
        "text": {"color": "currentColor", "font": _FONT},
        "title": {"color": "currentColor", "font": _FONT},
        "view": {"stroke": "#8884"},
        "range": {"category": PALETTE},
    }  # fmt: skip
    # A character that XML forbids, in a label say, would end the process.
    drawn = vl_convert.vegalite_to_svg(_printable(spec))
    return Markup(drawn).replace(
        "<svg ", Markup('<svg role="img" aria-label="{}" ').format(title), 1
    )


def changes_chart(rows: Rows, first: str, last: str) -> Markup:
    """F1 of one arm minus that of another by type; types with most gold items first."""
    named = [row | {"type": f"{row['label']} ({row['gold']})"} for row in rows]
    panels = [
        alt.Chart(alt.Data(values=[row for row in named if row["task"] == task]), title=title)
        .mark_bar()
        .encode(
            x=alt.X("difference:Q", title=f"F1 of {last} minus F1 of {first}, points"),
            y=alt.Y("type:N", sort=alt.SortField("gold", order="descending"), title=None),
            yOffset=alt.YOffset("mode:N", sort=MODES),
            color=alt.Color("mode:N", title=None, sort=MODES),
        )
        .properties(width=_WIDTH, height=alt.Step(11))
        for task, title in (("mentions", "Mentions"), ("relations", "Relations"))
        if any(row["task"] == task for row in named)
    ]
    return svg(
        alt.hconcat(*panels, spacing=40),
        f"What changed from {first} to {last}: difference of F1 by type",
    )


def precision_recall_chart(rows: Rows) -> Markup:
    """Precision-recall curves over the predicted items, highest scores first."""
    percent = alt.Scale(domain=[0, 100])
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("recall:Q", title="recall, percent", scale=percent),
            y=alt.Y("precision:Q", title="precision, percent", scale=percent),
            color=alt.Color("arm:N", title=None),
            strokeDash=alt.StrokeDash("arm:N", title=None),
            order="recall:Q",
        )
        .properties(width=_WIDTH, height=260)
        .facet(column=alt.Column("task:N", title=None))
    )
    return svg(chart, "Precision against recall, strict, end-to-end")


def reliability_chart(rows: Rows) -> Markup:
    """Share of right items against mean score; on the diagonal, scores are perfectly calibrated."""
    percent = alt.Scale(domain=[0, 100])
    data = alt.Data(values=[*rows])
    base = alt.Chart().encode(
        x=alt.X("score:Q", title="mean score, percent", scale=percent),
        y=alt.Y("right:Q", title="right, percent", scale=percent),
        # Other colours than those of the arms.
        color=alt.Color("scores:N", title=None, scale=alt.Scale(range=[PALETTE[3], PALETTE[2]])),
        order="score:Q",
    )
    # A bin with a handful of items must not look like one with hundreds.
    points = base.mark_line(strokeWidth=1) + base.mark_point(filled=True, opacity=0.9).encode(
        shape=alt.Shape("scores:N", legend=None),
        size=alt.Size("items:Q", legend=None, scale=alt.Scale(range=[12, 220])),
    )
    diagonal = (
        alt.Chart()
        .transform_calculate(edge="datum.score > 50 ? 100 : 0")
        .mark_line(strokeDash=[4, 4], color="#888", strokeWidth=1)
        .encode(x="edge:Q", y="edge:Q")
    )
    chart = (
        alt.layer(diagonal, points, data=data)
        .properties(width=260, height=260)
        .facet(column=alt.Column("task:N", title=None), row=alt.Row("arm:N", title=None))
    )
    return svg(chart, "Reliability of scores, before and after calibration on dev")


def confusion_chart(rows: Rows, arm: str) -> Markup:
    """Gold type against predicted type."""
    base = alt.Chart(alt.Data(values=[row for row in rows if row["arm"] == arm])).encode(
        x=alt.X("predicted:N", title="predicted", axis=alt.Axis(labelAngle=-60)),
        y=alt.Y("gold:N", title="gold"),
    )
    squares = base.mark_rect().encode(
        color=alt.Color(
            "mentions:Q", title="mentions", scale=alt.Scale(range=["#3a86c822", "#3a86c8"])
        )
    )
    return svg(
        (squares + base.mark_text(fontSize=9).encode(text="mentions:Q")).properties(
            width=alt.Step(17), height=alt.Step(17)
        ),
        f"Types taken for each other, {arm}",
    )


def borders_chart(rows: Rows) -> Markup:
    """Border errors by kind."""
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar()
        .encode(
            x=alt.X("mentions:Q", title="gold mentions"),
            y=alt.Y("kind:N", title=None, sort=[*BORDER_KINDS]),
            yOffset="arm:N",
            color=alt.Color("arm:N", title=None),
        )
        .properties(width=_WIDTH, height=alt.Step(14))
    )
    return svg(chart, "Border errors of mentions by kind")


def relations_chart(rows: Rows) -> Markup:
    """Outcomes of gold relations by the distance of their mentions, and how many there are."""
    outcomes = [CORRECT, *MISS_KINDS]
    sizes = Counter[str]()
    for row in rows:
        if row["arm"] == rows[0]["arm"]:
            sizes[row["distance"]] += row["n"]
    names = [distance for distance in (*(name for _, name in DISTANCES), FAR) if sizes[distance]]
    title = {distance: f"{distance} ({sizes[distance]})" for distance in names}
    chart = (
        alt.Chart(alt.Data(values=[r | {"distance": title[r["distance"]]} for r in rows]))
        .mark_bar()
        .encode(
            x=alt.X(
                "n:Q", stack="normalize", title="share of gold relations", axis=alt.Axis(format="%")
            ),
            y=alt.Y("distance:N", title="words between", sort=[title[n] for n in names]),
            color=alt.Color(
                "outcome:N",
                title=None,
                scale=alt.Scale(domain=outcomes, range=[PALETTE[2], *PALETTE[:2], *PALETTE[3:]]),
                legend=alt.Legend(columns=4),
            ),
            order="order:Q",
        )
        .properties(width=_WIDTH)
        .facet(column=alt.Column("arm:N", title=None))
    )
    return svg(chart, "Gold relations by distance and outcome")


def training_chart(rows: Rows) -> Markup:
    """F1 on dev during training."""
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("f1:Q", title="F1 on dev, percent"),
            color=alt.Color("arm:N", title=None),
            strokeDash=alt.StrokeDash("arm:N", title=None),
            detail="run:N",
        )
        .properties(width=_WIDTH, height=220)
        .facet(column=alt.Column("score:N", title=None))
    )
    return svg(chart, "F1 on dev during training, all runs")
