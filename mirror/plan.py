"""What there is to do: images to moves, and how many bytes that is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mirror.bundle.contents import Carried, Contents, contradictions, sorted_images
from mirror.errors import IntegrityFault
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest
from mirror.ports import Move

if TYPE_CHECKING:
    # A push resolves nothing, and reads no BOM.
    from bom.images import ImageSet
    from mirror.resolve import Resolved


class Totals(NamedTuple):
    """How much a set of images is. Sizes in bytes."""

    images: int
    blobs: int
    """Unique ones: manifests, configurations, layers."""
    size: int
    """Of the unique blobs: what must be moved."""
    shared: int
    """Saved because images share blobs: the sum over all images, less ``size``."""


def totals(graphs: Sequence[ImageGraph]) -> Totals:
    """Count unique blobs and what sharing saves."""
    unique = sizes_of(graphs)
    listed = sum(sum(sizes_of([graph]).values()) for graph in graphs)
    size = sum(unique.values())
    return Totals(len(graphs), len(unique), size, listed - size)


def sizes_of(graphs: Iterable[ImageGraph]) -> dict[Digest, int]:
    """Every manifest, configuration and layer of these images once, with its size in bytes."""
    return {blob.digest: blob.size for graph in graphs for blob in _all_blobs(graph)}


def contents_of(
    images: ImageSet, resolved: Iterable[Resolved], platforms: tuple[str, ...] = ()
) -> Contents:
    """The bundle that these images make, whose indexes were resolved with ``platforms``."""
    carried = sorted_images(_carried(each) for each in resolved)
    check_destinations((f"{c.path}:{c.tag}", c.reference, c.digest) for c in carried if c.tag)
    contents = Contents(",".join(images.repositories), images.boms, carried, platforms)
    refuse_contradictions(contents.manifests.values(), contents.foreign)
    return contents


def refuse_contradictions(manifests: Iterable[Manifest], foreign: Collection[Digest] = ()) -> None:
    """Raise IntegrityFault where two manifests promise one blob in two sizes.

    ``foreign`` has the foreign layers that are carried.
    """
    for digest, size, other in contradictions(manifests, foreign):
        raise IntegrityFault(
            "two manifests promise different sizes for one blob",
            member=f"blob {digest}",
            expected=f"{size} bytes",
            got=f"{other}",
            hint="one of the images that have it was built or altered wrongly: push it anew",
        )


def check_destinations(wanted: Iterable[tuple[str, str, Digest]]) -> None:
    """Raise IntegrityFault where two images want one destination with different digests."""
    taken: dict[str, tuple[str, Digest]] = {}
    for place, reference, digest in wanted:
        first, known = taken.setdefault(place, (reference, digest))
        if known != digest:
            raise IntegrityFault(
                f"two images want the destination {place}",
                member=reference,
                expected=f"{known}, as {first}",
                got=str(digest),
                hint="leave one of them out, or carry them in two bundles to two projects",
            )


def fetches(resolved: Iterable[Resolved]) -> list[Move]:
    """Moves into a bundle: every configuration and layer once, from the first image that has it."""
    moves: dict[Digest, Move] = {}
    for image in resolved:
        reference = str(image.wanted.reference)
        for blob in image.graph.blobs:
            if blob.digest not in moves:
                moves[blob.digest] = Move(blob, image.origin, ("",), image=reference)
    return list(moves.values())


def deliveries(
    missing: Iterable[tuple[str, ImageGraph]],
    complete: Iterable[tuple[str, ImageGraph]],
    origins: Mapping[Digest, str] | None = None,
) -> list[Move]:
    """Moves into a registry: for every blob each repository that needs it and which hold it.

    The first two arguments pair a repository with an image; ``complete`` ones are there already,
    and are mounted from in their order. ``origins`` says where at the source each blob is read;
    a bundle has no such places. The repositories are sorted, whatever the order of the images: a
    run after a kill has to look first where the one before it has sent to, or it would send the
    blob once more.
    """
    needed: dict[Digest, tuple[Descriptor, list[str]]] = {}
    for repository, graph in missing:
        for blob in graph.blobs:
            needed.setdefault(blob.digest, (blob, []))[1].append(repository)
    holders: dict[Digest, dict[str, None]] = {}
    for repository, graph in complete:
        for blob in graph.blobs:
            if blob.digest in needed:
                holders.setdefault(blob.digest, {})[repository] = None
    origins = origins or {}
    moves = (
        _delivery(blob, origins.get(blob.digest, ""), targets, holders.get(blob.digest, {}))
        for blob, targets in needed.values()
    )
    # Two tags of one repository share layers: where one is complete, nothing is left to move.
    return [move for move in moves if move.targets]


def _delivery(blob: Descriptor, origin: str, targets: list[str], holders: dict[str, None]) -> Move:
    left = tuple(target for target in sorted(set(targets)) if target not in holders)
    return Move(blob, origin, left, tuple(holders))


def _all_blobs(graph: ImageGraph) -> Iterable[Descriptor]:
    yield from (manifest.descriptor for manifest in graph.manifests)
    yield from graph.blobs


def _carried(image: Resolved) -> Carried:
    wanted = image.wanted
    return Carried(
        str(wanted.reference),
        wanted.path,
        wanted.reference.tag,
        _kind(image),
        image.graph,
        image.members or (),
    )


def _kind(image: Resolved) -> str:
    if image.members is not None:
        return "imgpkg-bundle"
    if image.wanted.kind == "image" and image.graph.root.is_index:
        return "index"
    return image.wanted.kind
