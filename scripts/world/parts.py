"""Parts of a release: what is put into the source, and what must be at the destination for it.

Both are written down at the same moment and by the same hand, so that nobody has to read a BOM or
a lock to know what a mirror of the release holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.world.images import Image
from scripts.world.imgpkg import Bundle, locations_image, locations_tag, member_tag
from scripts.world.signing import attached_tag, fallback_tag

__all__ = ["Expected", "Part", "Put", "attached", "bundle_part", "image_part", "together"]


@dataclass(frozen=True)
class Put:
    """One manifest of the source; without a tag it is there by its digest only.

    `name` is for people and for leaving it out: path:tag, or path#member for a bundle's member.
    """

    name: str
    path: str
    tag: str
    image: Image


@dataclass(frozen=True, order=True)
class Expected:
    """One manifest that must be at the destination, whole, under its tag and its digest.

    `path` is the repository below the destination's project. `kind` is bom, compatibility, image,
    kubeadm, package (tkr-package and tkr-package-repo), member, signature or referrers; the last
    is the index of a fallback tag, and its children are the referrers.
    """

    path: str
    tag: str
    digest: str
    kind: str


@dataclass(frozen=True)
class Part:
    """Some manifests of the source, and what must be made of them."""

    puts: tuple[Put, ...] = ()
    expected: tuple[Expected, ...] = ()


def together(parts: Iterable[Part]) -> Part:
    """Return one part of several, each manifest once."""
    parts = tuple(parts)
    puts = dict.fromkeys(put for part in parts for put in part.puts)
    return Part(tuple(puts), tuple(dict.fromkeys(e for part in parts for e in part.expected)))


def image_part(path: str, tag: str, image: Image, kind: str = "image", below: str = "") -> Part:
    """Return an image that a BOM names; `below` is the override's path under the prefix."""
    put = Put(f"{path}:{tag}", f"{below}/{path}" if below else path, tag, image)
    return Part((put,), (Expected(path, tag, image.manifest.digest, kind),))


def bundle_part(
    path: str, tag: str, bundle: Bundle, kind: str = "image", *, copied: bool = False
) -> Part:
    """Return a bundle, and its members of all levels in its repository.

    `copied` is one that imgpkg copied there: its members have tags, and there is a locations
    image, which nobody has to carry. Elsewhere they are there by their digests.
    """
    puts = [Put(f"{path}:{tag}", path, tag, bundle.image)]
    expected = [Expected(path, tag, bundle.image.manifest.digest, kind)]
    for member in bundle.walk():
        place = member_tag(member.digest)
        name = f"{path}#{member.name}"
        puts.append(Put(name, member.home or path, place if copied else "", member.image))
        expected.append(Expected(path, place, member.digest, "member"))
    if copied:
        place = locations_tag(bundle.image.manifest.digest)
        puts.append(Put(f"{path}:{tag}.locations", path, place, locations_image(bundle)))
    return together([Part(tuple(puts), tuple(expected))])


def attached(name: str, path: str, subject: Image, artifact: Image, kind: str) -> Part:
    """Return what is attached to a manifest of a repository; `kind` is sig, att or referrers.

    Its name is that of its subject, a dot and the kind.
    """
    digest = subject.manifest.digest
    tag = fallback_tag(digest) if kind == "referrers" else attached_tag(digest, kind)
    put = Put(f"{name}.{kind}", path, tag, artifact)
    spoken = kind if kind == "referrers" else "signature"
    return Part((put,), (Expected(path, tag, artifact.manifest.digest, spoken),))
