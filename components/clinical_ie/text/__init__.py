"""Tokens and sentences of clinical text."""
