"""What a command says: messages, text that is shown, and bars of progress."""
