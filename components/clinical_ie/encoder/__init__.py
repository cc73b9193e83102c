"""The long-document encoder: wordpiece windows through a transformer, a BiLSTM over the note."""
