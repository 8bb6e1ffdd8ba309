"""The floor's one file: an OCI layout in a plain tar, every offset known before the first blob."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.bench.sockets import MIB, sha256

__all__ = ["Members", "TarPlan", "pieces", "read_tar"]

BLOCK = 512
Manifests = list[tuple[bytes, dict[str, Any]]]
# Offset and size, by digest.
Members = dict[str, tuple[int, int]]


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


def read_tar(path: Path) -> Members:
    """Return offset and size of every blob of a bundle, by digest; its headers are plain ustar."""
    found: Members = {}
    prefix, position = b"blobs/sha256/", 0
    with path.open("rb", buffering=0) as file:
        while (head := os.pread(file.fileno(), BLOCK, position)).strip(b"\0"):
            size = int(head[124:135], 8)
            name = head[:100].rstrip(b"\0")
            if name.startswith(prefix):
                found[f"sha256:{name[len(prefix) :].decode()}"] = (position + BLOCK, size)
            position += BLOCK + size + -size % BLOCK
    return found


def pieces(file: int, offset: int, size: int) -> Iterator[memoryview]:
    """Yield a part of a file in pieces of 1 MiB, all in one buffer."""
    buffer = memoryview(bytearray(min(MIB, size) or 1))
    end = offset + size
    while offset < end:
        got = os.preadv(file, [buffer[: min(len(buffer), end - offset)]], offset)
        yield buffer[:got]
        offset += got


def _entry(reference: str, manifest: tuple[bytes, dict[str, Any]]) -> dict[str, Any]:
    data, value = manifest
    return {
        "mediaType": value["mediaType"],
        "digest": sha256(data),
        "size": len(data),
        "annotations": {"org.opencontainers.image.ref.name": reference},
    }
