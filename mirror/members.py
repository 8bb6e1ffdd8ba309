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
from mirror.oci.referrers import subject_of
from mirror.resolve import Resolution, Resolved


def member_reference(bundle: Reference, digest: Digest) -> Reference:
    """The name of a bundle's member, by tag and digest."""
    return replace(bundle, tag=f"sha256-{digest.hex}.imgpkg", digest=str(digest))


def member_references(image: Resolved) -> Iterator[Reference]:
    """The names of an image's members; none for what is no imgpkg bundle."""
    for digest in image.members or ():
        yield member_reference(image.wanted.reference, digest)


def _referring(images: Iterable[Resolved]) -> dict[tuple[str, Digest], list[Reference]]:
    """What refers to the manifest that has this digest, in the repository that has this name."""
    found: dict[tuple[str, Digest], list[Reference]] = {}
    for image in images:
        reference = image.wanted.reference
        if subject := subject_of(reference.tag, image.graph.root):
            found.setdefault((reference.name, subject), []).append(reference)
    return found


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
    return resolution._replace(images=images, failed=(*resolution.failed, *failed))


def only(resolution: Resolution, names: Collection[str]) -> Resolution:
    """Only the images that ``names`` has, whatever their bundles need to be whole, and what
    refers to any of these: where an image failed, nobody may have asked for that before.
    """
    images = {image.wanted.reference: image for image in resolution.images}
    referring = _referring(resolution.images)
    wanted = {reference for reference in images if str(reference) in names}
    new = wanted
    while new:
        found = [images[each] for each in new if each in images]
        along = {name for image in found for name in member_references(image)}
        for image in found:
            places = ((image.wanted.reference.name, m.digest) for m in image.graph.manifests)
            along.update(name for place in places for name in referring.get(place, ()))
        new = along - wanted
        wanted = wanted | new
    return resolution._replace(
        images=tuple(image for name, image in images.items() if name in wanted),
        failed=tuple(each for each in resolution.failed if str(each[0].reference) in names),
        absent=tuple(each for each in resolution.absent if str(each.reference) in names),
    )
