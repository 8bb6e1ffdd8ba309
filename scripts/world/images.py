"""Images as values: blobs with their digests, manifests and indexes, all from a seed.

    image = build(ImageSpec("antrea", own=(4096, 200), bases=(("base-0", 9000),)))
    image.manifest.digest, [blob.size for blob in image.blobs]

Everything docker, skopeo and umoci check when they open an image is right: the digests, the sizes,
the diff_ids of the unpacked layers. Small blobs keep their bytes; larger ones are made again when
read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from scripts.world.layers import LayerFile, gzip_stored, random_files, tar_of

__all__ = [
    "DOCKER",
    "OCI",
    "Blob",
    "Image",
    "ImageSpec",
    "Layer",
    "Types",
    "build",
    "layer_of",
    "layer_of_tar",
    "make_image",
    "make_index",
    "make_layer",
]

# Up to here a blob keeps its bytes: a world of a thousand small images is some megabytes.
KEEP_BYTES = 1 << 16


@dataclass(frozen=True)
class Types:
    """The four media types of one family."""

    index: str
    manifest: str
    config: str
    layer: str


OCI = Types(
    index="application/vnd.oci.image.index.v1+json",
    manifest="application/vnd.oci.image.manifest.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    layer="application/vnd.oci.image.layer.v1.tar+gzip",
)
DOCKER = Types(
    index="application/vnd.docker.distribution.manifest.list.v2+json",
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    layer="application/vnd.docker.image.rootfs.diff.tar.gzip",
)


@dataclass(frozen=True)
class Blob:
    """Some bytes by their digest; two blobs are equal when type, digest and size are."""

    media_type: str
    digest: str
    size: int
    pieces: Callable[[], Iterable[bytes]] = field(compare=False, repr=False)

    @classmethod
    def from_bytes(cls, media_type: str, data: bytes) -> Blob:
        """Hold the bytes themselves."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return cls(media_type, digest, len(data), lambda: (data,))

    def read(self) -> bytes:
        """Return the whole content."""
        return b"".join(self.pieces())

    def descriptor(self) -> dict[str, object]:
        """Return the descriptor as it stands in a manifest."""
        return {"mediaType": self.media_type, "size": self.size, "digest": self.digest}


@dataclass(frozen=True)
class Layer:
    """A layer and the digest of its unpacked tar, which the config has to name.

    A foreign layer has `urls`, and a registry need not hold it: then `held` is False.
    """

    blob: Blob
    diff_id: str
    urls: tuple[str, ...] = ()
    held: bool = True

    def descriptor(self) -> dict[str, object]:
        """Return the descriptor as it stands in a manifest."""
        return self.blob.descriptor() | ({"urls": list(self.urls)} if self.urls else {})


@dataclass(frozen=True)
class Image:
    """A manifest with its blobs, or an index with its images."""

    manifest: Blob
    blobs: tuple[Blob, ...] = ()
    children: tuple[Image, ...] = ()

    def walk(self) -> Iterator[Image]:
        """Yield the children first and the image itself last: the order of an upload."""
        for child in self.children:
            yield from child.walk()
        yield self

    def everything(self) -> dict[str, Blob]:
        """Return each blob that the image needs, manifests included, once, by digest."""
        nodes = list(self.walk())
        blobs = [blob for node in nodes for blob in node.blobs] + [n.manifest for n in nodes]
        return {blob.digest: blob for blob in blobs}


@dataclass(frozen=True)
class ImageSpec:
    """What one image is made of; the same spec gives the same bytes for ever.

    `bases` are names of shared layers, with their sizes; `own` are the sizes of its own layers.
    More than one platform makes an index.
    """

    name: str
    seed: str = "0"
    bases: tuple[tuple[str, int], ...] = ()
    own: tuple[int, ...] = (1024,)
    platforms: tuple[str, ...] = ("amd64",)
    docker: bool = False
    labels: tuple[tuple[str, str], ...] = ()


