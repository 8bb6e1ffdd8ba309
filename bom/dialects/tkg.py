"""The TKG BOM: what the management cluster and the CLI need.

Its ``kindKubeadmConfigSpec`` is lines of a kind configuration and no source of images: what it
names, the TKr BOM lists.
"""

from __future__ import annotations

from bom.cursor import Cursor
from bom.dialects.components import (
    read_base_repository,
    read_components,
    read_path,
    read_release,
)
from bom.model import Bom, BomKind


def read_tkg(root: Cursor, sha256: str, notices: tuple[str, ...]) -> Bom:
    """The BOM below ``root``; raises BomFault."""
    default = root.find("default", "k8sVersion")
    return Bom(
        kind=BomKind.TKG,
        release=read_release(root),
        base_repository=read_base_repository(root),
        components=read_components(root),
        sha256=sha256,
        file=root.origin.file,
        notices=notices,
        default_k8s_version=default.text() if default else None,
        tkr_bom_path=_path(root, "tkr-bom"),
        tkr_compatibility_path=_path(root, "tkr-compatibility"),
        tkr_packages=_paths(root, "tkr-package"),
        tkr_package_repositories=_paths(root, "tkr-package-repo"),
    )


def _path(root: Cursor, key: str) -> str | None:
    place = root.find(key, "imagePath")
    return read_path(place) if place else None


def _paths(root: Cursor, key: str) -> dict[str, str]:
    """Infrastructure ("aws", "vsphere-nonparavirt") to imagePath; empty before TKG 1.6."""
    section = root.get(key)
    return {name: read_path(place) for name, place in section.entries()} if section else {}
