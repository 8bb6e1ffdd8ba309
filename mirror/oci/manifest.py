"""Manifests and indexes: the raw bytes, and what they mean."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NamedTuple

from mirror.oci import mediatypes
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.strictjson import list_at, parse_object
from mirror.settings import MAX_INDEX_MANIFESTS, MAX_LAYERS, MAX_MEDIA_TYPE


class Manifest(NamedTuple):
    """An image manifest or an index. Its identity is ``raw``; nothing is ever re-serialised."""

    raw: bytes
    """The bytes as the registry or bundle gave them."""
    media_type: str
    """One of the four in ``mediatypes.MANIFESTS``."""
    digest: Digest
    """Of ``raw``."""
    config: Descriptor | None
    """An image's configuration; None for an index."""
    layers: tuple[Descriptor, ...]
    """An image's layers in their order, foreign ones included; empty for an index."""
    children: tuple[Descriptor, ...]
    """An index's manifests in their order; empty for an image."""
    subject: Descriptor | None = None
    """Of a referrer: the manifest that it is about (image-spec 1.1, manifest.md)."""
    artifact_type: str = ""
    """Of a referrer: the media type of what it is, where it names one."""

    @classmethod
    def parse(cls, raw: bytes, content_type: str = "") -> Manifest:
        """Read a manifest; ValueError says what is wrong with it.

        The type is decided by the document's own ``mediaType`` and must agree with
        ``content_type`` (parameters ignored) where both are given, so that one document
        cannot be an image to one reader and an index to another (CVE-2021-41190).
        """
        document = parse_object(raw)
        media_type = _media_type(document, content_type.partition(";")[0].strip().lower())
        if media_type in mediatypes.INDEXES:
            named = list_at(document, "manifests")
            if len(named) > MAX_INDEX_MANIFESTS:
                raise ValueError(f"more than {MAX_INDEX_MANIFESTS} manifests in one image")
            children = tuple(Descriptor.from_json(child) for child in named)
            found = cls(raw, media_type, Digest.of(raw), None, (), children)
            return _referring(found, document)
        config = Descriptor.from_json(document.get("config"))
        listed = list_at(document, "layers")
        if len(listed) > MAX_LAYERS:
            raise ValueError(f"more than {MAX_LAYERS} layers")
        layers = tuple(Descriptor.from_json(layer) for layer in listed)
        found = cls(raw, media_type, Digest.of(raw), config, layers, ())
        return _referring(found, document)

    @property
    def is_index(self) -> bool:
        """True for an OCI index or a docker manifest list."""
        return self.media_type in mediatypes.INDEXES

    @property
    def descriptor(self) -> Descriptor:
        """How a parent or a tag names this manifest."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    @property
    def annotations(self) -> dict[str, str]:
        """Of a referrer: its own, which every list of referrers repeats."""
        return _annotations(parse_object(self.raw))

    @property
    def foreign(self) -> tuple[Descriptor, ...]:
        """Layers that the registry need not hold; they are not carried unless that is wanted."""
        return tuple(layer for layer in self.layers if mediatypes.is_foreign(layer.media_type))

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Configuration and layers to carry, without any foreign layer."""
        return self.blobs_with(frozenset())

    def blobs_with(self, foreign: Container[Digest]) -> tuple[Descriptor, ...]:
        """Configuration and layers to carry, those foreign layers included that are named."""
        config = (self.config,) if self.config else ()
        carried = (
            layer
            for layer in self.layers
            if layer.digest in foreign or not mediatypes.is_foreign(layer.media_type)
        )
        return (*config, *carried)


def _referring(manifest: Manifest, document: dict[str, Any]) -> Manifest:
    """The same with what it says as a referrer; docker's media types know no subject."""
    if document.get("subject") is None or manifest.media_type not in mediatypes.REFERRERS:
        return manifest
    artifact_type = document.get("artifactType", "")
    if not isinstance(artifact_type, str):
        raise ValueError("artifactType is not a text")
    if len(artifact_type) > MAX_MEDIA_TYPE:
        raise ValueError(f"a media type of more than {MAX_MEDIA_TYPE} characters")
    # Checked here and not kept: a document of 4 MiB may hold ten times as much of them in memory.
    _annotations(document)
    subject = Descriptor.from_json(document["subject"])
    return manifest._replace(subject=subject, artifact_type=artifact_type)


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    found = document.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError("its annotations are no object of texts")
    return found


def _media_type(document: dict[str, Any], content_type: str) -> str:
    own = document.get("mediaType", "")
    if not isinstance(own, str):
        raise ValueError("mediaType is not a text")
    for name in (own, content_type):
        if name.startswith(mediatypes.DOCKER_SCHEMA1_PREFIX):
            raise ValueError(
                "it is a docker schema 1 manifest; the image must be pushed anew as schema 2"
            )
    if document.get("schemaVersion") != 2:
        raise ValueError("schemaVersion is not 2")
    if own and content_type in mediatypes.MANIFESTS and own != content_type:
        raise ValueError(f"it calls itself {own[:100]} and was served as {content_type}")
    return _of_a_kind(document, own or content_type or _guess(document))


def _of_a_kind(document: dict[str, Any], media_type: str) -> str:
    if media_type not in mediatypes.MANIFESTS:
        raise ValueError(f"{media_type[:100] or 'no media type'} is no manifest this tool knows")
    has_children = "manifests" in document
    has_content = "layers" in document or "config" in document
    if has_children == has_content or has_children != (media_type in mediatypes.INDEXES):
        raise ValueError(f"its members do not fit {media_type}")
    return media_type


def _guess(document: dict[str, Any]) -> str:
    """OCI documents may leave ``mediaType`` out (image-spec, manifest.md); docker's never do."""
    return mediatypes.OCI_INDEX if "manifests" in document else mediatypes.OCI_MANIFEST
