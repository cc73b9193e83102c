"""Scoring of predictions: matching, protocols and scores, on plain annotations."""

from .counts import MODES, TASKS, Counts, NoteCounts
from .protocols import DEFAULT_PROTOCOL, PROTOCOLS, get_protocol
from .scores import (
    Figures,
    LabelFigures,
    ModeScores,
    Ratios,
    Scores,
    TaskScores,
    note_counts,
    score,
    sum_up,
)

__all__ = [
    "DEFAULT_PROTOCOL",
    "MODES",
    "PROTOCOLS",
    "TASKS",
    "Counts",
    "Figures",
    "LabelFigures",
    "ModeScores",
    "NoteCounts",
    "Ratios",
    "Scores",
    "TaskScores",
    "get_protocol",
    "note_counts",
    "score",
    "sum_up",
]
