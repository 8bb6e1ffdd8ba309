"""Media types of manifests, and which layers may not be distributed."""

from __future__ import annotations

from collections.abc import Iterable

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = IMAGES | INDEXES
# What may name a subject, and so refer to another manifest.
REFERRERS = frozenset({OCI_MANIFEST, OCI_INDEX})

# Named only to refuse it by name: it has no digests of its own and left the specification.
DOCKER_SCHEMA1_PREFIX = "application/vnd.docker.distribution.manifest.v1"

# Layers under a licence that forbids redistribution (Windows base layers): registries need
# not hold them. They are carried only on demand and from a registry that holds them all the
# same; their ``urls`` are never fetched.
_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)


# What an image that runs is made of: its configuration, and tars in some compression.
_CONFIGS = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)
_LAYERS = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")


def is_runnable(config: str, layers: Iterable[str]) -> bool:
    """True for an image with all its layers; False for artifacts: signatures, charts, documents."""
    return config in _CONFIGS and all(layer.startswith(_LAYERS) for layer in layers)


def is_foreign(media_type: str) -> bool:
    """True for a layer that the registry itself need not hold."""
    return media_type.startswith(_FOREIGN)
