"""A bundle being written: reserved whole, filled in parallel, renamed when it is complete."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mirror.bundle import format as tar
from mirror.bundle.contents import Contents
from mirror.bundle.documents import Documents, Member
from mirror.bundle.files import read_pieces, sync_folder, write_at
from mirror.bundle.lock import Lock
from mirror.bundle.pages import Pages
from mirror.bundle.slots import Key, Slot, lay_out, length
from mirror.errors import IntegrityFault, MachineFault, UsageFault
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Content, Piece
from mirror.settings import MARK_EVERY
from mirror.text import human_size
from mirror.transfer.crew import Stopped
from mirror.transfer.journal import Journal

# What a system answers where a file cannot be that large: a full disk, a quota, FAT's 4 GiB.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class _Begun:
    """How many bytes of a blob are in their place: by this run, and by one before it."""

    size: int = 0
    earlier: int = 0


class BundleWriter:
    """The sink of a ``bundle create``.

    ``FILE.partial`` beside ``FILE.journal`` until ``finish``. A kill at any moment leaves
    either no FILE or a whole one, and the next writer of the same contents goes on from
    what is there.
    """

    def __init__(
        self,
        path: Path,
        contents: Contents,
        *,
        mtime: int,
        force: bool = False,
        suffix: str = "",
    ) -> None:
        """Reserve the whole file; MachineFault before any blob is fetched if that fails.

        ``suffix`` sets a second writer of the same FILE apart from the first one.
        """
        if not force:
            refuse_existing(path)
        refuse_folder(path)
        self.path = path
        self._force = force
        self.partial = path.with_name(f"{path.name}{suffix}.partial")
        documents = Documents(contents)
        self._slots, self._size = _plan(documents)
        work = _work(documents, len(self._slots), mtime)
        self._journal = Journal(path.with_name(f"{path.name}{suffix}.journal"), work)
        self._lock = Lock(self.partial)
        self._file = self._lock.file
        self._pages = Pages(self._file, self._size)
        try:
            self._finished, self._begun = self._earlier()
            self._reserve()
            self._write_head(contents, documents, mtime)
            self._journal.start(afresh=not self._resumes)
            self._lock.sign()
        except BaseException:
            self._lock.forget()
            os.close(self._file)
            raise

    @property
    def size(self) -> int:
        """Bytes of the finished file."""
        return self._size

    def holds(self, descriptor: Descriptor, target: str = "") -> bool:
        """True where an earlier run finished this blob and its bytes still hash to its digest."""
        if descriptor.digest not in self._finished:
            return False
        digest = hashlib.sha256()
        for piece in self._pieces(descriptor):
            digest.update(piece)
        return digest.hexdigest() == descriptor.digest.hex

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str = "", start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        """A blob that was written: the source of a bundle with fewer images."""
        yield self._pieces(descriptor, start)

    def mount(self, descriptor: Descriptor, target: str, holder: str) -> bool:
        """A file has nowhere to take blobs over from."""
        return False

    def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
        """Write a blob to its own place, then note it in the journal.

        It goes on from where an earlier attempt was cut, or, as far as the journal noted, an
        earlier run; bytes that turn out wrong are all asked for again.
        """
        begun = self._begun.setdefault(descriptor.digest, _Begun())
        if begun.earlier:
            kept = min(begun.earlier, descriptor.size)
            content.recall(self._pieces(descriptor, 0, kept))
            begun.size, begun.earlier = kept, 0
        try:
            with content.open(begun.size) as pieces:
                self._fill(descriptor.digest, begun, pieces)
        except IntegrityFault:
            begun.size = 0
            self._journal.mark(descriptor.digest, 0)
            raise
        except Stopped:
            # A run that ends in order keeps all that it fetched: on a link of 1 MB/s, what would
            # be lost since the last mark is a minute of four transfers.
            self._journal.mark(descriptor.digest, begun.size)
            raise
        self._journal.add(descriptor.digest)
        del self._begun[descriptor.digest]

    def _fill(self, digest: Digest, begun: _Begun, pieces: Iterator[Piece]) -> None:
        slot = self._slots[digest]
        for piece in pieces:
            write_at(self._file, piece, slot.content + begun.size)
            before = begun.size
            begun.size += len(piece)
            self._pages.written(slot.content, before, begun.size)
            if begun.size // MARK_EVERY > before // MARK_EVERY and begun.size < slot.size:
                self._journal.mark(digest, begun.size)
        self._pages.all_written(slot.content, begun.size)

    def finish(self) -> None:
        """Make the file last, give it its name, and forget the journal.

        MachineFault where FILE came to be meanwhile; what is finished stays for a run with
        ``force``.
        """
        try:
            os.fsync(self._file)
            if not self._force:
                refuse_existing(self.path)
            self._lock.forget()
            os.rename(self.partial, self.path)
            sync_folder(self.path)
        except OSError as cause:
            raise MachineFault.from_os("cannot finish the bundle", cause) from cause
        self._journal.close(remove=True)

    def close(self) -> None:
        """End here; what an unfinished bundle has so far stays for the next run."""
        self._journal.close(remove=False)
        self._lock.forget()
        file, self._file = self._file, _CLOSED
        os.close(file)

    def _pieces(
        self, descriptor: Descriptor, start: int = 0, end: int | None = None
    ) -> Iterator[Piece]:
        slot = self._slots[descriptor.digest]
        size = (slot.size if end is None else end) - start
        return read_pieces(self._file, slot.content + start, size, self._pages)

    # --- the start ------------------------------------------------------------------------

    @property
    def _resumes(self) -> bool:
        """True where an earlier run left something to go on from."""
        return bool(self._finished or self._begun)

    def _earlier(self) -> tuple[set[Digest], dict[Digest, _Begun]]:
        """Blobs to go on from; a file that is not this bundle's partial is emptied."""
        finished, marks = self._journal.earlier()
        if os.fstat(self._file).st_size != self._size:
            finished, marks = set(), {}
        if not finished and not marks:
            os.ftruncate(self._file, 0)
        return finished, {digest: _Begun(earlier=size) for digest, size in marks.items()}

    def _reserve(self) -> None:
        """Ask how much is free before taking it: a failing reservation fills the disk first."""
        disk, held = os.statvfs(self.path.parent), os.fstat(self._file).st_blocks * 512
        free = disk.f_bavail * disk.f_frsize
        try:
            if free + held < self._size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.posix_fallocate(self._file, 0, self._size)
        except OSError as cause:
            if not self._resumes:
                self.partial.unlink(missing_ok=True)
                self._journal.close(remove=True)
            if cause.errno not in _NO_ROOM:
                raise MachineFault.from_os("cannot reserve the bundle", cause) from cause
            need = human_size(self._size)
            fact = f"{self.path} needs {need}, and {human_size(free)} are free there"
            raise MachineFault("no room for the bundle", fact=fact, hint=_ROOM) from cause

    def _write_head(self, contents: Contents, documents: Documents, mtime: int) -> None:
        """Every header, and every member whose bytes are known; a new file's padding is zero."""
        for slot in self._slots.values():
            manifest = None if isinstance(slot.key, str) else contents.manifests.get(slot.key)
            raw = manifest.raw if manifest else b""
            write_at(self._file, tar.header(slot.name, slot.size, mtime) + raw, slot.start)
            if isinstance(slot.key, str):
                self._write_document(slot, documents.pieces(slot.key))
            if self._resumes:
                # What an earlier run left may have been changed since, padding too.
                write_at(self._file, bytes(tar.padding(slot.size)), slot.content + slot.size)
        if self._resumes:
            write_at(self._file, tar.TRAILER, self._size - len(tar.TRAILER))

    def _write_document(self, slot: Slot, pieces: Iterator[bytes]) -> None:
        position = slot.content
        for piece in pieces:
            write_at(self._file, piece, position)
            position += len(piece)


