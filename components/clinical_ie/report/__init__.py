"""Scores for people: tables in Markdown and on a terminal, and a page in HTML."""

from .metrics import arm_metrics, read_arms
from .page import read_rewrites, write_page
from .tables import tables_markdown
from .terminal import arm_tables, score_table, table_console

__all__ = [
    "arm_metrics",
    "arm_tables",
    "read_arms",
    "read_rewrites",
    "score_table",
    "table_console",
    "tables_markdown",
    "write_page",
]
