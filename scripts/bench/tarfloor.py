"""The floor's one file: an OCI layout in a plain tar, every offset known before the first blob."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from scripts.bench.sockets import sha256

__all__ = ["TarPlan", "read_tar"]

BLOCK = 512
Manifests = list[tuple[bytes, dict[str, Any]]]


class TarPlan:
    """Where everything goes: small members whole, blobs by offset, size and a repository to ask."""

    def __init__(self, images: dict[str, Manifests]) -> None:
        self.offsets: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self.homes: dict[str, str] = {}
        self.size = 0
        self._heads: list[tuple[int, bytes]] = []
        self._small: list[tuple[int, bytes]] = []
        entries = [_entry(reference, found[0]) for reference, found in images.items()]
        self._put("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        self._put("index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
        for data in {data: None for found in images.values() for data, _ in found}:
            self._put(f"blobs/sha256/{sha256(data)[7:]}", data)
        for reference, found in images.items():
            for _, manifest in found:
                self._blobs(reference.partition("/")[2].rpartition(":")[0], manifest)
        self.size += 2 * BLOCK

    def blobs_by_size(self) -> list[str]:
        """Return the blobs to fetch, the largest first: no thread ends with one alone."""
        return sorted(self.sizes, key=lambda digest: -self.sizes[digest])

    def write_small(self, file: int) -> None:
        """Write the headers, and what is known already."""
        for offset, data in (*self._heads, *self._small):
            os.pwrite(file, data, offset)

    def _blobs(self, name: str, manifest: dict[str, Any]) -> None:
        for part in (manifest.get("config"), *manifest.get("layers", [])):
            if part and part["digest"] not in self.offsets:
                digest, size = part["digest"], part["size"]
                self.homes[digest], self.sizes[digest] = name, size
                self.offsets[digest] = self._place(f"blobs/sha256/{digest[7:]}", size)

    def _put(self, name: str, data: bytes) -> None:
        self._small.append((self._place(name, len(data)), data))

    def _place(self, name: str, size: int) -> int:
        member = tarfile.TarInfo(name)
        member.size = size
        self._heads.append((self.size, member.tobuf(tarfile.USTAR_FORMAT)))
        offset = self.size + BLOCK
        self.size = offset + size + -size % BLOCK
        return offset


def read_tar(path: Path) -> dict[str, tuple[int, int]]:
    """Return offset and size of every blob of a bundle, by digest."""
    prefix = "blobs/sha256/"
    with tarfile.open(path, "r:") as archive:
        return {
            f"sha256:{member.name.removeprefix(prefix)}": (member.offset_data, member.size)
            for member in archive
            if member.name.startswith(prefix)
        }


def _entry(reference: str, manifest: tuple[bytes, dict[str, Any]]) -> dict[str, Any]:
    data, value = manifest
    return {
        "mediaType": value["mediaType"],
        "digest": sha256(data),
        "size": len(data),
        "annotations": {"org.opencontainers.image.ref.name": reference},
    }
