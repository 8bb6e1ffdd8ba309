"""Carries container images across an air gap: registry to bundle, bundle to registry."""

__version__ = "0.1.0"