# In place of a closed file's number, which the next file to be opened gets: a worker left behind
# by an interrupt must not write into that one.
_CLOSED = -1

_EXISTS = "choose another name, or --force to replace it"
_FOLDER = "name the file to write inside it"
_ROOM = "free some room, or write to another disk: 'tkg-mirror bundle plan' tells what is needed"


def refuse_existing(path: Path) -> None:
    """MachineFault where FILE is there already: nothing is replaced unasked."""
    if path.exists() or path.is_symlink():
        raise MachineFault("the bundle exists already", fact=str(path), hint=_EXISTS)


def refuse_folder(path: Path) -> None:
    """MachineFault where FILE cannot become a bundle: a folder, a device, a link, or no folder
    to put it in. The rename at the very end would fail, or replace what nobody meant.
    """
    if path.is_dir():
        raise MachineFault("the bundle would replace a folder", fact=str(path), hint=_FOLDER)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise MachineFault("the bundle would replace what is no file", fact=str(path))
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise MachineFault("no folder to write the bundle in", fact=str(path.parent))
    folder = path.parent.stat()
    if folder.st_mode & stat.S_IWOTH and folder.st_uid not in (0, os.geteuid()):
        # Its owner could put another file in the bundle's place, sticky bit or not. Removable
        # media are often mounted open to all, but by root.
        what = "the folder is somebody else's, and open to all"
        raise MachineFault(what, fact=str(path.parent), hint="write to a folder of your own")


def file_size(contents: Contents) -> int:
    """Bytes of the bundle that ``contents`` make, and so of the disk they need."""
    return length(member.size for member in _members(Documents(contents)))


def source_date() -> int:
    """The time of every member: 0, or SOURCE_DATE_EPOCH (reproducible-builds.org), seconds."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    digits = text.isascii() and text.isdigit() and len(text) <= 11
    if not digits or int(text) >= tar.OCTAL_LIMIT:
        raise UsageFault("not a number of seconds", fact=f"SOURCE_DATE_EPOCH={text[:40]!r}")
    return int(text)


def _plan(documents: Documents) -> tuple[dict[Key, Slot], int]:
    slots, size = lay_out((member.key, member.size) for member in _members(documents))
    return {slot.key: slot for slot in slots}, size


def _members(documents: Documents) -> Iterator[Member]:
    """Every member, bundle.json first."""
    return chain([documents.inventory], documents.members)


def _work(documents: Documents, slots: int, mtime: int) -> Digest:
    """What a partial file is part of: every byte of a bundle follows from these."""
    head = documents.inventory.digest.hex.encode()
    return Digest.of(head + tar.header(tar.INVENTORY, slots, mtime))
