"""Files, processes and memory of the operating system; nothing here deals with notes."""
