"""One remote registry, as source and as destination; the only room that knows HTTP."""
