"""What is looked for at a registry, image by image, and what an answer says of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from mirror.errors import Fault, IntegrityFault, Misbehaved, NotFound, Refused, RegistryFault
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import chosen
from mirror.oci.manifest import Manifest
from mirror.oci.mediatypes import is_foreign
from mirror.oci.platform import UNKNOWN
from mirror.preflight.scene import Awaited, Expected, Target
from mirror.preflight.wording import advice
from mirror.text import printable

# The tag that imgpkg gives to a bundle's member says which one it is.
_MEMBER_TAG = re.compile(r"sha256-([0-9a-f]{64})\.imgpkg")


class Name(NamedTuple):
    """A manifest as it is asked for: ``tkg/antrea:v1`` or ``tkg/antrea@sha256:...``."""

    repository: str
    """At the registry, with the project."""
    name: str | Digest

    def __str__(self) -> str:
        return f"{self.repository}{'@' if isinstance(self.name, Digest) else ':'}{self.name}"


class Blob(NamedTuple):
    """A configuration or layer in a repository; ``size`` in bytes as its manifest promises."""

    repository: str
    digest: Digest
    size: int

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"

    @property
    def descriptor(self) -> Descriptor:
        """Without its media type, which a blob's bytes do not tell."""
        return Descriptor("", self.digest, self.size)


class Kind(Enum):
    """How something is not as it should be."""

    MISSING = auto()
    REFUSED = auto()
    """It may be there, and nobody may have it who has no login, or a rule forbids it."""
    WRONG = auto()
    """It has other bytes than its name, digest or size promises."""
    BROKEN = auto()
    """The answer is none that a client could use."""
    UNKNOWN = auto()
    """No answer, or one that may be better later."""


class Gap(NamedTuple):
    """Something that is not as it should be, and why."""

    kind: Kind
    reason: str
    hint: str = ""
    """What mends it besides the push that brings what is missing."""


def gap_of(fault: Fault) -> Gap:
    """What a fault says of the thing that was asked for."""
    reason = printable(fault.fact or fault.what)
    if isinstance(fault, NotFound):
        return Gap(Kind.MISSING, f"not there: {reason}")
    if isinstance(fault, Refused):
        # A hint about an account is no help to those who have none. Without a status it is
        # Harbor's sign for a project that is not there.
        kind = Kind.REFUSED if fault.status else Kind.MISSING
        return Gap(kind, reason, "" if fault.status in (401, 403) else advice(fault))
    if isinstance(fault, IntegrityFault):
        return Gap(Kind.WRONG, f"expected {printable(fault.expected)}, got {printable(fault.got)}")
    broken = isinstance(fault, Misbehaved) or not isinstance(fault, RegistryFault)
    return Gap(Kind.BROKEN, reason, advice(fault)) if broken else Gap(Kind.UNKNOWN, reason)


class Sought:
    """What must be there by the word of a bundle, a plan or BOM files."""

    def __init__(self, target: Target, expected: Expected) -> None:
        self.expected = expected
        self._target = target
        images = ((self.root(image), image) for image in expected.images)
        self._digests = {name: image.digest for name, image in images if image.digest}
        beside = {name for image in expected.images for name in self.beside(image)}
        self.images = tuple(i for i in expected.images if self.root(i) not in beside)
        """Those that are no bundle's member, which are looked for with their bundle."""

    def root(self, image: Awaited) -> Name:
        """By what an image is pulled: its tag, where it has one."""
        name = image.tag or image.digest
        if name is None:
            raise ValueError(f"{image.reference} has neither tag nor digest")
        return Name(self._target.repository(image.path), name)

    def beside(self, image: Awaited) -> Iterator[Name]:
        """The members of a bundle, in its own repository: each by its tag and its digest."""
        for digest in image.members:
            yield from members_at(self._target.repository(image.path), digest)

    def promised(self, name: Name) -> Digest | None:
        """What a tag should name, if that is known."""
        if isinstance(name.name, Digest):
            return name.name
        member = _MEMBER_TAG.fullmatch(name.name)
        return self._digests.get(name, Digest(member[1]) if member else None)

    def is_meant(self, name: Name, manifest: Manifest) -> bool:
        """True where this is the manifest that is expected; what is below others says nothing."""
        return self.promised(name) in (None, manifest.digest)

    def children(self, index: Manifest) -> tuple[Descriptor, ...]:
        """The images of an index that must be there: those that were carried."""
        if held := self.expected.blobs:
            return tuple(child for child in index.children if child.digest in held)
        return chosen(index, self.expected.platforms)

    def blobs(self, manifest: Manifest) -> tuple[Descriptor, ...]:
        """Its configuration and layers; foreign layers only where they are known to be carried."""
        return manifest.blobs_with(self.expected.blobs)

    def left_out(self, manifest: Manifest) -> int:
        """How much of an image is not looked for, since it was not carried."""
        held = self.expected.blobs
        foreign = (each for each in manifest.layers if is_foreign(each.media_type))
        layers = sum(layer.digest not in held for layer in foreign)
        return layers + len(manifest.children) - len(self.children(manifest))


def members_at(repository: str, digest: Digest) -> tuple[Name, Name]:
    """A member of a bundle in this repository: by tag, as imgpkg writes it, and by digest."""
    return Name(repository, f"sha256-{digest.hex}.imgpkg"), Name(repository, digest)


def shown(child: Descriptor) -> str:
    """For which platform an image of an index is, for people; empty where it does not say."""
    platform = child.platform
    return f" ({platform})" if platform and platform != UNKNOWN else ""
