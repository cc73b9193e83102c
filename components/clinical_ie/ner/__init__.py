"""Entity mentions: a tag for each token, decoded into spans."""
