"""Results for machines: the schemas of the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.bundle.damage import Damage
from mirror.bundle.inventory import Head
from mirror.errors import Fault, Unresolved
from mirror.events import ImageFailed
from mirror.report.run import ImageResult, RunReport

if TYPE_CHECKING:
    # A command that reads no BOM has no use for the reader of BOMs.
    from bom.images import ImageSet, WantedImage
    from mirror.release import Release


def dump(document: dict[str, Any]) -> str:
    """Readable, and with the keys in the contract's order.

    JSON demands escapes below U+0020 alone. A terminal obeys others too (U+009B begins a control
    sequence, U+202E turns the line round), and an ImagesLock's annotations may hold any.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def run(report: RunReport) -> dict[str, Any]:
    """``tkg-mirror/run/v1``."""
    return {
        "schema": "tkg-mirror/run/v1",
        "result": report.result,
        "images": [
            {"reference": i.reference, "digest": i.digest, "status": i.status, "reason": i.reason}
            for i in report.images
        ],
        "bytes": {
            "moved": report.moved,
            "skipped": report.skipped,
            "mounted": report.mounted,
        },
        "seconds": round(report.seconds, 3),
        "requests": report.requests,
        "warnings": list(report.notices),
        **report.extra,
    }


def failure(fault: Fault, thing: str, failed: Sequence[ImageFailed] = ()) -> dict[str, Any]:
    """``tkg-mirror/<thing>/v1`` of a command that ended in a fault, which is under ``error``.

    A run's document has the keys of any other run, and the images that had ``failed`` before.
    """
    error = {
        "name": fault.name,
        "what": fault.what,
        "fact": fault.fact,
        "whose": fault.whose,
        "next": fault.hint,
    }
    if thing != "run":
        return {"schema": f"tkg-mirror/{thing}/v1", "result": "failed", "error": error}
    results = [ImageResult(f.reference, f.digest, "failed", f.reason) for f in failed]
    if isinstance(fault, Unresolved):
        results += [ImageResult(name, None, "failed", str(cause)) for name, cause in fault.causes]
    document = run(RunReport(tuple(results), 0, 0, 0, 0.0, 0, extra={"error": error}))
    return {**document, "result": "failed", "seconds": None, "requests": None}


def images(found: ImageSet) -> dict[str, Any]:
    """``tkg-mirror/images/v1``."""
    return {"schema": "tkg-mirror/images/v1", "images": [_image(image) for image in found.images]}


def fetched(folder: Path, release: Release) -> dict[str, Any]:
    """``tkg-mirror/fetch/v1``; a digest is that of the image which the file came in."""
    return {
        "schema": "tkg-mirror/fetch/v1",
        "files": [
            {
                "file": str(folder / document.name),
                "reference": str(document.reference),
                "digest": str(document.digest),
                "size": len(document.content),
            }
            for document in release.documents
        ],
    }


def bundle(head: Head) -> dict[str, Any]:
    """``tkg-mirror/bundle/v1``, of a bundle's head."""
    return {
        "schema": "tkg-mirror/bundle/v1",
        "source": head.source,
        "images": [
            {
                "reference": image.reference,
                "path": image.path,
                "tag": image.tag,
                "digest": str(image.descriptor.digest),
                "mediaType": image.descriptor.media_type,
                "size": image.descriptor.size,
                "kind": image.kind,
            }
            for image in head.images
        ],
        "blobs": {"count": head.blobs, "size": head.size},
        "boms": [{"kind": b.kind, "release": b.release, "sha256": b.sha256} for b in head.boms],
        **({"platforms": list(map(str, head.platforms))} if head.platforms else {}),
    }


def verify(damages: Iterable[tuple[str, Damage]], size: int, seconds: float) -> dict[str, Any]:
    """``tkg-mirror/verify/v1``; each damage with the file it was found in."""
    faults = [
        {
            "kind": damage.kind,
            "member": damage.member,
            "digest": str(damage.digest) if damage.digest else None,
            "expected": damage.expected,
            "got": damage.got,
            "file": file,
        }
        for file, damage in damages
    ]
    return {
        "schema": "tkg-mirror/verify/v1",
        "result": "failed" if faults else "ok",
        "faults": faults,
        "bytes": size,
        "seconds": round(seconds, 3),
    }


def _image(image: WantedImage) -> dict[str, Any]:
    return {
        "reference": str(image.reference),
        "repository": image.repository,
        "path": image.path,
        "tag": image.reference.tag,
        "components": list(image.components),
        "bom": ", ".join(image.boms),
    }
