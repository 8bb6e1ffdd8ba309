"""A plan on disk: which images, pinned to which digests, and how much that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bom.errors import ReferenceFault
from bom.fact import BomFact
from bom.images import ImageSet, WantedImage
from bom.model import BomKind
from bom.reference import Reference, check_path, check_tag, parse_repository
from mirror.bundle.contents import Contents
from mirror.bundle.inventory import members_at
from mirror.bundle.writer import file_size
from mirror.errors import InputFault
from mirror.oci.digest import Digest
from mirror.oci.platform import as_listed, from_list
from mirror.oci.strictjson import list_at, parse_object, text_at
from mirror.plan import totals
from mirror.resolve import Resolution
from mirror.settings import MAX_INVENTORY_PARTS

SCHEMA = "tkg-mirror/plan/v1"


def to_json(images: ImageSet, resolution: Resolution, contents: Contents) -> dict[str, Any]:
    """The plan's document; sizes in bytes. ``disk`` is the size of the bundle it would make."""
    sums = totals([image.graph for image in contents.images])
    wanted = {str(image.wanted.reference): image.wanted for image in resolution.images}
    platforms = {"platforms": list(contents.platforms)} if contents.platforms else {}
    return {
        "schema": SCHEMA,
        "boms": [{"kind": b.kind, "release": b.release, "sha256": b.sha256} for b in images.boms],
        "images": [
            {
                "reference": image.reference,
                "repository": wanted[image.reference].repository,
                "path": image.path,
                "tag": image.tag,
                "digest": str(image.digest),
                "mediaType": image.graph.root.media_type,
                "size": len(image.graph.root.raw),
                "kind": image.kind,
                "members": [str(digest) for digest in image.members],
                "places": [str(place) for place in wanted[image.reference].places],
            }
            for image in contents.images
        ],
        **platforms,
        "absent": sorted(str(image.reference) for image in resolution.absent),
        "totals": {
            "images": sums.images,
            "blobs": sums.blobs,
            "bytes": sums.size,
            "shared": sums.shared,
            "disk": file_size(contents),
        },
    }


class Planned(NamedTuple):
    """What a plan says is to be carried."""

    images: ImageSet
    pins: Mapping[Reference, Digest]
    """What each reference is pinned to."""
    members: Mapping[Reference, tuple[Digest, ...]]
    """The imgpkg bundles among the images."""
    platforms: tuple[str, ...] = ()
    """Those that indexes keep; empty for all."""


def parse(raw: bytes, file: str) -> Planned:
    """Read a plan's document.

    Raises InputFault naming the file; everything in it is checked like a BOM's own words.
    """
    try:
        document = parse_object(raw, MAX_INVENTORY_PARTS)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        images = [_image(value) for value in list_at(document, "images")]
        boms = tuple(_bom(value) for value in list_at(document, "boms"))
        platforms = from_list(list_at(document, "platforms")) if "platforms" in document else ()
    except (ValueError, ReferenceFault) as cause:
        raise InputFault("not a plan", fact=f"{file}: {cause}") from None
    if not images:
        raise InputFault("the plan names no image", fact=file)
    found = tuple(sorted((each.wanted for each in images), key=lambda each: str(each.reference)))
    if len({image.reference for image in found}) != len(found):
        raise InputFault("the plan names an image twice", fact=file)
    repositories = tuple(sorted({image.repository for image in found}))
    return Planned(
        ImageSet(found, boms, repositories),
        {each.wanted.reference: each.pin for each in images},
        {each.wanted.reference: each.members for each in images if each.members is not None},
        as_listed(platforms),
    )


class _Image(NamedTuple):
    wanted: WantedImage
    pin: Digest
    members: tuple[Digest, ...] | None


def _image(value: Any) -> _Image:
    if not isinstance(value, dict):
        raise ValueError("an image is not an object")
    reference = Reference.parse(text_at(value, "reference"))
    repository, path = text_at(value, "repository"), check_path(text_at(value, "path"))
    parse_repository(repository)
    if value.get("tag") != reference.tag:
        raise ValueError(f"{reference} is listed with another tag")
    if reference.digest not in (None, value.get("digest")):
        raise ValueError(f"{reference} is pinned to another digest")
    kind = text_at(value, "kind")
    members = members_at(value, kind)
    wanted = WantedImage(
        reference,
        repository,
        path,
        kind="bom" if kind == "bom" else "image",
        places=_places(value),
    )
    bundle = kind == "imgpkg-bundle"
    return _Image(wanted, Digest.parse(value.get("digest")), members if bundle else None)


def _places(value: dict[str, Any]) -> tuple[Reference, ...]:
    """Where else it may be found; it is asked for by its pin wherever that is."""
    places = list_at(value, "places")
    if not all(isinstance(place, str) for place in places):
        raise ValueError("a place of an image is not a text")
    return tuple(Reference.parse(place) for place in places)


def _bom(value: Any) -> BomFact:
    if not isinstance(value, dict):
        raise ValueError("a BOM is not an object")
    digest = Digest.parse(value.get("sha256"))
    kind, release = text_at(value, "kind"), text_at(value, "release")
    check_tag(release.replace("+", "_"))
    return BomFact(BomKind(kind).value, release, str(digest))
