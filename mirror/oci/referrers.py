"""What refers to a manifest: how its companions are named, and the lists of them. Pure.

Signatures and the like hang on an image in two ways. cosign's stand under a tag that follows from
the image's digest (cosign, specs/SIGNATURE_SPEC.md, "Tag-based Discovery"). Those of OCI 1.1 name
the image as their ``subject``; a registry lists them by its referrers API, or, where it has none,
clients keep an index of them under a tag (distribution-spec, "Referrers Tag Schema").
"""

from __future__ import annotations

import re
from typing import Any

from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.mediatypes import OCI_INDEX
from mirror.oci.strictjson import canonical, list_at, parse_object

# Signatures, attestations and bills of material; cosign has no others.
_SUFFIXES = (".sig", ".att", ".sbom")
# Any tag that belongs to some image by its name.
COMPANION_TAG = re.compile(r"sha256-[0-9a-f]{64}(?:\.sig|\.att|\.sbom)?")


def list_tag(subject: Digest) -> str:
    """The tag of the index of all that refers to ``subject``, where a registry keeps none."""
    return f"sha256-{subject.hex}"


def companion_tags(subject: Digest) -> tuple[str, ...]:
    """The tags under which cosign puts what belongs to ``subject``."""
    return tuple(list_tag(subject) + suffix for suffix in _SUFFIXES)


def subject_of(tag: str | None, manifest: Manifest) -> Digest | None:
    """To whom something belongs: by its own word, or by cosign's name for it; None for nobody."""
    if manifest.subject:
        return manifest.subject.digest
    name, dot, _suffix = (tag or "").partition(".")
    if dot and COMPANION_TAG.fullmatch(tag or ""):
        return Digest.parse(name.replace("-", ":"))
    return None


def descriptors(raw: bytes) -> list[Descriptor]:
    """Whom a registry's list names; ValueError says what is wrong with it.

    An empty list may be null: that is how Go writes down a slice that nobody made.
    """
    listed = parse_object(raw).get("manifests") or []
    if not isinstance(listed, list):
        raise ValueError("manifests is not a list")
    return [Descriptor.from_json(each) for each in listed]


def with_entry(index: Manifest | None, referrer: Manifest) -> Manifest | None:
    """The list with ``referrer`` in it; None where it is there already.

    What others put into the list stays as they wrote it. The entries are sorted, so that the
    same referrers make the same list whoever came first. ValueError for what is no such list.
    """
    if index is not None and index.media_type != OCI_INDEX:
        raise ValueError(f"it is no index of referrers, but {index.media_type}")
    if index and referrer.digest in {child.digest for child in index.children}:
        return None
    document = parse_object(index.raw) if index else {"schemaVersion": 2}
    entries = list_at(document, "manifests") if index else []
    entries = sorted([*entries, _entry(referrer)], key=lambda entry: str(entry["digest"]))
    raw = canonical({**document, "mediaType": OCI_INDEX, "manifests": entries})
    return Manifest.parse(raw)


def _entry(referrer: Manifest) -> dict[str, Any]:
    """A referrer as a list has it (distribution-spec, "Pushing Manifests with Subject")."""
    config = referrer.config.media_type if referrer.config else ""
    optional = {
        "artifactType": referrer.artifact_type or config,
        "annotations": referrer.annotations,
    }
    own = referrer.descriptor
    return {
        "mediaType": own.media_type,
        "digest": str(own.digest),
        "size": own.size,
        **{key: value for key, value in optional.items() if value},
    }
