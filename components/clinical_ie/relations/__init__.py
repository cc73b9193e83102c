"""The relation head: relations between the mentions of a note."""
