"""Files the careful way: opened without following links, read and written whole at an offset."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mirror.bundle.pages import Pages
from mirror.errors import InputFault, MachineFault
from mirror.settings import SEND_PIECE


def open_to_read(path: Path) -> int:
    """A descriptor for reading; InputFault where there is no such file."""
    try:
        # Opening a pipe would wait for a writer otherwise.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InputFault("no such bundle", fact=str(path)) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot open the bundle", cause) from cause
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise InputFault("a bundle is a file", fact=f"{path} is something else")
    return file


def read_at(file: int, size: int, offset: int) -> bytes:
    """``size`` bytes at ``offset``, fewer only at the end of the file."""
    found = b""
    try:
        while len(found) < size:
            piece = os.pread(file, size - len(found), offset + len(found))
            if not piece:
                break
            found = found + piece if found else piece
    except OSError as cause:
        raise MachineFault.from_os("cannot read the bundle", cause) from cause
    return found


def read_pieces(file: int, offset: int, size: int, pages: Pages) -> Iterator[memoryview]:
    """``size`` bytes from ``offset`` on, a piece at a time; it ends early where the file does.

    All pieces of a blob share one buffer: a new one for each costs 6 % of what SHA-256 does.
    """
    buffer, done = memoryview(bytearray(min(SEND_PIECE, size))), 0
    while done < size:
        count = _read_into(file, buffer[: size - done], offset + done)
        if not count:
            return
        done += count
        pages.read(offset, done - count, done)
        yield buffer[:count]
    pages.all_read(offset, size)


def _read_into(file: int, buffer: memoryview, offset: int) -> int:
    try:
        return os.preadv(file, [buffer], offset)
    except OSError as cause:
        raise MachineFault.from_os("cannot read the bundle", cause) from cause


def write_at(file: int, content: bytes | memoryview, offset: int) -> None:
    """All of ``content`` at ``offset``: one pwrite may write less than it was given."""
    view = memoryview(content)
    try:
        while view:
            count = os.pwrite(file, view, offset)
            view, offset = view[count:], offset + count
    except OSError as cause:
        raise MachineFault.from_os("cannot write the bundle", cause) from cause


def sync_folder(path: Path) -> None:
    """Make a rename in the folder of ``path`` last through a power cut."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
