"""What changes from one BOM to the next: as release notes, and as ``tkg-mirror/diff/v1``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bom.diff import BomDiff, Pair, Versions
from bom.images import WantedImage
from bom.model import Bom
from bom.reference import Reference
from mirror.oci.digest import Digest
from mirror.report.layout import columns
from mirror.report.run import reason_of
from mirror.text import human_size, printable
from mirror.upgrade import Amount, Answer, moved

# Characters of a digest that tell two of them apart for a reader; JSON has the whole.
_SHORT = len("sha256:") + 12


def text(diff: BomDiff, answer: Answer | None) -> str:
    """Release notes; ``answer`` is what registries say, None where none was asked."""
    digests = answer.digests if answer else {}
    lines = [f"{diff.old.kind.spoken} {diff.old.release} -> {diff.new.release}"]
    lines += columns([*_heads(diff)], indent=2)
    lines += _section("Components changed", [_versions(each) for each in diff.changed_components])
    lines += _section("Components added", [_versions(each) for each in diff.added_components])
    lines += _section("Components removed", [_versions(each) for each in diff.removed_components])
    lines += _section("Images changed", [_change(pair, digests) for pair in diff.changed])
    lines += _section("Images added", [_image(image) for image in diff.added])
    lines += _section("Images removed", [_image(image) for image in diff.removed])
    lines += ["", *columns([*_counts(diff)])]
    if answer:
        lines += ["", *_bytes(answer)]
    return "\n".join(lines)


def document(diff: BomDiff, answer: Answer | None) -> dict[str, Any]:
    """``tkg-mirror/diff/v1``; ``bytes`` is null where they were not asked for or are unknown."""
    digests = answer.digests if answer else {}
    upgrade = answer.upgrade if answer else None
    return {
        "schema": "tkg-mirror/diff/v1",
        "old": _side(diff.old),
        "new": _side(diff.new),
        "components": {
            "added": [_versions_json(each) for each in diff.added_components],
            "removed": [_versions_json(each) for each in diff.removed_components],
            "changed": [_versions_json(each) for each in diff.changed_components],
        },
        "images": {
            "added": [_image_json(image, digests) for image in diff.added],
            "removed": [_image_json(image, digests) for image in diff.removed],
            "changed": [
                {"old": _image_json(pair.old, digests), "new": _image_json(pair.new, digests)}
                for pair in diff.changed
            ],
            "unchanged": len(diff.same),
        },
        "bytes": upgrade
        and {"new": _amount_json(upgrade.whole), "moves": _amount_json(upgrade.moves)},
        "unresolved": [
            {"reference": name, "reason": reason_of(fault)}
            for name, fault in (answer.failed if answer else ())
        ],
        "notices": list(diff.notices),
    }


def _heads(diff: BomDiff) -> Iterator[tuple[str, str]]:
    """What else the heads of the two files say differently."""
    pairs = (
        ("base repository", diff.old.base_repository, diff.new.base_repository),
        ("default TKr", diff.old.default_k8s_version, diff.new.default_k8s_version),
    )
    for name, old, new in pairs:
        if old != new:
            yield name, f"{old or 'none'} -> {new or 'none'}"


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    return ["", title, *columns(rows, indent=2)] if rows else []


def _versions(each: Versions) -> tuple[str, str]:
    sides = (", ".join(version or "no version" for version in v) for v in (each.old, each.new))
    return each.name, " -> ".join(side for side in sides if side)


def _change(pair: Pair, digests: Mapping[Reference, Digest]) -> tuple[str, str]:
    old, new = pair.old.reference, pair.new.reference
    if pair.old.path != pair.new.path:
        return pair.old.path, f"{old.tag} -> {pair.new.path} {new.tag}"
    if old.tag != new.tag:
        return pair.new.path, f"{old.tag} -> {new.tag}"
    if moved(pair, digests):
        before, after = (str(digests[each])[:_SHORT] for each in (old, new))
        return pair.new.path, f"{new.tag}, another image: {before} -> {after}"
    return pair.new.path, f"{new.tag}, from {pair.old.repository} -> {pair.new.repository}"


def _image(image: WantedImage) -> tuple[str, str]:
    return image.path, image.reference.tag or ""


def _counts(diff: BomDiff) -> Iterator[tuple[str, str]]:
    components = (diff.changed_components, diff.added_components, diff.removed_components)
    images = (diff.changed, diff.added, diff.removed)
    for name, (changed, added, removed) in (("components", components), ("images", images)):
        yield name, f"{len(changed)} changed, {len(added)} added, {len(removed)} removed"
    yield "", f"{len(diff.same)} as before"


def _bytes(answer: Answer) -> Iterator[str]:
    if answer.upgrade:
        rows = [("new as a whole", _amount(answer.upgrade.whole))]
        rows.append(("of that not in old", _amount(answer.upgrade.moves)))
        yield from columns(rows)
        return
    yield "notice: bytes are unknown, for these reasons"
    for name, fault in answer.failed:
        yield from columns([("failed:", f"{printable(name)}: {printable(reason_of(fault))}")])


def _amount(amount: Amount) -> str:
    return f"{human_size(amount.size)}, {amount.images} images, {amount.blobs} unique blobs"


def _side(bom: Bom) -> dict[str, Any]:
    return {
        "file": bom.file,
        "kind": bom.kind.value,
        "release": bom.release,
        "repository": bom.base_repository,
        "sha256": bom.sha256,
        "defaultTkr": bom.default_k8s_version,
    }


def _versions_json(each: Versions) -> dict[str, Any]:
    return {"name": each.name, "old": list(each.old), "new": list(each.new)}


def _image_json(image: WantedImage, digests: Mapping[Reference, Digest]) -> dict[str, Any]:
    digest = digests.get(image.reference)
    return {
        "reference": str(image.reference),
        "path": image.path,
        "tag": image.reference.tag,
        "digest": str(digest) if digest else None,
        "components": list(image.components),
    }


def _amount_json(amount: Amount) -> dict[str, int]:
    return {"images": amount.images, "blobs": amount.blobs, "bytes": amount.size}
