"""Values of the image world: digests, descriptors, manifests. No network, no files."""
