"""The doors between the engine and the media: where blobs come from and where they go.

The engine knows these protocols and neither medium; a registry and a bundle each stand
behind both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest

# Bytes on their way. A memoryview lives until the next piece is asked for: its buffer is reused.
Piece = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Move:
    """One unique blob, where to read it and every place that must have it afterwards."""

    descriptor: Descriptor
    origin: str
    """``host/repository`` at the source; empty where the source is a bundle."""
    targets: tuple[str, ...]
    """Repositories at the sink, the first to be written, the others mounted from it; one
    empty name where the sink is a bundle."""
    held_by: tuple[str, ...] = ()
    """Repositories at the sink that are known to hold it already."""
    image: str = ""
    """The reference of an image that needs it, for people."""


class Source(Protocol):
    """Where blobs are read. Bytes are as they come; the engine checks them."""

    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> AbstractContextManager[Iterator[Piece]]:
        """The blob's bytes in order, from offset ``start`` on."""


class Content(Protocol):
    """The bytes of one blob on their way into a sink, checked while they pass."""

    def open(self, start: int) -> AbstractContextManager[Iterator[Piece]]:
        """The bytes from ``start`` on, which is at most how far they came before.

        The last piece comes only if the whole is right: IntegrityFault in its place.
        """

    def recall(self, pieces: Iterator[Piece]) -> None:
        """Take a beginning that the sink kept from an earlier run as what passed already."""


class Sink(Protocol):
    """Where blobs are put."""

    def holds(self, descriptor: Descriptor, target: str) -> bool:
        """True where the whole blob is there already."""

    def mount(self, descriptor: Descriptor, target: str, holder: str) -> bool:
        """Take it over from ``holder``, another repository of this sink; False: write it."""

    def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
        """Store the blob, from where an earlier attempt left it if that can be.

        What ``content`` raises passes through, and the blob does not become visible then.
        """


class Library(Protocol):
    """Manifests by name: what a tag points at, and whether what they name is there."""

    def manifest(self, repository: str, name: str | Digest) -> Manifest:
        """The manifest that a tag or digest names, checked against the digest."""

    def tagged(self, repository: str, tag: str) -> Digest | None:
        """The digest that a tag has, or None."""

    def put_manifest(
        self, repository: str, name: str | Digest, manifest: Manifest
    ) -> Digest | None:
        """Store a manifest under a tag or its digest; returns the subject that was noted."""

    def referrers(self, repository: str, subject: Digest) -> list[Descriptor] | None:
        """Who refers to a manifest, or None where the registry keeps no such list."""

    def has_blob(self, repository: str, descriptor: Descriptor) -> bool:
        """True where the blob is there with its full size."""
