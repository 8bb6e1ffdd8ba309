"""What a BOM says: which images a Tanzu Kubernetes Grid release needs. No network, no OCI."""
