"""What must be in a registry, by the word of a bundle, a plan or BOM files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bom.fact import BomFact
from bom.images import ImageSet, WantedImage
from bom.model import BomKind
from bom.reference import Reference
from mirror.bundle.reader import Bundle
from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.preflight.scene import Awaited, Expected

# What a bundle is called in a command that makes one first.
NEW_BUNDLE = "tkg.tar"


def of_bundle(file: Path) -> Expected:
    """What a bundle holds, all of it known: digests, members, blobs, what was left out.

    Raises InputFault where there is no such file, BundleFault where it is damaged: its manifests
    are read and checked, its layers are not.
    """
    with Bundle(file) as bundle:
        contents = bundle.contents()
        images = tuple(
            Awaited(image.reference, image.path, image.tag, image.digest, image.members)
            for image in contents.images
        )
        blobs = dict(bundle.inventory.blobs)
        return Expected(str(file), images, blobs, lacking=lacking(contents.boms))


def of_plan(
    file: str,
    images: ImageSet,
    pins: Mapping[Reference, Digest],
    members: Mapping[Reference, tuple[Digest, ...]],
    platforms: Sequence[str],
) -> Expected:
    """What a plan would carry: its digests and members; its blobs are in the manifests alone."""
    return Expected(
        file,
        tuple(_awaited(image, pins, members) for image in images.images),
        platforms=tuple(Platform.parse(each) for each in platforms),
        create=f"tkg-mirror bundle create --plan {shlex.quote(file)} -o {NEW_BUNDLE}",
        lacking=lacking(images.boms),
    )


def of_boms(files: Sequence[str], images: ImageSet) -> Expected:
    """What BOM files name: by tag, so without digests, and without the members of bundles."""
    named = " ".join(f"--bom {shlex.quote(file)}" for file in files)
    return Expected(
        files[0] if len(files) == 1 else f"{len(files)} BOM files",
        tuple(_awaited(image, {}, {}) for image in images.images),
        lists_members=False,
        create=f"tkg-mirror bundle create {named} -o {NEW_BUNDLE}",
        lacking=lacking(images.boms),
    )


def lacking(boms: Iterable[BomFact]) -> str:
    """Which images of an installation these BOMs do not name; nothing where there are both kinds.

    A TKG BOM has the management components, a TKr BOM a Kubernetes release: TKG needs one and
    the other. An image list is neither.
    """
    missing = [kind for kind in BomKind if kind not in {each.kind for each in boms}]
    if len(missing) == len(BomKind):
        return "no BOM says that these are all that TKG needs"
    return "".join(f"a {kind.spoken} would name more" for kind in missing)


def _awaited(
    image: WantedImage,
    pins: Mapping[Reference, Digest],
    members: Mapping[Reference, tuple[Digest, ...]],
) -> Awaited:
    """A BOM's own image need not be everywhere, but TKG reads it from the private registry."""
    reference = image.reference
    named = Digest.parse(reference.digest) if reference.digest else None
    return Awaited(
        str(reference),
        image.path,
        reference.tag,
        pins.get(reference, named),
        members.get(reference, ()),
        image.required or image.kind == "bom",
    )