def build(spec: ImageSpec) -> Image:
    """Make the image of a spec."""
    images = tuple(_for_platform(spec, platform) for platform in spec.platforms)
    if len(images) == 1:
        return images[0]
    return make_index(images, spec.platforms, docker=spec.docker)


@lru_cache(maxsize=256)
def make_layer(seed: str, size: int, layer_type: str) -> Layer:
    """Make a layer of about `size` seeded bytes; a shared base is hashed once."""
    return layer_of(random_files(seed, size), layer_type)


def layer_of(files: tuple[LayerFile, ...], layer_type: str) -> Layer:
    """Make a layer of the given files."""
    return layer_of_tar(lambda: tar_of(files), layer_type)


def layer_of_tar(tar: Callable[[], Iterable[bytes]], layer_type: str) -> Layer:
    """Make a layer of an unpacked tar, whose pieces are asked for each time they are needed."""
    whole, unpacked, size = hashlib.sha256(), hashlib.sha256(), 0
    kept: list[bytes] | None = []
    for piece in gzip_stored(_hashing(tar(), unpacked.update)):
        whole.update(piece)
        size += len(piece)
        kept = [*kept, piece] if kept is not None and size <= KEEP_BYTES else None
    digest, diff_id = f"sha256:{whole.hexdigest()}", f"sha256:{unpacked.hexdigest()}"
    if kept is not None:
        data = b"".join(kept)
        return Layer(Blob(layer_type, digest, size, lambda: (data,)), diff_id)
    return Layer(Blob(layer_type, digest, size, lambda: gzip_stored(tar())), diff_id)


def make_image(
    layers: Iterable[Layer],
    *,
    docker: bool = False,
    architecture: str = "amd64",
    labels: Mapping[str, str] | None = None,
) -> Image:
    """Put a config and a manifest on top of the layers.

    `architecture` may name the system as well, as in "windows/amd64".
    """
    types, layers = DOCKER if docker else OCI, tuple(layers)
    config = Blob.from_bytes(types.config, _config(layers, architecture, labels or {}))
    manifest = {
        "schemaVersion": 2,
        "mediaType": types.manifest,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    blobs = (config, *(layer.blob for layer in layers if layer.held))
    return Image(Blob.from_bytes(types.manifest, _json(manifest)), blobs)


def make_index(images: tuple[Image, ...], platforms: Iterable[str], *, docker: bool) -> Image:
    """Put an index (docker: a manifest list) on top of one image a platform."""
    types = DOCKER if docker else OCI
    entries = [
        image.manifest.descriptor() | {"platform": _platform(platform)}
        for image, platform in zip(images, platforms, strict=True)
    ]
    index = {"schemaVersion": 2, "mediaType": types.index, "manifests": entries}
    return Image(Blob.from_bytes(types.index, _json(index)), children=images)


def _for_platform(spec: ImageSpec, platform: str) -> Image:
    types = DOCKER if spec.docker else OCI
    bases = [make_layer(f"{name} {platform}", size, types.layer) for name, size in spec.bases]
    own = [
        make_layer(f"{spec.seed} {spec.name} {platform} {n}", size, types.layer)
        for n, size in enumerate(spec.own)
    ]
    labels = dict(spec.labels)
    return make_image([*bases, *own], docker=spec.docker, architecture=platform, labels=labels)


def _config(layers: tuple[Layer, ...], architecture: str, labels: Mapping[str, str]) -> bytes:
    moment = "2024-01-01T00:00:00Z"
    config = {
        "created": moment,
        **_platform(architecture),
        "config": {"Cmd": ["/bin/true"], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": moment, "created_by": "world"} for _ in layers],
    }
    return _json(config)


def _platform(text: str) -> dict[str, str]:
    system, _, architecture = text.rpartition("/")
    return {"architecture": architecture, "os": system or "linux"}


def _hashing(pieces: Iterable[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece


def _json(value: object) -> bytes:
    # Indented by three, as docker writes it: whoever re-serialises it is found out by the digest.
    return json.dumps(value, indent=3).encode()
