"""imgpkg bundles as imgpkg makes them: docker's media types, a label, one layer with a lock.

    app = build(ImageSpec("app"))
    fake.add("tkg/packages/app", "v1", bundle(lock(f"{fake.host}/tkg/app@{app.manifest.digest}")))

What nobody would make is made of the same parts: ``lock`` takes any text for a reference, and
``bundle_of`` any bytes for a layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from scripts.world.images import DOCKER, Blob, Image, Layer, layer_of, make_image
from scripts.world.layers import LayerFile

__all__ = ["HEAD", "LABELS", "bundle", "bundle_of", "lock", "tag_of"]

LABELS = {"dev.carvel.imgpkg.bundle": "true"}
HEAD = b"---\napiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\n"


def lock(*references: str) -> bytes:
    """An ImagesLock as kbld writes it."""
    images = [
        f"- annotations:\n    kbld.carvel.dev/id: app-{number}\n  image: {reference}\n"
        for number, reference in enumerate(references)
    ]
    return HEAD + ("images:\n" + "".join(images)).encode()


def bundle(
    text: bytes | None, *, name: str = "package", labels: Mapping[str, str] | None = None
) -> Image:
    """A bundle with this lock, or with none; ``name`` makes it another one."""
    files = [LayerFile("config/package.yml", len(name), text=name.encode())]
    if text is not None:
        files.insert(0, LayerFile(".imgpkg/images.yml", len(text), text=text))
    layer = layer_of(tuple(files), DOCKER.layer)
    return make_image([layer], docker=True, labels=LABELS if labels is None else labels)


def bundle_of(layer: bytes) -> Image:
    """A bundle with a layer of any bytes."""
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    made = Layer(Blob.from_bytes(DOCKER.layer, layer), digest)
    return make_image([made], docker=True, labels=LABELS)


def tag_of(image: Image) -> str:
    """The tag that imgpkg gives to a member, in its bundle's repository."""
    return image.manifest.digest.replace(":", "-") + ".imgpkg"
