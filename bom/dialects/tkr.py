"""The TKr BOM: what the clusters of one Kubernetes release need."""

from __future__ import annotations

from collections.abc import Iterator

from bom.cursor import Cursor
from bom.dialects.components import (
    read_base_repository,
    read_components,
    read_path,
    read_release,
    read_tag,
)
from bom.model import Ami, Bom, BomKind, ImageEntry
from bom.reference import check_tag

_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")


def read_tkr(root: Cursor, sha256: str, notices: tuple[str, ...]) -> Bom:
    """The BOM below ``root``; raises BomFault."""
    return Bom(
        kind=BomKind.TKR,
        release=read_release(root),
        base_repository=read_base_repository(root),
        components=read_components(root),
        sha256=sha256,
        file=root.origin.file,
        notices=notices,
        addon_images=tuple(_addon_images(root)),
        kubeadm=tuple(_kubeadm_images(root)),
        amis=_amis(root),
    )


def _addon_images(root: Cursor) -> Iterator[ImageEntry]:
    """``addons.<name>.templatesImagePath`` and ``templatesImageTag``, as 1.3.0 wrote them.

    Later releases point from addons into components (``componentRef``, ``packageName``): those
    images are read there.
    """
    addons = root.get("addons")
    for name, addon in addons.entries() if addons else ():
        path, tag = addon.get("templatesImagePath"), addon.get("templatesImageTag")
        if path and tag:
            yield ImageEntry(name, read_path(path), read_tag(tag), None, path.line)
        elif path or tag:
            absent = "templatesImageTag" if path else "templatesImagePath"
            raise addon.missing(absent, "the template image's path and tag")


def _kubeadm_images(root: Cursor) -> Iterator[ImageEntry]:
    """What ``kubeadmConfigSpec`` implies.

    kubeadm itself knows the image names; the section has only tags and the Kubernetes version.
    Its imageRepository is left aside: in real files it differs from imageConfig's, and TKG
    replaces both by the operator's own.
    """
    spec = root.get("kubeadmConfigSpec")
    if spec is None:
        return
    for name, keys in (("etcd", ("etcd", "local")), ("coredns", ("dns",))):
        if tag := spec.find(*keys, "imageTag"):
            yield ImageEntry(name, name, read_tag(tag), None, tag.line)
    if version := spec.get("kubernetesVersion"):
        version.checked(lambda text: check_tag(text.replace("+", "_")), "a Kubernetes version")
        for name in _KUBERNETES:
            yield ImageEntry(name, name, version.text().replace("+", "_"), None, version.line)


def _amis(root: Cursor) -> dict[str, tuple[Ami, ...]]:
    regions = root.get("ami")
    if regions is None:
        return {}
    return {
        region: tuple(_ami(item) for item in amis.items()) for region, amis in regions.entries()
    }


def _ami(place: Cursor) -> Ami:
    system = place.get("osinfo")
    return Ami(
        id=_optional(place, "id"),
        os=_optional(system, "name"),
        version=_optional(system, "version"),
        arch=_optional(system, "arch"),
    )


def _optional(place: Cursor | None, key: str) -> str:
    value = place.get(key) if place else None
    return value.text() if value else ""
