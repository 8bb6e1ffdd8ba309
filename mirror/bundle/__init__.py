"""One tar file that is an OCI image layout: written in parallel, read without trust."""
