"""Large bundles and the system's page cache: one of 65 GB must not push out everything else."""

from __future__ import annotations

import os
from contextlib import suppress

from mirror.settings import CACHED_SHARE, TIDY_EVERY


class Pages:
    """The pages of one file, given back to the system behind whoever reads or writes it.

    Only of a file that is larger than a share of the memory: what fits is read again sooner or
    later, a verify after a create for instance.
    """

    def __init__(self, file: int, size: int) -> None:
        self._file = file
        self._large = size > _memory() // CACHED_SHARE

    def passed(self, start: int, before: int, now: int) -> None:
        """Bytes ``before`` to ``now`` of a member that begins at ``start`` were read or written.

        Dirty pages begin their way to the disk, and those that have arrived are dropped: so the
        window reaches back over the one before (posix_fadvise(2), POSIX_FADV_DONTNEED).
        """
        if self._large and now // TIDY_EVERY > before // TIDY_EVERY:
            self._drop(start + max(0, now - 2 * TIDY_EVERY), start + now)

    def ended(self, start: int, size: int) -> None:
        """A member is read or written whole."""
        if self._large:
            self._drop(start + max(0, size - 2 * TIDY_EVERY), start + size)

    def _drop(self, begin: int, end: int) -> None:
        # It is advice: a file system that does not take it loses nothing.
        with suppress(OSError):
            os.posix_fadvise(self._file, begin, end - begin, os.POSIX_FADV_DONTNEED)


def _memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
