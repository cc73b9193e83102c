"""Training runs, calibration after them, and what a saved pipeline keeps of its training."""
