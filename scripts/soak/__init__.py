"""The soak: the tool against registries that break in every way that can be survived, for hours."""
