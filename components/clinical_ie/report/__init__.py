"""Scores for people: tables in Markdown and on a terminal, and a page in HTML."""
