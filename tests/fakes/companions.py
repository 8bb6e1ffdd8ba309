"""What hangs on images: signatures as cosign keeps them, and referrers of OCI 1.1.

fake.add("tkg/app", "v1", image)
fake.add("tkg/app", signature_tag(image), signature(image))
fake.add("tkg/app", "", referrer(image))      # by digest alone, for a registry with the API
hang(fake, "tkg/app", image, referrer(image)) # the same, and where there is no API, its index
"""

from __future__ import annotations

import json
from typing import Any

from scripts.world.images import OCI, Blob, Image
from tests.fakes.simple import FakeRegistry
from tests.fakes.store import entry_of

__all__ = ["fallback_tag", "hang", "list_of", "referrer", "signature", "signature_tag"]

EMPTY = Blob.from_bytes("application/vnd.oci.empty.v1+json", b"{}")
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


def fallback_tag(subject: Image) -> str:
    return subject.manifest.digest.replace(":", "-")


def signature_tag(subject: Image, suffix: str = "sig") -> str:
    return f"{fallback_tag(subject)}.{suffix}"


def signature(subject: Image, text: str = "") -> Image:
    """What `cosign sign` puts: an image whose layer says which digest is meant."""
    payload = {
        "critical": {"image": {"docker-manifest-digest": subject.manifest.digest}},
        "t": text,
    }
    layer = Blob.from_bytes(SIGNATURE, json.dumps(payload).encode())
    config = Blob.from_bytes(OCI.config, b'{"rootfs":{"type":"layers","diff_ids":[]}}')
    note = {"dev.cosignproject.cosign/signature": "MEUC"}
    return _image(config, layer, {"layers": [layer.descriptor() | {"annotations": note}]})


def referrer(subject: Image, text: str = "sbom", **members: Any) -> Image:
    """An artifact that names its subject, with the empty configuration that artifacts have."""
    layer = Blob.from_bytes("application/spdx+json", json.dumps({"name": text}).encode())
    own = {
        "artifactType": "application/spdx+json",
        "layers": [layer.descriptor()],
        "subject": subject.manifest.descriptor(),
        "annotations": {"org.example.text": text},
    }
    return _image(EMPTY, layer, own | members)


def list_of(*referrers: Image) -> Image:
    """The index that clients keep where a registry has no referrers API."""
    entries = [entry_of(each.manifest.media_type, each.manifest.read())[0] for each in referrers]
    index = {"schemaVersion": 2, "mediaType": OCI.index, "manifests": entries}
    return Image(Blob.from_bytes(OCI.index, json.dumps(index).encode()), (), referrers)


def hang(fake: FakeRegistry, repository: str, subject: Image, *referrers: Image) -> None:
    """Put referrers beside their subject, so that a client of this registry finds them."""
    for each in referrers:
        fake.add(repository, "", each)
    if not fake.store.referrers:
        fake.add(repository, fallback_tag(subject), list_of(*referrers))


def _image(config: Blob, layer: Blob, members: dict[str, Any]) -> Image:
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI.manifest,
        "config": config.descriptor(),
        **members,
    }
    return Image(Blob.from_bytes(OCI.manifest, json.dumps(manifest).encode()), (config, layer))
