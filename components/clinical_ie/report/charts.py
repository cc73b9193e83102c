"""The report's charts, as SVG that follows the page's colours and asks nothing of any network."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from ..scoring.errors import CORRECT, DISTANCES, FAR, MISS_KINDS

Rows = Sequence[dict[str, Any]]

# Told apart by most colour-blind readers, on light and dark ground alike (after Okabe and Ito).
PALETTE = ["#3a86c8", "#d55e00", "#2a9d7c", "#b5609a", "#a08a00", "#7a7a85", "#56b4e9", "#c0504d"]
_WIDTH = 340


def svg(chart: alt.TopLevelMixin, title: str) -> Markup:
    """A chart as an SVG element with a name for those who cannot see it."""
    spec = chart.properties(background="transparent").to_dict()
    spec["config"] = {
        # `currentColor` is the text colour of the page, light or dark.
        "axis": {
            "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "#888",
            "tickColor": "#888", "gridColor": "#8884", "labelLimit": 220,
        },
        "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "orient": "bottom"},
        "header": {"labelColor": "currentColor", "titleColor": "currentColor"},
        "title": {"color": "currentColor", "anchor": "start"},
        "text": {"color": "currentColor"},
        "view": {"stroke": "#8884"},
        "range": {"category": PALETTE},
    }  # fmt: skip
    drawn = vl_convert.vegalite_to_svg(spec)
    return Markup(drawn).replace(
        "<svg ", Markup('<svg role="img" aria-label="{}" ').format(title), 1
    )


def changes_chart(rows: Rows, first: str, last: str) -> Markup:
    """F1 of one arm less that of another, type by type."""
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("label:N", sort="-x", title=None),
        tooltip=["label:N", "first:Q", "last:Q", "gold:Q"],
    )
    bars = base.mark_bar().encode(
        x=alt.X("difference:Q", title=f"F1 of {last} less F1 of {first}, points"),
        color=alt.condition("datum.difference < 0", alt.value(PALETTE[1]), alt.value(PALETTE[0])),
    )
    return svg(
        bars.properties(width=_WIDTH)
        .facet(
            column=alt.Column("mode:N", title=None, sort=["strict", "lenient"]),
            row=alt.Row("task:N", title=None),
        )
        .resolve_scale(y="independent"),
        f"What changed from {first} to {last}: difference of F1 by type",
    )


def precision_recall_chart(rows: Rows) -> Markup:
    """Curves of what was predicted, most certain first."""
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
    """Share of right items against their score; the diagonal is a score that means what it says."""
    percent = alt.Scale(domain=[0, 100])
    data = alt.Data(values=[*rows])
    base = alt.Chart().encode(
        x=alt.X("score:Q", title="mean score, percent", scale=percent),
        y=alt.Y("right:Q", title="right, percent", scale=percent),
        color=alt.Color("scores:N", title=None),
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
        (squares + base.mark_text(fontSize=9).encode(text="mentions:Q")),
        f"Types taken for each other, {arm}",
    )


def borders_chart(rows: Rows) -> Markup:
    """Border errors by kind."""
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar()
        .encode(
            x=alt.X("mentions:Q", title="gold mentions"),
            y=alt.Y("kind:N", title=None),
            yOffset="arm:N",
            color=alt.Color("arm:N", title=None),
        )
        .properties(width=_WIDTH)
    )
    return svg(chart, "Border errors of mentions by kind")


def relations_chart(rows: Rows) -> Markup:
    """What became of gold relations, by the distance of their mentions."""
    outcomes = [CORRECT, *MISS_KINDS]
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar()
        .encode(
            x=alt.X("n:Q", title="gold relations"),
            y=alt.Y(
                "distance:N", title="words between", sort=[*(name for _, name in DISTANCES), FAR]
            ),
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
    return svg(chart, "Gold relations by distance and by what became of them")


def training_chart(rows: Rows) -> Markup:
    """F1 on dev while training."""
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
    return svg(chart, "F1 on dev while training, all runs")
