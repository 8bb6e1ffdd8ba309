"""The ImagesLock of an imgpkg bundle: the images that the bundle refers to, by digest.

Read as ``imgpkg`` does (its ``lockconfig`` package), but for unknown keys, which are left aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bom.cursor import Cursor
from bom.errors import ReferenceFault
from bom.limits import MAX_LOCK_IMAGES
from bom.model import ImagesLock, LockedImage
from bom.reference import Reference

_API_VERSION: Final = "imgpkg.carvel.dev/v1alpha1"
_DIGEST_HINT: Final = "an ImagesLock names images by digest; kbld writes it so"


def read_images_lock(root: Cursor, sha256: str) -> ImagesLock:
    """The lock below ``root``; no ``images``, null or [] is an empty one. Raises BomFault."""
    version = root.get("apiVersion")
    if version is None:
        raise root.missing("apiVersion", _API_VERSION)
    if version.text() != _API_VERSION:
        raise version.fault(_API_VERSION)
    return ImagesLock(tuple(_images(root)), sha256, root.origin.file)


def _images(root: Cursor) -> Iterator[LockedImage]:
    images = root.get("images")
    for number, item in enumerate(images.items() if images else (), 1):
        if number > MAX_LOCK_IMAGES:
            raise item.fault(f"at most {MAX_LOCK_IMAGES} images in an ImagesLock", "more")
        image = item.get("image")
        if image is None:
            raise item.missing("image", "the image's reference")
        yield LockedImage(_reference(image), _annotations(item))


def _reference(place: Cursor) -> Reference:
    text = place.checked(_check_locked, "an image reference with a digest", _DIGEST_HINT)
    return Reference.parse(text)


def _check_locked(text: str) -> None:
    if not Reference.parse(text).digest:
        raise ReferenceFault(text, len(text), "it has no digest")


def _annotations(item: Cursor) -> dict[str, str]:
    """Texts by name; kbld's ``origins`` is itself some lines of YAML."""
    annotations = item.get("annotations")
    if annotations is None:
        return {}
    return {name: value.block() for name, value in annotations.entries()}
