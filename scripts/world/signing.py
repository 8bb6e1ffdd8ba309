"""What is attached to an image: cosign's tags beside it, and referrers that point at it.

Neither changes the image, and neither is named by a BOM: they are found by the image's digest.

    signature(image.manifest, "registry.example.com/tkg/pause")   # at the tag attached_tag(...)
    referrers({SBOM: referrer(image.manifest, SBOM)})             # at the tag fallback_tag(...)

The signatures are not real ones, since nobody here has a key: seeded bytes of the usual length.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

from scripts.world.images import OCI, Blob, Image
from scripts.world.imgpkg import NO_TIME, compact

__all__ = [
    "SBOM",
    "SIGSTORE_BUNDLE",
    "attached_tag",
    "attestation",
    "fallback_tag",
    "referrer",
    "referrers",
    "signature",
]

# https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_KEY = "dev.cosignproject.cosign/signature"
DSSE = "application/vnd.dsse.envelope.v1+json"

SBOM = "application/spdx+json"
SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"

# OCI image-spec 1.1, manifest.md: the config of what is no image is these two bytes.
EMPTY = Blob.from_bytes("application/vnd.oci.empty.v1+json", b"{}")

# The length of a DER signature over P-256, which cosign makes by default.
SIGNATURE_BYTES = 71


def attached_tag(digest: str, kind: str) -> str:
    """Return cosign's tag for what is attached to a digest; `kind` is sig, att or sbom."""
    return f"{digest.replace(':', '-')}.{kind}"


def fallback_tag(digest: str) -> str:
    """Return the tag of the index of referrers where a registry has no API for them.

    OCI distribution-spec 1.1, "Referrers tag schema".
    """
    return digest.replace(":", "-")


def signature(subject: Blob, repository: str) -> Image:
    """Make what `cosign sign` pushes for a manifest of host/repository."""
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": subject.digest},
        "type": "cosign container image signature",
    }
    payload = compact({"critical": critical, "optional": None})
    layer = Blob.from_bytes(SIMPLE_SIGNING, payload)
    return _attached(layer, {SIGNATURE_KEY: _signed(payload)})


def attestation(subject: Blob, repository: str) -> Image:
    """Make what `cosign attest` pushes: an envelope around a statement about the manifest."""
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://spdx.dev/Document",
        "subject": [{"name": repository, "digest": {"sha256": subject.digest[7:]}}],
        "predicate": {"spdxVersion": "SPDX-2.3"},
    }
    payload = base64.b64encode(compact(statement)).decode()
    signatures = [{"keyid": "", "sig": _signed(payload.encode())}]
    envelope = {"payloadType": "application/vnd.in-toto+json", "payload": payload}
    layer = Blob.from_bytes(DSSE, compact(envelope | {"signatures": signatures}))
    return _attached(layer, {SIGNATURE_KEY: "", "predicateType": "https://spdx.dev/Document"})


def referrer(subject: Blob, artifact_type: str) -> Image:
    """Make an OCI 1.1 artifact whose `subject` is the manifest or index given."""
    text = compact({"artifact": artifact_type, "about": subject.digest})
    layer = Blob.from_bytes(artifact_type, text)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI.manifest,
        "artifactType": artifact_type,
        "config": EMPTY.descriptor(),
        "layers": [layer.descriptor()],
        "subject": subject.descriptor(),
        "annotations": {"org.opencontainers.image.created": "2024-01-01T00:00:00Z"},
    }
    return Image(Blob.from_bytes(OCI.manifest, compact(manifest)), (EMPTY, layer))


def referrers(artifacts: Mapping[str, Image]) -> Image:
    """Make the index of the fallback tag; the names are the artifacts' types."""
    entries = [
        artifact.manifest.descriptor() | {"artifactType": artifact_type}
        for artifact_type, artifact in artifacts.items()
    ]
    index = {"schemaVersion": 2, "mediaType": OCI.index, "manifests": entries}
    return Image(Blob.from_bytes(OCI.index, compact(index)), children=tuple(artifacts.values()))


def _attached(layer: Blob, annotations: Mapping[str, str]) -> Image:
    # The layer is no archive, so its diff_id is its digest.
    config = Blob.from_bytes(OCI.config, compact(_config([layer.digest])))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI.manifest,
        "config": config.descriptor(),
        "layers": [layer.descriptor() | {"annotations": dict(annotations)}],
    }
    return Image(Blob.from_bytes(OCI.manifest, compact(manifest)), (config, layer))


def _config(diff_ids: Iterable[str]) -> dict[str, object]:
    return {
        "architecture": "",
        "created": NO_TIME,
        "history": [{"created": NO_TIME}],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "config": {},
    }


def _signed(payload: bytes) -> str:
    made_up = hashlib.shake_256(payload).digest(SIGNATURE_BYTES)
    return base64.b64encode(made_up).decode()
