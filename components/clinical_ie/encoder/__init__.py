"""The long-document encoder: a transformer over windows of wordpieces, a BiLSTM over the note."""
