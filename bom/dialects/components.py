"""What both BOMs share: release, base repository, components and their images."""

from __future__ import annotations

from bom.cursor import Cursor
from bom.model import Component, ImageEntry
from bom.reference import check_path, check_tag, parse_repository

_TAG_HINT = "a BOM names images by tag; OCI tags have letters, digits, '_', '.' and '-' only"
_PATH_HINT = "a path is lower case, relative to the image repository, without tag or digest"
_REPOSITORY_HINT = "write it as in registry.example.com/tkg, without a scheme"


def read_release(root: Cursor) -> str:
    """``release.version``, in a form that can become a tag; raises BomFault."""
    version = root.find("release", "version")
    if version is None or not version.text():
        place = root.get("release")
        if place is None:
            raise root.missing("release.version", "the release's version")
        raise place.missing("version", "the release's version")
    return read_version(version, "a version such as v1.6.0")


def read_version(place: Cursor, expected: str) -> str:
    """A version in the BOM's spelling that can become a tag, ``+`` as ``_``; raises BomFault."""
    return place.checked(lambda text: check_tag(text.replace("+", "_")), expected)


def read_base_repository(root: Cursor) -> str:
    """``imageConfig.imageRepository`` without its trailing slash; raises BomFault."""
    repository = root.find("imageConfig", "imageRepository")
    if repository is None or not repository.text():
        place = root.get("imageConfig")
        if place is None:
            raise root.missing("imageConfig.imageRepository", "the base image repository")
        raise place.missing("imageRepository", "the base image repository")
    return read_repository(repository)


def read_repository(place: Cursor) -> str:
    """A repository that images stand below, without its trailing slash; raises BomFault."""
    text = place.checked(parse_repository, "host[:port][/path]", _REPOSITORY_HINT)
    return text.removesuffix("/")


def read_path(place: Cursor) -> str:
    """An imagePath; raises BomFault."""
    return place.checked(check_path, "an image path", _PATH_HINT)


def read_tag(place: Cursor) -> str:
    """A tag; raises BomFault, with the likely spelling for one with ``+``."""
    spelled = place.text().replace("+", "_")
    hint = f"write {spelled}" if spelled != place.text() else _TAG_HINT
    return place.checked(check_tag, "an image tag", hint)


def read_image_place(place: Cursor) -> tuple[str, str]:
    """``imagePath`` and ``tag``, which both must be there; raises BomFault."""
    path = place.get("imagePath")
    if path is None:
        raise place.missing("imagePath", "the image's path")
    tag = place.get("tag")
    if tag is None:
        raise place.missing("tag", "the image's tag")
    return read_path(path), read_tag(tag)


def read_components(root: Cursor) -> tuple[Component, ...]:
    """Every version of every component, in the file's order; raises BomFault."""
    components = root.get("components")
    names = list(components.entries()) if components else []
    if not names:
        raise root.missing("components", "at least one component")
    return tuple(
        _read_component(name, version) for name, versions in names for version in versions.items()
    )


def _read_component(name: str, place: Cursor) -> Component:
    version = place.get("version")
    images = place.get("images")
    entries = images.entries() if images else ()
    return Component(
        name=name,
        version=version.text() if version else "",
        images=tuple(_read_image(key, image) for key, image in entries),
    )


def _read_image(key: str, place: Cursor) -> ImageEntry:
    path, tag = read_image_place(place)
    return ImageEntry(key, path, tag, _read_override(place), place.line)


def _read_override(place: Cursor) -> str | None:
    """The image's own repository: ``imageRepository`` in TKG, ``repository`` in TCE."""
    tkg, tce = place.get("imageRepository"), place.get("repository")
    first = read_repository(tkg) if tkg else None
    second = read_repository(tce) if tce else None
    if tce and first and first != second:
        raise tce.fault(f"the same as imageRepository, {first}")
    return first or second
