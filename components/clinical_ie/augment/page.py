"""Renders an HTML page about a run of the augmenter; it loads nothing from anywhere."""

from collections.abc import Mapping
from typing import Any

from ..html import hues_of, marks_html, page_template


def render(summary: Mapping[str, Any]) -> str:
    """The page as HTML.

    summary (Mapping[str, Any]): The content of `augment.json`.
    """
    hues = hues_of(summary["mentions"])
    return page_template(__package__).render(
        accepted=summary["accepted"],
        n_augmented=summary["n_augmented"],
        rewrites=summary["rewrites"],
        requests=summary["requests"],
        facts=_facts(summary),
        skipped=summary["segments"]["skipped"],
        dropped=[
            (reason, entry | _coloured(entry["example"], hues))
            for reason, entry in summary["dropped"].items()
        ],
        distributions=[
            (title, _shares(summary[title.lower()])) for title in ("Mentions", "Relations")
        ],
        new_terms=summary["new_terms"],
        pairs=[pair | _coloured(pair, hues) for pair in summary["examples"]],
    )


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    segments, diversity = summary["segments"], summary["diversity"]
    tokens, cost = summary["tokens"], summary["cost"]
    distinct, words = diversity["distinct_words"], diversity["words"]
    facts = [
        ("config", summary["config"]),
        ("model", str(summary["model"].get("@llm_models", ""))),
        ("seed", str(summary["seed"])),
        ("strategy", summary["strategy"]),
        ("segments that could be rewritten", f"{segments['available']:,}"),
        ("segments passed to the model", f"{segments['tried']:,}"),
        ("segments given up", f"{segments['given up']:,}"),
        ("answers", f"{summary['requests']:,}, {summary['replayed']:,} of them from the journal"),
        (
            "requests without an answer",
            f"{summary['unanswered']:,}, and {summary['refused']:,} rejected by the model",
        ),
        (
            "seconds",
            f"{summary['seconds']['total']:,} in all, {summary['seconds']['model']:,} for answers",
        ),
        ("words of sources", f"{words['source']:,}, {distinct['source']:,} distinct"),
        ("words of rewrites", f"{words['rewrite']:,}, {distinct['rewrite']:,} distinct"),
        ("distinct words in no source", f"{diversity['distinct_words_new']:,}"),
    ]
    if diversity["words_kept"] is not None:
        facts.append(("words of rewrites also in their source", f"{diversity['words_kept']:.0%}"))
    if tokens["prompt"] is not None or tokens["completion"] is not None:
        counts = (tokens["prompt"] or 0, tokens["completion"] or 0)
        untold = f"; not reported for {tokens['untold']:,} answers" if tokens["untold"] else ""
        facts.append(("tokens", f"{counts[0]:,} in prompts, {counts[1]:,} in answers{untold}"))
    if cost["all"] is None:
        facts.append(("cost", "not known"))
    elif cost["all"]:
        this_run = "?" if cost["this_run"] is None else f"{cost['this_run']:.4f}"
        facts.append(("cost", f"{cost['all']:.4f}, {this_run} of it in this run"))
    return facts


def _shares(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Each label's share of all, in percent: in the training notes, and with the new ones added."""
    before = sum(count["train"] for count in counts.values()) or 1
    after = sum(count["train"] + count["augmented"] for count in counts.values()) or 1
    return [
        {
            "label": label,
            **count,
            "before": 100 * count["train"] / before,
            "after": 100 * (count["train"] + count["augmented"]) / after,
        }
        for label, count in counts.items()
    ]


def _coloured(pair: Mapping[str, str], hues: Mapping[str, int]) -> dict[str, Any]:
    sides = {side: marks_html(pair[side], hues) for side in ("source", "rewrite")}
    return {**sides, "detail": pair.get("detail", "")}
