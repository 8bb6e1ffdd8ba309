"""What changes from one BOM to another of its kind: components by version, images by tag.

The base repository is no part of the comparison. Behind the gap an image stands at its path
and tag, whatever stood before the path at the source, so two releases of which one was read from
a staging registry differ in what differs, and not in every image.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from bom.errors import InputFault
from bom.images import WantedImage, images_of_boms
from bom.model import Bom, ImageEntry
from bom.order import NaturalKey, natural

# Where an image stands in a BOM: component and image key, without the component's version.
_Slot: TypeAlias = tuple[str, str]
_Keys: TypeAlias = Callable[["_Image"], Iterable[Hashable]]


class Pair(NamedTuple):
    """An image of the old BOM and the one that stands in its place in the new one."""

    old: WantedImage
    new: WantedImage


class Versions(NamedTuple):
    """The versions of a component in each BOM, in natural order; none where it has none."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


class BomDiff(NamedTuple):
    """Everything is sorted: components by name, images by path and tag.

    ``components`` are those of which the versions differ. ``same`` are images with one path and
    tag in both, under whatever base repository.
    """

    old: Bom
    new: Bom
    components: tuple[Versions, ...]
    added: tuple[WantedImage, ...]
    removed: tuple[WantedImage, ...]
    changed: tuple[Pair, ...]
    same: tuple[Pair, ...]
    notices: tuple[str, ...] = ()

    @property
    def added_components(self) -> tuple[Versions, ...]:
        """Those that only the new BOM has."""
        return tuple(each for each in self.components if not each.old)

    @property
    def removed_components(self) -> tuple[Versions, ...]:
        """Those that only the old BOM has."""
        return tuple(each for each in self.components if not each.new)

    @property
    def changed_components(self) -> tuple[Versions, ...]:
        """Those that both have, in other versions."""
        return tuple(each for each in self.components if each.old and each.new)


def diff_boms(old: Bom, new: Bom, *, source_repo: str | None = None) -> BomDiff:
    """Compare two BOMs; raises InputFault for two kinds, and what ``images_of_boms`` raises.

    An image is paired with the one of the same path and tag; else with one of the same component
    and image key, the newest with the newest; else with one of the same path.
    """
    if old.kind is not new.kind:
        raise InputFault(
            "two kinds of BOM cannot be compared",
            fact=f"{old.file} is a {old.kind.spoken}, {new.file} a {new.kind.spoken}",
            hint="give two TKG BOMs, or two TKr BOMs",
        )
    sets = [images_of_boms([bom], source_repo=source_repo) for bom in (old, new)]
    before, after = (_images(bom, each.images) for bom, each in zip((old, new), sets, strict=True))
    same = [*_paired(before, after, _reference), *_paired(before, after, _place)]
    changed = [*_paired(before, after, _slots), *_paired(before, after, _path)]
    return BomDiff(
        old,
        new,
        _components(old, new),
        added=_sorted(after),
        removed=_sorted(before),
        changed=sorted_pairs(changed),
        same=sorted_pairs(same),
        notices=tuple(dict.fromkeys(notice for each in sets for notice in each.notices)),
    )


def sorted_pairs(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """By the new image's path and tag."""
    return tuple(sorted(pairs, key=lambda pair: (_order(pair.new), _order(pair.old))))


class _Image(NamedTuple):
    """An image that is wanted; ``own`` is its repository where that is not the BOM's."""

    wanted: WantedImage
    own: str
    slots: frozenset[_Slot]


def _images(bom: Bom, wanted: Iterable[WantedImage]) -> set[_Image]:
    slots: dict[tuple[str, str | None], set[_Slot]] = {}
    overridden = set[tuple[str, str | None]]()
    for name, entry in _entries(bom):
        slots.setdefault((entry.path, entry.tag), set()).add((name, entry.key))
        if entry.repository:
            overridden.add((entry.path, entry.tag))
    found = set[_Image]()
    for image in wanted:
        place = (image.path, image.reference.tag)
        own = image.repository if place in overridden else ""
        found.add(_Image(image, own, frozenset(slots.get(place, ()))))
    return found


def _entries(bom: Bom) -> Iterator[tuple[str, ImageEntry]]:
    """Every image that the BOM names, with the name of its component."""
    for component in bom.components:
        for entry in component.images:
            yield component.name, entry
    for entry in bom.addon_images:
        yield "addons", entry
    for entry in bom.kubeadm:
        yield "kubeadmConfigSpec", entry


def _paired(before: set[_Image], after: set[_Image], keys: _Keys) -> list[Pair]:
    """Take images that share a key out of both sets, the highest tag with the highest."""
    waiting: dict[Hashable, list[_Image]] = {}
    for image in sorted(before, key=_age):
        for key in keys(image):
            waiting.setdefault(key, []).append(image)
    pairs = list[Pair]()
    for image in sorted(after, key=_age, reverse=True):
        old = _last(before, (waiting.get(key, []) for key in keys(image)))
        if old:
            pairs.append(Pair(old.wanted, image.wanted))
            before.remove(old)
            after.remove(image)
    return pairs


def _last(left: set[_Image], groups: Iterable[list[_Image]]) -> _Image | None:
    """The last image of the first group that has one left; what is taken goes from the group."""
    for group in groups:
        while group:
            image = group.pop()
            if image in left:
                return image
    return None


def _reference(image: _Image) -> Iterable[Hashable]:
    return [image.wanted.reference]


def _place(image: _Image) -> Iterable[Hashable]:
    return [(image.own, image.wanted.path, image.wanted.reference.tag)]


def _slots(image: _Image) -> Iterable[Hashable]:
    return sorted(image.slots)


def _path(image: _Image) -> Iterable[Hashable]:
    return [image.wanted.path]


def _age(image: _Image) -> tuple[NaturalKey, str]:
    return natural(image.wanted.reference.tag or ""), str(image.wanted.reference)


def _sorted(images: Iterable[_Image]) -> tuple[WantedImage, ...]:
    return tuple(sorted((image.wanted for image in images), key=_order))


def _order(image: WantedImage) -> tuple[str, NaturalKey, str]:
    return image.path, natural(image.reference.tag or ""), str(image.reference)


def _components(old: Bom, new: Bom) -> tuple[Versions, ...]:
    before, after = _versions(old), _versions(new)
    return tuple(
        Versions(name, before.get(name, ()), after.get(name, ()))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _versions(bom: Bom) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for component in bom.components:
        found.setdefault(component.name, set()).add(component.version)
    return {name: tuple(sorted(each, key=natural)) for name, each in found.items()}
