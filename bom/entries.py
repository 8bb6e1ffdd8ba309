"""Every image that BOMs bring: its repository, its path and tag, and the place that wants it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from bom.errors import BomFault, InputFault, ReferenceFault, shown
from bom.limits import SHOWN_NAMES
from bom.model import Bom, BomKind, ImageEntry
from bom.reference import Reference, normal_repository


class Entry(NamedTuple):
    """One place of a BOM that wants one image.

    ``label`` is what it can be chosen by, "contour/v1.17.2+vmware.1"; ``repository`` is in the
    one spelling that references have, and ``overridden`` where it is the image's own; ``line`` is
    counted from 1, and 0 where no line of the file stands for it. ``boms`` are the labels of the
    BOMs that want it together. ``kind`` and ``required`` are as in WantedImage.
    """

    reference: Reference
    repository: str
    path: str
    label: str
    boms: tuple[str, ...]
    file: str
    line: int
    overridden: bool = False
    kind: str = "image"
    required: bool = True

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return (
            f"{self.file}:{self.line}: {self.label}" if self.line else f"{self.file}: {self.label}"
        )


def entries_of(bom: Bom, source_repo: str | None, *, own_image: bool) -> Iterator[Entry]:
    """The images of one BOM; raises BomFault where a reference becomes too long.

    ``source_repo`` stands in place of the BOM's base repository, in the spelling of references.
    """
    base = source_repo or normal_repository(bom.base_repository)
    for label, entry in _listed(bom):
        yield _entry(bom, label, entry, base)
    for entry in kubeadm_extras(bom):
        yield _entry(bom, f"kubeadmConfigSpec/{entry.key}", entry, base)
    if own_image:
        yield _own(bom, base)


def kubeadm_extras(bom: Bom) -> list[ImageEntry]:
    """What ``kubeadmConfigSpec`` implies and no component or addon lists."""
    have = {(entry.path, entry.tag) for _, entry in _listed(bom)}
    return [entry for entry in bom.kubeadm if (entry.path, entry.tag) not in have]


def tkr_package_entries(
    boms: Sequence[Bom], source_repo: str | None, infrastructures: Collection[str] | None
) -> Iterator[Entry]:
    """The TKr packages and their repositories, for each TKG BOM and each TKr BOM of ``boms``.

    Their images are at the path that the TKG BOM gives for an infrastructure, and the tag is the
    TKr. Not every release has them all, so none is required. None means every infrastructure;
    raises InputFault for one that no TKG BOM has.
    """
    if infrastructures is not None:
        _refuse_unknown(boms, infrastructures)
    tkrs = [bom for bom in boms if bom.kind is BomKind.TKR]
    for tkg in boms:
        base = source_repo or normal_repository(tkg.base_repository)
        for name, label, path in _package_paths(tkg):
            if infrastructures is None or name in infrastructures:
                yield from (_package(tkg, tkr, base, label, path) for tkr in tkrs)


def refuse_collisions(entries: Sequence[Entry]) -> None:
    """Raise InputFault where an image's own repository leads two images to one place.

    TKG drops the override behind the gap, so path and tag alone decide what is found there. Two
    base repositories may name one image twice; whether they do, only the digests tell.
    """
    found: dict[tuple[str, str | None], Entry] = {}
    # Overrides first: each is then compared with all that share its place.
    for entry in sorted(entries, key=lambda entry: not entry.overridden):
        first = found.setdefault((entry.path, entry.reference.tag), entry)
        if first.overridden and first.reference != entry.reference:
            raise _collision(first, entry)


def _collision(one: Entry, other: Entry) -> InputFault:
    hint = "carry these BOMs in two runs, to two projects"
    if one.file == other.file:
        hint = "in the BOM, give one of them another path or tag, or drop its own repository"
    return InputFault(
        f"two images would land at {one.path}:{one.reference.tag}",
        fact=f"{one.reference} ({one.place}) and {other.reference} ({other.place})",
        hint=hint,
    )


def _listed(bom: Bom) -> Iterator[tuple[str, ImageEntry]]:
    for component in bom.components:
        for entry in component.images:
            yield component.label, entry
    for entry in bom.addon_images:
        yield f"addon/{entry.key}", entry


def _entry(bom: Bom, label: str, entry: ImageEntry, base: str) -> Entry:
    """An image's own repository that only repeats the BOM's is none: it moves with the base."""
    own = normal_repository(entry.repository) if entry.repository else None
    own = None if own == normal_repository(bom.base_repository) else own
    repository = own or base
    name = f"{repository}/{entry.path}:{entry.tag}"
    return Entry(
        reference=_reference(bom, name, entry.line, f"{label}/{entry.key}"),
        repository=repository,
        path=entry.path,
        label=label,
        boms=(bom.label,),
        file=bom.file,
        line=entry.line,
        overridden=own is not None,
    )


def _own(bom: Bom, base: str) -> Entry:
    """The image that holds the BOM file itself. Not in every registry, so not required."""
    path = bom.kind.value
    label = f"{path}/{bom.release}"
    return Entry(
        reference=_reference(bom, f"{base}/{path}:{_tag(bom)}", 0, label),
        repository=base,
        path=path,
        label=label,
        boms=(bom.label,),
        file=bom.file,
        line=0,
        kind="bom",
        required=False,
    )


def _package(tkg: Bom, tkr: Bom, base: str, label: str, path: str) -> Entry:
    return Entry(
        reference=_reference(tkg, f"{base}/{path}:{_tag(tkr)}", 0, label),
        repository=base,
        path=path,
        label=label,
        boms=(tkg.label, tkr.label),
        file=tkg.file,
        line=0,
        required=False,
    )


def _package_paths(bom: Bom) -> Iterator[tuple[str, str, str]]:
    """Infrastructure, label and path of what ``tkr-package`` and ``tkr-package-repo`` name."""
    for name, path in bom.tkr_packages.items():
        yield name, f"tkr-package/{name}", path
    for name, path in bom.tkr_package_repositories.items():
        yield name, f"tkr-package-repo/{name}", path


def _refuse_unknown(boms: Sequence[Bom], infrastructures: Collection[str]) -> None:
    known = sorted({name for bom in boms for name, _, _ in _package_paths(bom)})
    unknown = sorted(set(infrastructures).difference(known))
    if unknown:
        some = ", ".join(map(shown, known[:SHOWN_NAMES]))
        raise InputFault(
            f"no TKG BOM has packages for the infrastructure {shown(unknown[0])}",
            fact=f"they have {some}" if known else "none of the BOMs has a tkr-package section",
            hint="choose one that the BOM has" if known else "give a TKG BOM of 1.6 or later",
        )


def _reference(bom: Bom, name: str, line: int, key: str) -> Reference:
    try:
        return Reference.parse(name)
    except ReferenceFault as fault:
        # Each part was checked when the file was read; together they can still be too long.
        expected, found = "an image reference", f"{fault.text} ({fault.reason})"
        raise BomFault(bom.file, line, key, expected=expected, found=found) from fault


def _tag(bom: Bom) -> str:
    return bom.release.replace("+", "_")
