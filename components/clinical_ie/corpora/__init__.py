"""Corpora: whatever the source, the result is a Doc with the project's annotation layer."""
