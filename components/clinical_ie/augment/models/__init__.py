"""Models that answer the rewriting task: rules, a local language model, or one behind a server."""
