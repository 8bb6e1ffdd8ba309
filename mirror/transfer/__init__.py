"""Moving blobs and manifests from a source to a sink; sees ports only."""
