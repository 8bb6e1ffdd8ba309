"""Which images are wanted: BOMs and plain lists to one set of references, each once.

An image's path is what a push keeps, so it travels beside the reference: TKG asks for
``<its repository>/<path>:<tag>`` on the far side, whatever stood before the path at the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bom.errors import BomFault, InputFault, ListFault, ReferenceFault
from bom.limits import MAX_FILE_BYTES, MAX_LIST_LINES
from bom.model import Bom, ImageEntry
from bom.reference import Reference, parse_repository

_COMMENT: Final = re.compile(r"(?:^|\s)#")


@dataclass(frozen=True, slots=True)
class WantedImage:
    """One image to carry.

    ``reference`` is its full name at the source; ``repository`` the part of that name before the
    path: the BOM's base repository, an image's own, or ``--source-repo``; ``path`` the imagePath,
    which a push keeps. ``components`` ("name/version") and ``boms`` ("tkg-bom:v1.6.0") want it,
    both sorted, both empty for a plain list. ``kind`` is "bom" for a BOM's own image; where
    ``required`` is False, its absence at the source is a warning.
    """

    reference: Reference
    repository: str
    path: str
    components: tuple[str, ...] = ()
    boms: tuple[str, ...] = ()
    kind: str = "image"
    required: bool = True
    places: tuple[Reference, ...] = ()
    """Where to look for it, in this order, if it is not where it is named: by digest, or by the
    tag that each of them has where no digest is known."""


@dataclass(frozen=True, slots=True, order=True)
class BomFact:
    """Which BOM file was read: "tkg-bom" or "tkr-bom", its release, "sha256:<hex>" of it."""

    kind: str
    release: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ImageSet:
    """All that is wanted.

    ``images`` are sorted by reference, each reference once; ``boms`` the files they come from;
    ``repositories`` every image's ``repository``, sorted; ``notices`` sentences for the operator.
    """

    images: tuple[WantedImage, ...]
    boms: tuple[BomFact, ...] = ()
    repositories: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def images_of_boms(
    boms: Sequence[Bom], *, source_repo: str | None = None, own_images: bool = False
) -> ImageSet:
    """The images of all BOMs; raises BomFault, or ReferenceFault for ``source_repo``.

    ``source_repo`` stands in place of each BOM's base repository; an image's own repository is
    kept. ``own_images`` adds the image each BOM file is published as.
    """
    base = _repository(source_repo) if source_repo else None
    return merge([_images_of_bom(bom, base, own_images=own_images) for bom in boms])


def images_of_list(text: str, file: str, *, source_repo: str | None = None) -> ImageSet:
    """The images of a list, one reference a line, ``#`` comments; raises ListFault.

    The path is the repository without its host, less ``source_repo`` where that is a prefix.
    """
    if len(text) > MAX_FILE_BYTES or text.count("\n") > MAX_LIST_LINES:
        limit = f"{MAX_FILE_BYTES} characters and {MAX_LIST_LINES} lines"
        raise ListFault(file, 0, "", 0, f"the list is longer than {limit}")
    base = _repository(source_repo) if source_repo else None
    lines = text.removeprefix("\ufeff").split("\n")
    images = [
        _listed_image(reference, base)
        for number, line in enumerate(lines, 1)
        if (reference := _listed_reference(line, file, number))
    ]
    if not images:
        raise ListFault(file, 0, "", 0, "the list names no image")
    return _image_set(images)


def merge(sets: Sequence[ImageSet]) -> ImageSet:
    """One set of several; raises InputFault where one reference would land at two paths."""
    return _image_set(
        (image for part in sets for image in part.images),
        boms=(fact for part in sets for fact in part.boms),
        notices=(notice for part in sets for notice in part.notices),
    )


def _image_set(
    images: Iterable[WantedImage], boms: Iterable[BomFact] = (), notices: Iterable[str] = ()
) -> ImageSet:
    found: dict[Reference, WantedImage] = {}
    for image in images:
        known = found.get(image.reference)
        found[image.reference] = _union(known, image) if known else image
    return ImageSet(
        # As text, so that the order is the one that sort, comm and diff expect.
        images=tuple(found[reference] for reference in sorted(found, key=str)),
        boms=tuple(dict.fromkeys(boms)),
        repositories=tuple(sorted({image.repository for image in found.values()})),
        notices=tuple(dict.fromkeys(notices)),
    )


def _union(one: WantedImage, other: WantedImage) -> WantedImage:
    """The same reference wanted twice. Two paths would be two places behind the gap."""
    if one.path != other.path:
        raise InputFault(
            "one image is wanted at two paths",
            fact=f"{one.reference} at {one.path} and at {other.path}",
            hint="read these inputs in two runs",
        )
    return replace(
        one,
        components=tuple(sorted({*one.components, *other.components})),
        boms=tuple(sorted({*one.boms, *other.boms})),
        kind="bom" if "bom" in (one.kind, other.kind) else "image",
        required=one.required or other.required,
        places=tuple(dict.fromkeys((*one.places, *other.places))),
    )


def _images_of_bom(bom: Bom, source_repo: str | None, *, own_images: bool) -> ImageSet:
    base = source_repo or _repository(bom.base_repository)
    listed = list(_listed_entries(bom))
    have = {(entry.path, entry.tag) for _, entry in listed}
    extra = [entry for entry in bom.kubeadm if (entry.path, entry.tag) not in have]
    listed += [(f"kubeadmConfigSpec/{entry.key}", entry) for entry in extra]
    images = [_wanted(bom, label, entry, base) for label, entry in listed]
    if own_images:
        images.append(_own_image(bom, base))
    notices = [f"{bom.file}: {notice}" for notice in bom.notices]
    notices += [
        f"{bom.file}:{entry.line}: {entry.path}:{entry.tag} is in kubeadmConfigSpec but in no "
        "component; added"
        for entry in extra
    ]
    return _image_set(images, [BomFact(bom.kind.value, bom.release, bom.sha256)], notices)


def _listed_entries(bom: Bom) -> Iterator[tuple[str, ImageEntry]]:
    for component in bom.components:
        for entry in component.images:
            yield component.label, entry
    for entry in bom.addon_images:
        yield f"addon/{entry.key}", entry


def _wanted(bom: Bom, label: str, entry: ImageEntry, base: str) -> WantedImage:
    repository = _repository(entry.repository) if entry.repository else base
    try:
        reference = Reference.parse(f"{repository}/{entry.path}:{entry.tag}")
    except ReferenceFault as fault:
        # Each part was checked when the file was read; together they can still be too long.
        expected, found = "an image reference", f"{fault.text} ({fault.reason})"
        raise BomFault(
            bom.file, entry.line, f"{label}/{entry.key}", expected=expected, found=found
        ) from fault
    return WantedImage(reference, repository, entry.path, (label,), (bom.label,))


def _own_image(bom: Bom, base: str) -> WantedImage:
    """The image that holds the BOM file itself. Not in every registry, so not required."""
    tag = bom.release.replace("+", "_")
    reference = Reference.parse(f"{base}/{bom.kind.value}:{tag}")
    path = bom.kind.value
    return WantedImage(reference, base, path, (), (bom.label,), kind="bom", required=False)


def _listed_reference(line: str, file: str, number: int) -> Reference | None:
    text = _COMMENT.split(line, maxsplit=1)[0].strip(" \t\r")
    if not text:
        return None
    try:
        reference = Reference.parse(text)
    except ReferenceFault as fault:
        raise ListFault(file, number, fault.text, fault.position, fault.reason) from fault
    if not reference.tag and not reference.digest:
        reason = "neither tag nor digest; write :latest if that is meant"
        raise ListFault(file, number, text, len(text), reason)
    return reference


def _listed_image(reference: Reference, base: str | None) -> WantedImage:
    if base and reference.name.startswith(f"{base}/"):
        return WantedImage(reference, base, reference.name[len(base) + 1 :])
    return WantedImage(reference, reference.host, reference.repository)


def _repository(text: str) -> str:
    """In the one spelling that references have."""
    host, path = parse_repository(text)
    return f"{host}/{path}" if path else host
