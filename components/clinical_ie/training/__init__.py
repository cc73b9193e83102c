"""Training runs, what is fitted after them, and what a saved pipeline keeps of them."""
