"""Relations between the mentions of a note."""
