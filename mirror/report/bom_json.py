"""``tkg-mirror/bom/v1``: what BOM files hold, for machines."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from bom.amis import amis_of
from bom.coverage import Cover
from bom.model import (
    Bom,
    Document,
    ImageEntry,
    ImagesLock,
    TkgCompatibility,
    TkrCompatibility,
)
from bom.order import natural


def documents(
    found: Iterable[Document], covers: Iterable[Cover], regions: Collection[str] = ()
) -> dict[str, Any]:
    """All files in the order they were named, each with its ``kind``, and what they cover."""
    return {
        "schema": "tkg-mirror/bom/v1",
        "boms": [_document(each, regions) for each in found],
        "coverage": [_cover(cover) for cover in covers],
    }


def _document(found: Document, regions: Collection[str]) -> dict[str, Any]:
    match found:
        case Bom():
            return _bom(found, regions)
        case TkrCompatibility():
            return _tkr_compatibility(found)
        case TkgCompatibility():
            return _tkg_compatibility(found)
        case ImagesLock():
            return _lock(found)


def _bom(found: Bom, regions: Collection[str]) -> dict[str, Any]:
    return {
        "file": found.file,
        "kind": found.kind.value,
        "release": found.release,
        "repository": found.base_repository,
        "sha256": found.sha256,
        "fips": found.fips,
        "defaultTkr": found.default_k8s_version,
        "tkrCompatibilityPath": found.tkr_compatibility_path,
        "components": [
            {"name": c.name, "version": c.version, "images": [_entry(i) for i in c.images]}
            for c in found.components
        ],
        "addons": [_entry(image) for image in found.addon_images],
        "amis": {
            region: [{"id": a.id, "os": a.os, "version": a.version, "arch": a.arch} for a in amis]
            for region, amis in amis_of(found, regions)
        },
        "osImages": [
            {"kind": o.kind, "name": o.name, "os": o.os, "version": o.version, "arch": o.arch}
            for o in found.os_images
        ],
        "packages": [
            {
                "name": each.name,
                "packageName": each.package_name,
                "category": each.category,
                "clusterTypes": list(each.cluster_types),
            }
            for each in found.packages
        ],
        "tkrPackages": dict(found.tkr_packages),
        "tkrPackageRepositories": dict(found.tkr_package_repositories),
        "notices": list(found.notices),
    }


def _tkr_compatibility(found: TkrCompatibility) -> dict[str, Any]:
    return {
        "file": found.file,
        "kind": "tkr-compatibility",
        "version": found.version,
        "sha256": found.sha256,
        "releases": [
            {"version": release.version, "tkrs": sorted(release.tkrs, key=natural)}
            for release in sorted(found.releases, key=lambda each: natural(each.version))
        ],
    }


def _tkg_compatibility(found: TkgCompatibility) -> dict[str, Any]:
    return {
        "file": found.file,
        "kind": "tkg-compatibility",
        "version": found.version,
        "sha256": found.sha256,
        "plugins": [
            {
                "version": plugin.version,
                "boms": [{"path": place.path, "tag": place.tag} for place in plugin.boms],
            }
            for plugin in sorted(found.plugins, key=lambda each: natural(each.version))
        ],
    }


def _lock(found: ImagesLock) -> dict[str, Any]:
    return {
        "file": found.file,
        "kind": "images-lock",
        "sha256": found.sha256,
        "images": [
            {"reference": str(image.reference), "annotations": dict(image.annotations)}
            for image in found.images
        ],
    }


def _cover(cover: Cover) -> dict[str, Any]:
    return {
        "part": cover.part.title,
        "present": cover.present,
        "versions": list(cover.versions),
        "components": list(cover.components),
        "withoutImages": list(cover.bare),
        "usuallyIn": cover.part.home.value,
    }


def _entry(image: ImageEntry) -> dict[str, Any]:
    return {
        "key": image.key,
        "repository": image.repository,
        "path": image.path,
        "tag": image.tag,
    }
