"""The AMIs of some regions: an operator who builds in one has no use for the others'."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from bom.errors import InputFault, shown
from bom.model import Ami, Bom


def check_regions(boms: Iterable[Bom], wanted: Iterable[str]) -> frozenset[str]:
    """The regions that are asked for; raises InputFault for one that no BOM has."""
    known = {region for bom in boms for region in bom.amis}
    chosen = frozenset(wanted)
    if unknown := sorted(chosen - known):
        have = f"there are {', '.join(sorted(known))}" if known else "they have no AMIs at all"
        raise InputFault(
            "no such AMI region in these files",
            fact=f"{', '.join(shown(region) for region in unknown)}; {have}",
            hint="" if known else "give a TKr BOM: AMIs belong to a Kubernetes release",
        )
    return chosen


def amis_of(bom: Bom, regions: Collection[str]) -> Iterator[tuple[str, tuple[Ami, ...]]]:
    """Each region with its AMIs, in the file's order; all of them where none is named."""
    for region, amis in bom.amis.items():
        if not regions or region in regions:
            yield region, amis
