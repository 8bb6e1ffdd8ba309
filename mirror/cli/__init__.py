"""The edge: options in, verbs called, results and failures told."""
