"""What BOM files hold, in words: each file by its kind, then the parts that they bring together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bom.amis import amis_of
from bom.coverage import Cover, absent_kind
from bom.images import images_of_boms
from bom.model import (
    Bom,
    BomKind,
    Component,
    Document,
    ImagesLock,
    TkgCompatibility,
    TkrCompatibility,
)
from bom.order import natural
from mirror.report.layout import columns

# kbld's name for what a lock's digest was resolved from (carvel-dev/kbld).
_ID = "kbld.carvel.dev/id"


def document(found: Document, regions: Collection[str] = ()) -> str:
    """One file; of its AMIs only those in ``regions``, where some are named."""
    match found:
        case Bom():
            lines = _bom(found, regions)
        case TkrCompatibility():
            lines = _tkr_compatibility(found)
        case TkgCompatibility():
            lines = _tkg_compatibility(found)
        case ImagesLock():
            lines = _lock(found)
    return "\n".join([*columns([[found.file]]), *lines])


def coverage(covers: Sequence[Cover], kinds: Sequence[BomKind]) -> str:
    """Which parts of the reference design are there; ``kinds`` are those of the BOMs read."""
    spoken = " and ".join(kind.spoken for kind in dict.fromkeys(kinds))
    rows = [("part", "", "versions")]
    rows += [_cover(cover, kinds) for cover in covers]
    return "\n".join(
        ["Parts of the reference design", f"  read from: {spoken}", "", *columns(rows)]
    )


def _bom(found: Bom, regions: Collection[str]) -> Iterator[str]:
    images = len(images_of_boms([found]).images)
    yield from columns(_facts(found, images), indent=2)
    yield from _table(("component", "images", "versions"), _components(found.components))
    yield from _table(("infrastructure", "TKr packages and their repository"), _tkr_packages(found))
    packages = [
        (each.name, ", ".join(each.cluster_types), each.category) for each in found.packages
    ]
    yield from _table(("package", "clusters", "category"), packages)
    amis = [
        (region, ami.id, _system(ami.os, ami.version, ami.arch))
        for region, each in amis_of(found, regions)
        for ami in each
    ]
    yield from _table(("region", "AMI", "system"), amis)
    systems = [
        (each.kind, each.name, _system(each.os, each.version, each.arch))
        for each in found.os_images
    ]
    yield from _table(("OS image", "name", "system"), systems)


def _facts(found: Bom, images: int) -> list[tuple[str, str]]:
    rows = [
        ("kind", found.kind.spoken),
        ("release", found.release),
        ("FIPS", "yes" if found.fips else "no"),
        ("base repository", found.base_repository),
    ]
    if found.default_k8s_version:
        rows.append(("default TKr", found.default_k8s_version))
    if found.tkr_compatibility_path:
        rows.append(("tkr-compatibility", found.tkr_compatibility_path))
    rows.append(("components", f"{len(found.components)} versions, {images} images"))
    return rows + [("notice", notice) for notice in found.notices]


def _components(components: Sequence[Component]) -> list[tuple[str, str, str]]:
    """One row for each name, in the file's order, with the images of all its versions."""
    found: dict[str, list[Component]] = {}
    for component in components:
        found.setdefault(component.name, []).append(component)
    return [
        (name, str(sum(len(each.images) for each in versions)), _versions(versions))
        for name, versions in found.items()
    ]


def _versions(components: Sequence[Component]) -> str:
    return ", ".join(sorted({each.version for each in components if each.version}, key=natural))


def _tkr_packages(found: Bom) -> list[tuple[str, str]]:
    names = dict.fromkeys([*found.tkr_packages, *found.tkr_package_repositories])
    paths = (found.tkr_packages, found.tkr_package_repositories)
    return [(name, ", ".join(each[name] for each in paths if name in each)) for name in names]


def _tkr_compatibility(found: TkrCompatibility) -> Iterator[str]:
    tkrs = {tkr for release in found.releases for tkr in release.tkrs}
    facts = [
        ("kind", "tkr-compatibility"),
        ("version", found.version or "none"),
        ("TKG versions", str(len(found.releases))),
        ("TKrs", str(len(tkrs))),
    ]
    yield from columns(facts, indent=2)
    rows = [
        (release.version, ", ".join(sorted(release.tkrs, key=natural)))
        for release in sorted(found.releases, key=lambda each: natural(each.version))
    ]
    yield from _table(("TKG", "TKrs"), rows)


def _tkg_compatibility(found: TkgCompatibility) -> Iterator[str]:
    facts = [
        ("kind", "tkg-compatibility"),
        ("version", found.version or "none"),
        ("plugin versions", str(len(found.plugins))),
        ("TKG BOMs", str(len(found.boms))),
    ]
    yield from columns(facts, indent=2)
    rows = [
        (plugin.version, ", ".join(f"{place.path}:{place.tag}" for place in plugin.boms))
        for plugin in sorted(found.plugins, key=lambda each: natural(each.version))
    ]
    yield from _table(("plugin", "TKG BOMs, the one it takes first"), rows)


def _lock(found: ImagesLock) -> Iterator[str]:
    yield from columns([("kind", "ImagesLock"), ("images", str(len(found.images)))], indent=2)
    for image in found.images:
        yield ""
        yield from columns([[str(image.reference)]])
        if origin := image.annotations.get(_ID):
            yield from columns([("from", origin)], indent=2)


def _cover(cover: Cover, kinds: Collection[BomKind]) -> tuple[str, str, str]:
    if cover.present:
        tags = ", ".join(cover.versions)
        return cover.part.title, "present", tags
    reason = ""
    if cover.bare:
        reason = f"listed without an image: {', '.join(cover.bare)}"
    elif kind := absent_kind(cover, kinds):
        reason = f"a {kind.spoken} usually has it; none was given"
    return cover.part.title, "absent", reason


def _system(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A blank line and a table; nothing where it would be empty."""
    if rows:
        yield ""
        yield from columns([head, *rows])
