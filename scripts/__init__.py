"""Small programs around the tool: the trial world, the bench, samples, checks."""
