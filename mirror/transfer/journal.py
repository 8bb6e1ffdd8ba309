"""The journal: an append-only list of the blobs that a run has finished.

One line a blob, ``<hex> <check>``, after a first line that names the work it belongs to; of a
large blob also now and then how far it is, ``<hex> <bytes> <check>``, where the last such line
counts. A line counts only if it is whole and its check fits, so what a killed run left
half-written is ignored. The journal is a hint at what to look at, not a proof: bytes that it
names are hashed again before they are believed, since a power cut may keep a line and lose the
bytes.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from pathlib import Path

from mirror.errors import MachineFault
from mirror.oci.digest import Digest


class Journal:
    """Open for appending. ``work`` is the digest of what is being made."""

    def __init__(self, path: Path, work: Digest) -> None:
        self.path = path
        self._first = _line(work)
        self._file: int | None = None

    def earlier(self) -> tuple[set[Digest], dict[Digest, int]]:
        """What an earlier run on the same work had finished, and had begun, in bytes.

        Empty for any other file.
        """
        try:
            with os.fdopen(_plain(self.path, os.O_RDONLY), "rb") as file:
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return set(), {}
        except OSError as cause:
            raise MachineFault.from_os("cannot read the journal", cause) from cause
        if not lines or lines[0] != self._first:
            return set(), {}
        sizes = dict(found for line in lines[1:] if (found := _parse(line)))
        finished = {digest for digest, size in sizes.items() if size is None}
        return finished, {digest: size for digest, size in sizes.items() if size and size > 0}

    def start(self, *, afresh: bool) -> None:
        """Begin to append, to an empty journal if ``afresh``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if afresh else 0)
        try:
            self._file = _plain(self.path, flags)
            # A torn last line must not swallow the next one.
            os.write(self._file, self._first if afresh else b"\n")
        except OSError as cause:
            raise MachineFault.from_os("cannot write the journal", cause) from cause

    def add(self, digest: Digest) -> None:
        """Note a finished blob."""
        self._append(_line(digest))

    def mark(self, digest: Digest, size: int) -> None:
        """Note that the first ``size`` bytes of a blob are in their place."""
        self._append(_line(digest, size))

    def _append(self, line: bytes) -> None:
        """One write, so that lines of two threads never mix."""
        if self._file is None:
            raise RuntimeError("the journal was not started")
        try:
            os.write(self._file, line)
        except OSError as cause:
            raise MachineFault.from_os("cannot write the journal", cause) from cause

    def close(self, *, remove: bool) -> None:
        """Stop appending; ``remove`` it when the work is done."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if remove:
            self.path.unlink(missing_ok=True)


def _plain(path: Path, flags: int) -> int:
    """Open a plain file; OSError for a link, and for a pipe, which would be waited for."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "no plain file", str(path))


def _line(digest: Digest, size: int | None = None) -> bytes:
    said = digest.hex.encode() if size is None else b"%s %d" % (digest.hex.encode(), size)
    return b"%s %08x\n" % (said, zlib.crc32(said))


def _parse(line: bytes) -> tuple[Digest, int | None] | None:
    """The blob of a line and how far it is, None for all of it; None for no line of ours."""
    said, _, _check = line.rpartition(b" ")
    name, _, number = said.partition(b" ")
    try:
        digest = Digest.parse("sha256:" + name.decode("ascii"))
        size = int(number) if number else None
    except ValueError:
        return None
    return (digest, size) if line == _line(digest, size) else None
