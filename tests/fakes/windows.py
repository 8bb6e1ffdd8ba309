"""Images as they are for Windows nodes: several systems in one index, and layers held elsewhere.

image = windows("csi-proxy")                 # an index for linux/amd64 and windows/amd64
fake.add("tkg/csi-proxy", "v1", image)       # the registry holds its foreign layer too
fake.add("tkg/csi-proxy", "v1", windows("csi-proxy", held=False))          # or it does not

index(child(one, "linux/amd64"), child(two, None), docker=False)           # any index at all
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from scripts.world.images import DOCKER, OCI, Blob, Image, Types

__all__ = ["ELSEWHERE", "Child", "attestation", "base_of", "child", "image", "index", "windows"]

DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
# Nobody listens there, and no test may ask.
ELSEWHERE = "https://mcr.example.com/v2/windows/servercore/blobs/"


@dataclass(frozen=True)
class Child:
    """An image in an index, and what the index says of it."""

    image: Image
    said: tuple[tuple[str, object], ...]

    def entry(self) -> dict[str, object]:
        return {**self.image.manifest.descriptor(), **dict(self.said)}


def windows(name: str, *, held: bool = True, docker: bool = True, urls: bool = True) -> Image:
    """An index of two systems; the base layer for Windows is foreign, and the registry's or not."""
    linux = image(f"{name} linux", "linux", docker=docker)
    base = base_of(name, docker=docker)
    other = image(f"{name} windows", "windows", base, held=held, docker=docker, urls=urls)
    return index(child(linux, "linux/amd64"), child(other, "windows/amd64"), docker=docker)


def base_of(name: str, *, docker: bool = True) -> Blob:
    """A foreign layer."""
    kind = DOCKER_FOREIGN if docker else OCI_FOREIGN
    return Blob.from_bytes(kind, f"the base layer of {name}, under a licence".encode())


def image(
    name: str,
    system: str,
    *bases: Blob,
    held: bool = True,
    docker: bool = True,
    urls: bool = True,
) -> Image:
    """An image with foreign layers below its own one."""
    types = DOCKER if docker else OCI
    own = Blob.from_bytes(types.layer, f"the own layer of {name}".encode())
    text = {"architecture": "amd64", "os": system, "rootfs": {"type": "layers", "diff_ids": []}}
    config = Blob.from_bytes(types.config, json.dumps({**text, "name": name}).encode())
    layers = [_elsewhere(base) if urls else base.descriptor() for base in bases]
    manifest = {
        "schemaVersion": 2,
        "mediaType": types.manifest,
        "config": config.descriptor(),
        "layers": [*layers, own.descriptor()],
    }
    return Image(_blob(types.manifest, manifest), (config, own, *(bases if held else ())))


def child(image: Image, platform: str | None) -> Child:
    """An image as an index lists it, under ``os/arch`` or ``os/arch/variant`` or without any."""
    if platform is None:
        return Child(image, ())
    names = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return Child(image, (("platform", names),))


def attestation(about: Image | None, docker: bool = False) -> Child:
    """What BuildKit adds beside an image: where it comes from, for no system at all."""
    made = image(f"attestation of {about.manifest.digest if about else 'all'}", "", docker=docker)
    said = dict(child(made, "unknown/unknown").said)
    if about:
        said["annotations"] = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": about.manifest.digest,
        }
    return Child(made, tuple(said.items()))


def index(*children: Child, docker: bool = False) -> Image:
    """An index (docker: a manifest list) that lists them in this order."""
    types: Types = DOCKER if docker else OCI
    entries = [each.entry() for each in children]
    document = {"schemaVersion": 2, "mediaType": types.index, "manifests": entries}
    unique = {each.image.manifest.digest: each.image for each in children}
    return Image(_blob(types.index, document), children=tuple(unique.values()))


def _elsewhere(base: Blob) -> dict[str, object]:
    return {**base.descriptor(), "urls": [ELSEWHERE + base.digest]}


def _blob(media_type: str, document: dict[str, object]) -> Blob:
    return Blob.from_bytes(media_type, json.dumps(document, indent=3).encode())
