"""What both heads have in common: their pipe, gold annotations, calibrated scores."""
