"""A run of the augmenter in a few lines, for the terminal."""

from .models.completion import CUT
from .outcome import Outcome


def summary_lines(outcome: Outcome) -> list[str]:
    """What the run made, what it cost and what it dropped; and, if notes are missing, why."""
    lines = [
        f"{outcome.accepted} new notes from {outcome.tried} segments and {outcome.requests} "
        f"answers ({outcome.replayed} from the journal), in {outcome.seconds:.0f} s"
    ]
    if any(outcome.prices):
        cost = outcome.paid.cost(outcome.prices)
        lines.append(f"  cost: {'not known' if cost is None else f'{cost:.4f}'}")
        if outcome.paid.untold:
            untold = f"{outcome.paid.untold} answers came without their number of tokens"
            lines.append(f"    {untold}; their cost is not included")
    lines += [
        f"  {number} more segments left out before any model saw them: {reason}"
        for reason, number in outcome.skipped.most_common()
    ]
    by_answers = sorted(outcome.dropped.items(), key=lambda item: -item[1].answers)
    lines += [f"  {dropped.answers} dropped: {reason}" for reason, dropped in by_answers]
    most = outcome.settings["max_requests"]
    if outcome.cut_off and outcome.ended:
        lines += [
            f"asked for {outcome.wanted}; the run ended early: {outcome.ended}",
            "  these notes are from the answers before that, some perhaps with fewer rewrites; the "
            "same command continues from there",
        ]
    elif outcome.cut_off:
        lines.append(
            f"asked for {outcome.wanted}: {outcome.unanswered} requests got no answer; run again "
            "to continue from the journal"
        )
    elif outcome.accepted < outcome.wanted and most is not None and outcome.asked >= most:
        lines.append(
            f"asked for {outcome.wanted}: the run ended at max_requests = {most}; run again "
            "(weasel: with --force, since nothing has changed) to continue from the journal"
        )
    elif outcome.wanted and not (outcome.segments or outcome.skipped):
        lines.append("no training note has an annotation: there is nothing to rewrite")
    elif outcome.hopeless:
        lines.append(
            f"asked for {outcome.wanted}: none of the first {outcome.requests} answers was "
            "accepted, so the run ended (give_up_after in [augment])"
        )
        lines += _most_frequent(outcome)
    elif outcome.accepted < outcome.wanted:
        refused = f"{outcome.refused} prompts were not taken by the model, " * bool(outcome.refused)
        lines.append(
            f"asked for {outcome.wanted}: {refused}the {outcome.segments} segments of the training "
            "notes yielded no more"
        )
        lines += _most_frequent(outcome)
    return lines


def _most_frequent(outcome: Outcome) -> list[str]:
    """What helps against the most frequent reason for dropping an answer, if that is known."""
    reason = max(outcome.dropped, key=lambda reason: outcome.dropped[reason].answers, default="")
    if reason == CUT:
        return ["  the most frequent reason is an end too early: set a larger max_tokens"]
    if reason != "unchanged":
        return []
    smaller = "a smaller `least` in its config, " if "least" in outcome.settings["model"] else ""
    return [
        "  the most frequent reason is unchanged: the model found nothing to replace "
        f"(`rules` leaves nested mentions as they are); more training notes, {smaller}or "
        "another --vars.augment_config may help"
    ]
