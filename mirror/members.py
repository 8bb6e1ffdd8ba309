"""imgpkg bundles and their members: where a member lies, and what a missing one breaks. Pure.

Everything that a bundle names, nested bundles and their members too, lies in the bundle's own
repository, tagged ``sha256-<hex>.imgpkg``: there imgpkg and kapp-controller look for it, and a
registry keeps it although only its digest is ever asked for (imgpkg, image/tag.go).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from bom.reference import Reference
from mirror.errors import Fault
from mirror.oci.digest import Digest
from mirror.resolve import Resolution, Resolved


def member_reference(bundle: Reference, digest: Digest) -> Reference:
    """The name of a bundle's member, by tag and digest."""
    return replace(bundle, tag=f"sha256-{digest.hex}.imgpkg", digest=str(digest))


def member_references(image: Resolved) -> Iterator[Reference]:
    """The names of an image's members; none for what is no imgpkg bundle."""
    for digest in image.members or ():
        yield member_reference(image.wanted.reference, digest)


def broken_with(
    images: Iterable[Resolved], broken: Mapping[Reference, Fault]
) -> dict[Reference, Fault]:
    """``broken``, and the bundles that lack a member with it: those that hold them too, and on."""
    found, left = dict(broken), [image for image in images if image.members]
    while True:
        lacking = {}
        for image in left:
            causes = (found[name] for name in member_references(image) if name in found)
            if image.wanted.reference not in found and (cause := next(causes, None)):
                lacking[image.wanted.reference] = cause
        if not lacking:
            return found
        found.update(lacking)


def whole(resolution: Resolution) -> Resolution:
    """The same without bundles that lack a member; they count as failed."""
    named = {wanted.reference: fault for wanted, fault in resolution.failed}
    broken = broken_with(resolution.images, named)
    images = tuple(i for i in resolution.images if i.wanted.reference not in broken)
    lost = [i for i in resolution.images if i.wanted.reference in broken]
    failed = [(i.wanted, broken[i.wanted.reference]) for i in lost]
    return replace(resolution, images=images, failed=(*resolution.failed, *failed))


def only(resolution: Resolution, names: Collection[str]) -> Resolution:
    """Only the images that ``names`` has, and whatever their bundles need to be whole."""
    images = {image.wanted.reference: image for image in resolution.images}
    wanted = {reference for reference in images if str(reference) in names}
    new = wanted
    while new:
        members = {
            name for each in new if each in images for name in member_references(images[each])
        }
        new = members - wanted
        wanted = wanted | new
    return replace(
        resolution,
        images=tuple(image for name, image in images.items() if name in wanted),
        failed=tuple(each for each in resolution.failed if str(each[0].reference) in names),
        absent=tuple(each for each in resolution.absent if str(each.reference) in names),
    )
