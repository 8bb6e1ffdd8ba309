"""Is a registry fit for Tanzu Kubernetes Grid? One file a family of checks."""
