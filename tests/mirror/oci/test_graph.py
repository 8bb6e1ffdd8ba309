from __future__ import annotations

from collections.abc import Callable

import pytest

from mirror.oci import mediatypes
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph, walk
from mirror.oci.manifest import Manifest
from mirror.oci.platform import Platform
from mirror.settings import MAX_INDEX_DEPTH, MAX_INDEX_MANIFESTS
from tests.mirror.oci.documents import LAYER, descriptor, image, index, parsed, promise

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def numbered(number: int) -> Manifest:
    return parsed(image(annotations={"n": str(number)}))


def shelf(*manifests: Manifest) -> Callable[[Descriptor], Manifest]:
    held = {manifest.digest: manifest for manifest in manifests}
    return lambda promised: held[promised.digest]


def nested(depth: int) -> tuple[Manifest, list[Manifest]]:
    held = [numbered(0)]
    for _ in range(depth):
        held.append(parsed(index(held[-1])))
    return held[-1], held


def test_children_stand_before_their_parents_and_each_once() -> None:
    left, shared, right = numbered(1), numbered(2), numbered(3)
    inner = parsed(index(left, shared))
    root = parsed(index(inner, shared, right))
    graph = walk(root, shelf(left, shared, right, inner))
    assert graph.manifests == (left, shared, inner, right, root)
    assert graph.root == root


def test_an_image_alone_is_its_own_graph() -> None:
    root = numbered(1)
    assert walk(root, shelf()) == ImageGraph((root,))


@pytest.mark.parametrize("depth", [1, MAX_INDEX_DEPTH])
def test_indexes_may_be_nested_as_deep_as_honest_ones(depth: int) -> None:
    root, held = nested(depth)
    assert walk(root, shelf(*held)).manifests == tuple(held)


def test_indexes_nested_deeper_are_refused_before_they_are_fetched_for_ever() -> None:
    root, held = nested(50)
    asked: list[Descriptor] = []

    def fetch(promised: Descriptor) -> Manifest:
        asked.append(promised)
        return shelf(*held)(promised)

    with pytest.raises(ValueError, match="deep"):
        walk(root, fetch)
    assert len(asked) <= MAX_INDEX_DEPTH + 1


def test_an_index_of_ten_thousand_children_is_refused_early() -> None:
    promises = [
        {"mediaType": mediatypes.OCI_MANIFEST, "digest": str(Digest.of(b"%d" % n)), "size": 9}
        for n in range(10_000)
    ]
    asked: list[Descriptor] = []

    def fetch(promised: Descriptor) -> Manifest:
        asked.append(promised)
        # A child with the promised name, whatever its bytes: hashes are the fetcher's matter.
        return Forged.under(promised)

    with pytest.raises(ValueError, match="manifests in one image"):
        walk(parsed(index(manifests=promises)), fetch)
    assert len(asked) <= MAX_INDEX_MANIFESTS + 1


def test_an_index_that_lists_itself_ends() -> None:
    # Only a broken hash makes such a thing; the bounds end it all the same.
    own = Descriptor(mediatypes.OCI_INDEX, Digest.of(b"itself"), 7)
    loop = Forged.under(own, children=(own,))
    with pytest.raises(ValueError, match="deep"):
        walk(loop, lambda _promised: loop)


@pytest.mark.parametrize(
    "lie",
    [{"size": 1}, {"mediaType": mediatypes.DOCKER_MANIFEST}, {"mediaType": mediatypes.OCI_INDEX}],
)
@pytest.mark.parametrize("honest_first", [True, False])
def test_a_child_that_is_not_what_the_index_promises_is_refused(
    lie: dict[str, object], honest_first: bool
) -> None:
    child = numbered(1)
    promises = [promise(child)] * honest_first + [promise(child) | lie]
    with pytest.raises(ValueError, match="promises"):
        walk(parsed(index(manifests=promises)), shelf(child))


def test_a_layer_listed_as_a_child_is_not_fetched() -> None:
    with pytest.raises(ValueError, match="no manifest"):
        walk(parsed(index(manifests=[descriptor(mediaType=LAYER)])), shelf())


def test_blobs_come_from_every_platform_and_foreign_layers_from_none() -> None:
    one = parsed(image(layers=[descriptor(size=1), descriptor(size=2, mediaType=FOREIGN)]))
    two = parsed(image(layers=[descriptor(size=3)]))
    graph = walk(parsed(index(one, two)), shelf(one, two))
    assert [blob.size for blob in graph.blobs] == [7, 1, 7, 3]
    assert [layer.size for layer in graph.foreign] == [2]


def test_foreign_layers_are_carried_where_they_are_held_and_only_those() -> None:
    layers = [
        descriptor(size=n, digest=str(Digest.of(b"%d" % n)), mediaType=FOREIGN) for n in (1, 2)
    ]
    root = parsed(image(layers=[*layers, descriptor(size=3)]))
    held, other = Digest.of(b"1"), Digest.of(b"of another image")
    graph = walk(root, shelf()).carrying({held, other})
    assert [blob.size for blob in graph.blobs] == [7, 1, 3]
    assert [layer.size for layer in graph.foreign] == [2]
    assert graph.carried == {held}
    assert graph.carrying(()) == walk(root, shelf())


@pytest.mark.parametrize("depth", [0, 1])
def test_bounds_hold_for_what_is_left_of_an_index(depth: int) -> None:
    """A choice of platforms never asks for more than no choice does."""
    root, held = nested(MAX_INDEX_DEPTH + depth)
    asked: list[Descriptor] = []

    def fetch(promised: Descriptor) -> Manifest:
        asked.append(promised)
        return shelf(*held)(promised)

    if depth:
        with pytest.raises(ValueError, match="deep"):
            walk(root, fetch, [Platform("linux", "amd64")])
    else:
        assert walk(root, fetch, [Platform("linux", "amd64")]).manifests == tuple(held)
    assert len(asked) <= MAX_INDEX_DEPTH + 1


class Forged(Manifest):
    """A manifest whose digest is not that of its bytes: what a broken hash would allow."""

    @classmethod
    def under(cls, name: Descriptor, children: tuple[Descriptor, ...] = ()) -> Manifest:
        made = numbered(0)
        raw = b" " * name.size
        found = made._replace(raw=raw, digest=name.digest, media_type=name.media_type)
        return found._replace(children=children)
