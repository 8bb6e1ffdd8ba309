"""One writer for one file: a lock on the partial file, and a note of who holds it.

The lock is the system's (flock) and ends with the process, however that ends. The note beside
it, ``FILE.partial.lock``, is for the message of a second run alone. Its writer holds a lock on
the note too, so one that a killed run left behind is not taken for the holder's.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mirror.errors import MachineFault
from mirror.oci.strictjson import parse_object, text_at
from mirror.settings import KIB
from mirror.text import printable

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Lock:
    """``path`` open for reading and writing as ``file``, and nobody else's until that is closed.

    Raises MachineFault where another run has it, naming that run's process, host and start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._note: int | None = None
        self.file = _locked(path, self._path)

    def sign(self) -> None:
        """Write the note: after the bundle is reserved, whose room it must not take."""
        self._note = _write(self._path)

    def forget(self) -> None:
        """Remove the note. Before the lock goes: afterwards it may be the next holder's."""
        note, self._note = self._note, None
        if note is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(note)


def _locked(path: Path, note: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o666)
    except OSError as cause:
        raise MachineFault.from_os("cannot write the bundle", cause) from cause
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        os.close(file)
        raise _taken(path, note) from cause
    if not _is_named(file, path):
        # The other run gave the file its final name between the two calls above.
        os.close(file)
        raise _taken(path, note)
    if os.fstat(file).st_uid != os.geteuid():
        # Its owner could change the bundle after it is done, or while it is written.
        os.close(file)
        what = "the unfinished bundle is somebody else's"
        raise MachineFault(what, fact=str(path), hint=_FOREIGN)
    return file


def _is_named(file: int, path: Path) -> bool:
    """True where ``path`` still names the open file."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _taken(path: Path, note: Path) -> MachineFault:
    what = "another run is writing this bundle"
    return MachineFault(what, fact=f"{path}{_holder(note)}", hint=_LOCKED)


def _holder(note: Path) -> str:
    """Who says to have the lock; empty where nobody says so, or nobody any more."""
    try:
        found = parse_object(_read(note))
        host, since = text_at(found, "host"), text_at(found, "since")
    except (OSError, ValueError):
        return ""
    pid = printable(str(found.get("pid")), 20)
    return f": process {pid} on {printable(host, 80)} since {printable(since, 40)}"


def _read(note: Path) -> bytes:
    """A note that its writer still holds; empty for any other."""
    file = os.open(note, os.O_RDONLY | _OPEN)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(file, 4 * KIB)
    finally:
        os.close(file)
    return b""


def _write(note: Path) -> int | None:
    """Say who we are: process id, host, start (RFC 3339, UTC). Without it the lock holds too."""
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({"pid": os.getpid(), "host": os.uname().nodename, "since": since})
    try:
        # A new file each time: what is read under the lock was written under the lock.
        note.unlink(missing_ok=True)
        file = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o644)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
        os.write(file, text.encode())
    return file


_FOREIGN = "remove it, or write to a folder where nobody else may"
_LOCKED = "wait for the other run, or stop it"
