"""Which images are wanted: BOMs and plain lists to one set of references, each once.

An image's path is what a push keeps, so it travels beside the reference: TKG asks for
``<its repository>/<path>:<tag>`` on the far side, whatever stood before the path at the source.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from bom.entries import (
    Entry,
    entries_of,
    kubeadm_extras,
    refuse_collisions,
    tkr_package_entries,
)
from bom.errors import InputFault, ListFault, ReferenceFault
from bom.fact import BomFact
from bom.limits import MAX_FILE_BYTES, MAX_LIST_LINES
from bom.model import Bom, BomKind
from bom.reference import Reference, normal_repository

_COMMENT: Final = re.compile(r"(?:^|\s)#")


class WantedImage(NamedTuple):
    """One image to carry.

    ``reference`` is its full name at the source; ``repository`` the part of that name before the
    path: the BOM's base repository, an image's own, or ``--source-repo``; ``path`` the imagePath,
    which a push keeps. ``components`` ("name/version", and labels in that form for what is in no
    component) and ``boms`` ("tkg-bom:v1.6.0") want it, both sorted, both empty for a plain list.
    ``kind`` is "bom" for a BOM's own image; where ``required`` is False, its absence at the source
    is a warning.
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


class ImageSet(NamedTuple):
    """All that is wanted.

    ``images`` are sorted by reference, each reference once; ``boms`` the files they come from;
    ``repositories`` every image's ``repository``, sorted; ``notices`` sentences for the operator.
    """

    images: tuple[WantedImage, ...]
    boms: tuple[BomFact, ...] = ()
    repositories: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def images_of_boms(
    boms: Sequence[Bom],
    *,
    source_repo: str | None = None,
    own_images: bool = False,
    infrastructures: Collection[str] | None = (),
) -> ImageSet:
    """The images of all BOMs; raises BomFault, InputFault, or ReferenceFault for ``source_repo``.

    ``source_repo`` stands in place of each BOM's base repository; an image's own repository is
    kept. ``own_images`` adds the image each BOM file is published as. ``infrastructures`` ("aws")
    adds the TKr packages for them, for each TKG BOM and each TKr BOM; None adds all that the TKG
    BOMs have.
    """
    base = normal_repository(source_repo) if source_repo else None
    entries = [entry for bom in boms for entry in entries_of(bom, base, own_image=own_images)]
    entries += tkr_package_entries(boms, base, infrastructures)
    refuse_collisions(entries)
    notices = [notice for bom in boms for notice in _notices(bom)]
    if infrastructures and not any(bom.kind is BomKind.TKR for bom in boms):
        notices.append("no TKr packages are wanted, as none of the BOMs is a TKr BOM")
    return _image_set(
        map(_wanted, entries),
        boms=(BomFact(bom.kind.value, bom.release, bom.sha256) for bom in boms),
        notices=notices,
    )


def images_of_list(text: str, file: str, *, source_repo: str | None = None) -> ImageSet:
    """The images of a list, one reference a line, ``#`` comments; raises ListFault.

    The path is the repository without its host, less ``source_repo`` where that is a prefix.
    """
    if len(text) > MAX_FILE_BYTES or text.count("\n") > MAX_LIST_LINES:
        limit = f"{MAX_FILE_BYTES} characters and {MAX_LIST_LINES} lines"
        raise ListFault(file, 0, "", 0, f"the list is longer than {limit}")
    base = normal_repository(source_repo) if source_repo else None
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
    return one._replace(
        components=tuple(sorted({*one.components, *other.components})),
        boms=tuple(sorted({*one.boms, *other.boms})),
        kind="bom" if "bom" in (one.kind, other.kind) else "image",
        required=one.required or other.required,
        places=tuple(dict.fromkeys((*one.places, *other.places))),
    )


def _wanted(entry: Entry) -> WantedImage:
    return WantedImage(
        reference=entry.reference,
        repository=entry.repository,
        path=entry.path,
        components=(entry.label,),
        boms=tuple(sorted(entry.boms)),
        kind=entry.kind,
        required=entry.required,
    )


def _notices(bom: Bom) -> Iterator[str]:
    for notice in bom.notices:
        yield f"{bom.file}: {notice}"
    for entry in kubeadm_extras(bom):
        where = f"{bom.file}:{entry.line}: {entry.path}:{entry.tag}"
        yield f"{where} is in kubeadmConfigSpec but in no component; added"


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
