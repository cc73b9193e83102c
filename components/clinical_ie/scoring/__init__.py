"""How right predictions are: matching, protocols and scores, over plain annotations."""

from .protocols import PROTOCOLS, Counts
from .scores import (
    DEFAULT_PROTOCOL,
    Figures,
    ModeScores,
    Ratios,
    Scores,
    TaskScores,
    get_protocol,
    score,
)

__all__ = [
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "Counts",
    "Figures",
    "ModeScores",
    "Ratios",
    "Scores",
    "TaskScores",
    "get_protocol",
    "score",
]
