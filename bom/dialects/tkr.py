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
    read_version,
)
from bom.model import Ami, Bom, BomKind, ImageEntry, OsImage, Package

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
        os_images=(*_os_images(root, "ova"), *_os_images(root, "azure")),
        packages=tuple(_packages(root)),
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
        if place := spec.find(*keys, "imageTag"):
            yield ImageEntry(name, name, read_tag(place), None, place.line)
    if version := spec.get("kubernetesVersion"):
        tag = read_version(version, "a Kubernetes version").replace("+", "_")
        for name in _KUBERNETES:
            yield ImageEntry(name, name, tag, None, version.line)


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


def _os_images(root: Cursor, kind: str) -> Iterator[OsImage]:
    """The items of ``ova`` or ``azure``. Azure's come from its marketplace or from a gallery."""
    section = root.get(kind)
    for item in section.items() if section else ():
        names = (_optional(item, key) for key in ("sku", "name", "id"))
        system = item.get("osinfo")
        yield OsImage(
            kind=kind,
            name=next(filter(None, names), ""),
            os=_optional(system, "name"),
            version=_optional(system, "version"),
            arch=_optional(system, "arch"),
        )


def _packages(root: Cursor) -> Iterator[Package]:
    """``addons.<name>.packageName``, from 1.4 on; the package's image is among the components."""
    addons = root.get("addons")
    for name, addon in addons.entries() if addons else ():
        if package := addon.get("packageName"):
            types = addon.get("clusterTypes")
            yield Package(
                name=name,
                package_name=package.text(),
                category=_optional(addon, "category"),
                cluster_types=tuple(item.text() for item in types.items()) if types else (),
            )


def _optional(place: Cursor | None, key: str) -> str:
    value = place.get(key) if place else None
    return value.text() if value else ""
