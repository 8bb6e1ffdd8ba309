"""Registries to test against: the real one where it will do, a fake for what it never does."""
