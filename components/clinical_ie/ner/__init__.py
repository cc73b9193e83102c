"""The entity head: tags for each token, decoded into mentions."""
