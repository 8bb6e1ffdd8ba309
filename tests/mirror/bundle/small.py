"""The smallest bundle that has everything: an index, a docker image, a layer that both share.

small = two_images()
path = small.write(tmp_path / "x.tar")
small.layer            # a digest that both images need
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bom.fact import BomFact
from mirror.bundle import format as tar
from mirror.bundle.contents import Carried, Contents, sorted_images
from mirror.bundle.reader import Bundle
from mirror.bundle.writer import BundleWriter
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph, walk
from mirror.oci.manifest import Manifest
from mirror.oci.platform import Platform
from scripts.world.images import DOCKER, OCI, Blob, Image, Layer, make_image, make_index
from tests.fakes.content import Given

HOST = "registry.example.com"
BOM = BomFact("tkg-bom", "v0.9.0", f"sha256:{'0' * 64}")


@dataclass(frozen=True)
class Small:
    """Images and their bytes; ``write`` makes the bundle."""

    contents: Contents
    bytes_of: dict[Digest, bytes]

    def write(
        self, path: Path, order: Iterable[Descriptor] | None = None, *, mtime: int = 0
    ) -> Path:
        """Write the bundle with its blobs in this order, as racing workers would."""
        writer = BundleWriter(path, self.contents, mtime=mtime)
        try:
            for blob in self.fetched if order is None else order:
                writer.write(blob, "", Given(self.bytes_of[blob.digest]))
            writer.finish()
        finally:
            writer.close()
        return path

    @property
    def fetched(self) -> list[Descriptor]:
        """What has to be fetched: everything but manifests."""
        return [b for b in self.contents.blobs if b.digest not in self.contents.manifests]


def pair() -> dict[str, Image]:
    """Images by ``path:tag``; both lie on one layer, and docker's has a second one."""
    shared = b"a layer that both images share"
    index = make_index((make_image([layer(shared)]),), ("amd64",), docker=False)
    docker = make_image(
        [layer(shared, docker=True), layer(b"one of its own", docker=True)], docker=True
    )
    return {"lamp:v1": index, "crane/agent:v2_example.1": docker}


def layer(content: bytes, *, docker: bool = False) -> Layer:
    """A layer too small to be a tar; nobody unpacks it here."""
    kind = (DOCKER if docker else OCI).layer
    return Layer(Blob.from_bytes(kind, content), str(Digest.of(content)))


def small(images: dict[str, Image]) -> Small:
    """A bundle of these images, by ``path:tag``."""
    carried = sorted_images(carry(name, image) for name, image in images.items())
    contents = Contents(f"{HOST}/tkg", (BOM,), carried)
    content = {
        Digest.parse(digest): blob.read()
        for image in images.values()
        for digest, blob in image.everything().items()
    }
    return Small(contents, content)


def two_images() -> Small:
    return small(pair())


def carry(name: str, image: Image) -> Carried:
    path, _, tag = name.partition(":")
    graph = graph_of(image)
    kind = "index" if graph.root.is_index else "image"
    return Carried(f"{HOST}/tkg/{name}", path, tag or None, kind, graph)


def graph_of(image: Image, platforms: Collection[Platform] = ()) -> ImageGraph:
    parsed = {
        Digest.parse(node.manifest.digest): Manifest.parse(node.manifest.read())
        for node in image.walk()
    }
    root = parsed[Digest.parse(image.manifest.digest)]
    return walk(root, lambda descriptor: parsed[descriptor.digest], platforms)


@dataclass(frozen=True)
class Span:
    """Some bytes of a bundle: ``member`` is what they belong to, ``part`` which of its parts."""

    member: str
    part: str
    start: int
    end: int


def spans(path: Path) -> Iterator[Span]:
    """Every byte of a sound bundle, from its own list of members."""
    with Bundle(path) as bundle:
        sizes = [(each.name, each.size) for each in bundle.inventory.members]
        head = int(path.read_bytes()[124:135], 8)
        end = bundle.size
    at = 0
    for name, size in [(tar.INVENTORY, head), *sizes]:
        body, padded = at + 512, at + 512 + size
        yield Span(name, "header", at, body)
        yield Span(name, "content", body, padded)
        at = padded + -size % 512
        yield Span(name, "padding", padded, at)
    yield Span("end of the file", "trailer", at, end)
