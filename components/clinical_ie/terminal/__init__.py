"""Terminal output: messages, printable text, progress bars."""
