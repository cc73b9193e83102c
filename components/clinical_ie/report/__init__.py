"""Presentation of scores: tables in Markdown and on the terminal, and an HTML page."""
