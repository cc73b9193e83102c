"""Clinical information extraction in spaCy, from brat notes to a packaged pipeline."""
