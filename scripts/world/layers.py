"""Layers from a seed: real gzip tars of any size, the same bytes on every machine and Python.

A layer is made anew each time it is read, in pieces of about 1 MiB, so that a world of many
gigabytes needs no memory. The content is one seeded random block repeated under a running number,
which costs a memory copy instead of a random generator; gzip could not shrink it either way, since
it only looks back 32 KiB. The gzip is written by hand with stored blocks, because a level of zlib
is a promise about the content and not about the bytes: zlib-ng and zlib differ.
"""

from __future__ import annotations

import hashlib
import random
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["LayerFile", "gzip_stored", "random_files", "tar_of"]

MIB = 1 << 20

# RFC 1952: magic, deflate, no flags, mtime 0, no extra flags, unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

# RFC 1951 3.2.4: the length of a stored block has 16 bits.
_STORED_MAX = 0xFFFF


@dataclass(frozen=True)
class LayerFile:
    """One file of a layer: its path, and its content or the seed and size of it."""

    path: str
    size: int
    seed: str = ""
    text: bytes = b""

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most 1 MiB."""
        if self.text:
            yield self.text
            return
        block = _block(self.seed, min(self.size, MIB))
        for start in range(0, self.size, MIB):
            numbered = struct.pack(">Q", start) + block[8:]
            yield numbered[: self.size - start]


def random_files(seed: str, total: int) -> tuple[LayerFile, ...]:
    """One to four files of seeded content that add up to about `total` bytes."""
    dice = random.Random(f"files {seed}")
    count = dice.randint(1, 4) if total > 4096 else 1
    share, name = max(total // count, 16), seed.replace("/", "-").replace(" ", "-")
    return tuple(LayerFile(f"opt/{name}/{n}.bin", share, seed=f"{seed} {n}") for n in range(count))


def tar_of(files: Iterable[LayerFile]) -> Iterator[bytes]:
    """Yield an uncompressed ustar archive with the files and their parent directories."""
    written: set[str] = set()
    for file in files:
        yield b"".join(_directory(name) for name in _parents(file.path) if name not in written)
        written.update(_parents(file.path))
        yield _head(file.path, file.size, tarfile.REGTYPE, 0o644)
        yield from file.pieces()
        yield bytes(-file.size % 512)
    yield bytes(1024)


def gzip_stored(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a gzip member that carries the pieces uncompressed."""
    yield _GZIP_HEAD
    crc, size = 0, 0
    for piece in pieces:
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        yield b"".join(_stored_blocks(piece))
    # An empty last block, then the check and the length modulo 2^32.
    yield b"\x01\x00\x00\xff\xff" + struct.pack("<II", crc, size & 0xFFFFFFFF)


def _stored_blocks(piece: bytes) -> Iterator[bytes | memoryview]:
    view = memoryview(piece)
    for start in range(0, len(piece), _STORED_MAX):
        block = view[start : start + _STORED_MAX]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield block


# 64 MiB at most. A layer is read at least twice: once for its digest, once for its upload.
@lru_cache(maxsize=64)
def _block(seed: str, size: int) -> bytes:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
    return random.Random(number).randbytes(max(size, 8))


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _directory(name: str) -> bytes:
    return _head(name, 0, tarfile.DIRTYPE, 0o755)


def _head(name: str, size: int, kind: bytes, mode: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode = size, kind, mode
    return member.tobuf(tarfile.USTAR_FORMAT)
