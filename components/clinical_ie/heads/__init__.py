"""What both heads share: their base component, gold annotations, calibration of scores."""
