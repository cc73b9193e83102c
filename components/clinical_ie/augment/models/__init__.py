"""Models that answer the rewriting task: by rules, or by a local language model."""
