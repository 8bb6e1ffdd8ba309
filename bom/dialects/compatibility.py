"""The two compatibility files: which TKG BOM goes with which plugin, which TKr with which TKG."""

from __future__ import annotations

from collections.abc import Iterator

from bom.cursor import Cursor
from bom.dialects.components import read_image_place, read_version
from bom.model import BomPlace, PluginVersion, TkgCompatibility, TkgRelease, TkrCompatibility

_PLUGINS = "managementClusterPluginVersions"
_RELEASES = "managementClusterVersions"


def read_tkg_compatibility(root: Cursor, sha256: str) -> TkgCompatibility:
    """The file below ``root``; raises BomFault."""
    return TkgCompatibility(
        version=_own_version(root),
        plugins=tuple(_plugin(item) for item in _items(root, _PLUGINS)),
        sha256=sha256,
        file=root.origin.file,
    )


def read_tkr_compatibility(root: Cursor, sha256: str) -> TkrCompatibility:
    """The file below ``root``; raises BomFault, also where it lists a TKG version twice."""
    releases: dict[str, TkgRelease] = {}
    for item in _items(root, _RELEASES):
        release = _release(item)
        if release.version in releases:
            raise item.fault("each TKG version once", f"{release.version} again")
        releases[release.version] = release
    return TkrCompatibility(
        version=_own_version(root),
        releases=tuple(releases.values()),
        sha256=sha256,
        file=root.origin.file,
    )


def _own_version(root: Cursor) -> str:
    """The file's ``version``, which is its image's tag; a fake of TKG's own tests has none."""
    version = root.get("version")
    return read_version(version, "a version such as v19") if version else ""


def _plugin(place: Cursor) -> PluginVersion:
    boms = _items(place, "supportedTKGBomVersions")
    return PluginVersion(
        version=_version(place, "the plugin's version"),
        boms=tuple(BomPlace(*read_image_place(bom)) for bom in boms),
    )


def _release(place: Cursor) -> TkgRelease:
    version = _version(place, "a TKG version such as v1.6.0")
    expected = "a TKr version such as v1.23.8+vmware.2-tkg.1"
    tkrs = [read_version(tkr, expected) for tkr in _items(place, "supportedKubernetesVersions")]
    return TkgRelease(version, tuple(dict.fromkeys(tkrs)))


def _version(place: Cursor, expected: str) -> str:
    version = place.get("version")
    if version is None:
        raise place.missing("version", expected)
    return read_version(version, expected)


def _items(place: Cursor, key: str) -> Iterator[Cursor]:
    """The items of a list that may be absent, null or empty."""
    items = place.get(key)
    return items.items() if items else iter(())
