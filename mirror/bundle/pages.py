"""Bundles and the system's page cache.

What is written goes to the disk while more is received, or all of it would wait for the fsync at
the end; and a bundle of 65 GB must not push everything else out of memory.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mirror.settings import CACHED_SHARE, TIDY_EVERY, TIDY_FROM


class Pages:
    """The pages of one file, sent to the disk and given back behind whoever writes or reads it.

    Given back only of a file that is larger than a share of the memory: what fits is read again
    sooner or later, a verify after a create for instance.

    There is one call for both (posix_fadvise(2), POSIX_FADV_DONTNEED): dirty pages begin their way
    to the disk, and clean ones are dropped. So those just written stay; of a large file the next
    call reaches back over them, and drops them.
    """

    def __init__(self, file: int, size: int) -> None:
        self._file = file
        self._large = size > _memory() // CACHED_SHARE

    def written(self, start: int, before: int, now: int) -> None:
        """Bytes ``before`` to ``now`` of a member that begins at ``start`` were written."""
        if self._large:
            self.read(start, before, now)
        elif now // TIDY_EVERY > before // TIDY_EVERY:
            # Each page once: those of an earlier call are clean by now, and would be dropped.
            self._advise(start, before - before % TIDY_EVERY, now - now % TIDY_EVERY)

    def all_written(self, start: int, size: int) -> None:
        """A member is whole; what is left of a small one can wait for those beside it."""
        rest = size % TIDY_EVERY
        if self._large:
            self.all_read(start, size)
        elif rest >= TIDY_FROM:
            self._advise(start, size - rest, size)

    def read(self, start: int, before: int, now: int) -> None:
        """Bytes ``before`` to ``now`` of a member that begins at ``start`` were read."""
        if self._large and now // TIDY_EVERY > before // TIDY_EVERY:
            self._advise(start, now - 2 * TIDY_EVERY, now)

    def all_read(self, start: int, size: int) -> None:
        """A member was read whole."""
        if self._large:
            self._advise(start, size - 2 * TIDY_EVERY, size)

    def _advise(self, start: int, begin: int, end: int) -> None:
        begin = max(0, begin)
        if begin == end:
            # To the system that would be all that follows.
            return
        # It is advice: a file system that does not take it loses nothing.
        with suppress(OSError):
            os.posix_fadvise(self._file, start + begin, end - begin, os.POSIX_FADV_DONTNEED)


def _memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
