"""Files, processes and memory, as the system has them; nothing here knows what a note is."""
