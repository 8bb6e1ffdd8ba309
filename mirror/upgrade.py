"""What an upgrade moves: the images of one BOM beside those of another. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bom.diff import BomDiff, Pair, sorted_pairs
from bom.reference import Reference
from mirror.errors import Fault, IntegrityFault
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.plan import refuse_contradictions, sizes_of
from mirror.resolve import Resolution


class Amount(NamedTuple):
    """How much: images, unique blobs (manifests among them), and their bytes together."""

    images: int
    blobs: int
    size: int


class Upgrade(NamedTuple):
    """From an old release to a new one.

    ``whole`` is the new release by itself, ``moves`` what of it the old one does not have: the
    images with other digests, and the blobs that a registry lacks which holds the old release.
    """

    whole: Amount
    moves: Amount


class Answer(NamedTuple):
    """What registries say of both sides. ``upgrade`` is None where one is not known in full.

    ``digests`` has every reference that was resolved; ``failed`` pairs each that was not with its
    fault, or what is wrong with all of them together.
    """

    upgrade: Upgrade | None
    digests: Mapping[Reference, Digest]
    failed: tuple[tuple[str, Fault], ...] = ()


def weigh(old: Resolution, new: Resolution) -> Answer:
    """The bytes of an upgrade: all that comes along with the images of each side is in them."""
    found = [*old.images, *new.images]
    digests = {image.wanted.reference: image.digest for image in found}
    failed = {str(wanted.reference): fault for wanted, fault in (*old.failed, *new.failed)}
    if failed:
        return Answer(None, digests, tuple(failed.items()))
    sides = ([image.graph for image in side.images] for side in (old, new))
    try:
        return Answer(upgrade(*sides), digests)
    except IntegrityFault as fault:
        return Answer(None, digests, (("both releases", fault),))


def upgrade(old: Sequence[ImageGraph], new: Sequence[ImageGraph]) -> Upgrade:
    """Compare by digest; IntegrityFault where two manifests give one blob two sizes."""
    manifests = {m.digest: m for graph in (*old, *new) for m in graph.manifests}
    refuse_contradictions(manifests.values())
    known, wanted = sizes_of(old), sizes_of(new)
    lacking = {digest: size for digest, size in wanted.items() if digest not in known}
    holds = {graph.root.digest for graph in old}
    others = sum(graph.root.digest not in holds for graph in new)
    return Upgrade(
        whole=Amount(len(new), len(wanted), sum(wanted.values())),
        moves=Amount(others, len(lacking), sum(lacking.values())),
    )


def with_digests(diff: BomDiff, digests: Mapping[Reference, Digest]) -> BomDiff:
    """The same, with images that kept path and tag but not their digest among the changed."""
    others = {pair for pair in diff.same if moved(pair, digests)}
    return diff._replace(
        changed=sorted_pairs([*diff.changed, *others]),
        same=tuple(pair for pair in diff.same if pair not in others),
    )


def moved(pair: Pair, digests: Mapping[Reference, Digest]) -> bool:
    """Do both references have a digest, and not the same?"""
    old, new = digests.get(pair.old.reference), digests.get(pair.new.reference)
    return None not in (old, new) and old != new
