"""Images written straight into a registry's storage: a hundred thousand blobs in a minute.

    write_image(storage, "scale/app", "v1", image)

The paths are those of Distribution's file system driver (its `registry/storage/paths.go`); by
uploads the same would be three requests a blob. No registry may be running on the storage.
"""

from __future__ import annotations

from pathlib import Path

from scripts.world.images import Blob, Image

__all__ = ["write_image"]

_ROOT = Path("docker/registry/v2")


def write_image(storage: Path, repository: str, tag: str, image: Image) -> None:
    """Put an image and its tag where a registry on this storage will find them."""
    home = storage / _ROOT / "repositories" / repository
    for node in image.walk():
        for blob in (*node.blobs, node.manifest):
            _data(storage, blob)
        for blob in node.blobs:
            _link(home / "_layers" / _path(blob), blob)
        _link(home / "_manifests" / "revisions" / _path(node.manifest), node.manifest)
    _link(home / "_manifests" / "tags" / tag / "current", image.manifest)
    _link(home / "_manifests" / "tags" / tag / "index" / _path(image.manifest), image.manifest)


def _data(storage: Path, blob: Blob) -> None:
    hexadecimal = blob.digest.partition(":")[2]
    folder = storage / _ROOT / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(blob.read())


def _link(folder: Path, blob: Blob) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(blob.digest)


def _path(blob: Blob) -> str:
    return blob.digest.replace(":", "/")
