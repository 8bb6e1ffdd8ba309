"""Images for Windows: manifest lists of two systems, with base layers under Microsoft's licence.

Such a layer is foreign: its descriptor says where it can be had, and registries need not hold it.
One of the images here is like that, and the other one's layer is in the registry all the same, as
where somebody has pushed with "allow-nondistributable-artifacts".
"""

from __future__ import annotations

from dataclasses import replace

from scripts.world.images import DOCKER, Image, Layer, make_image, make_index, make_layer

__all__ = ["FOREIGN", "HELD", "NOT_HELD", "windows_images"]

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
NOT_HELD = "pause:3.7"
HELD = "csi/csi-proxy:v1.1.1_vmware.1"
PLATFORMS = ("amd64", "windows/amd64")

# Nobody asks there: whoever does is found out, for no test has a way to it.
_ELSEWHERE = "https://mcr.example.com/v2/windows/servercore/blobs"


def windows_images(seed: str, *, foreign: bool) -> dict[str, Image]:
    """Make the two images by path:tag; without `foreign` all of their layers are ordinary ones."""
    return {
        name: _image(f"{seed} {name}", foreign=foreign, held=name == HELD)
        for name in (NOT_HELD, HELD)
    }


def _image(name: str, *, foreign: bool, held: bool) -> Image:
    kind = FOREIGN if foreign else DOCKER.layer
    base = make_layer(f"{name} servercore", 9000, kind)
    if foreign:
        base = replace(base, urls=(f"{_ELSEWHERE}/{base.blob.digest}",), held=held)
    own = {platform: _own(name, platform) for platform in PLATFORMS}
    linux = make_image([own["amd64"]], docker=True)
    windows = make_image([base, own["windows/amd64"]], docker=True, architecture="windows/amd64")
    return make_index((linux, windows), PLATFORMS, docker=True)


def _own(name: str, platform: str) -> Layer:
    return make_layer(f"{name} {platform}", 500, DOCKER.layer)
