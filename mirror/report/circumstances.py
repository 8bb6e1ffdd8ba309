"""What an examination went by: when, which version, which files. Evidence needs all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from mirror import __version__
from mirror.bundle.reader import Bundle
from mirror.errors import MachineFault


class Given(NamedTuple):
    """One file that was handed in: ``kind`` in words, ``name`` as it was written."""

    kind: str
    name: str
    sha256: str
    """Of its bytes, in hex; of a bundle that of its bundle.json, which names every other byte.

    Empty for a pipe: whoever needed its bytes has read them, and there are no others.
    """


class Circumstances(NamedTuple):
    """``time`` in UTC, when it began; ``options`` are those that change what is found."""

    time: datetime
    version: str
    command: str = ""
    files: tuple[Given, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """RFC 3339, to the second."""
        return self.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def circumstances(
    command: str = "", files: Iterable[Given] = (), options: Iterable[str] = ()
) -> Circumstances:
    """Those of now and of this version."""
    return Circumstances(datetime.now(UTC), __version__, command, tuple(files), tuple(options))


def given_bundle(path: Path) -> Given:
    """A bundle, by its bundle.json; BundleFault or InputFault where it is none."""
    with Bundle(path) as bundle:
        return Given("bundle", str(path), bundle.digest.hex)


def given_file(kind: str, path: Path) -> Given:
    """Any other file; MachineFault where it cannot be read. ``-`` is standard input."""
    if str(path) == "-" or path.is_fifo():
        return Given(kind, str(path), "")
    try:
        with path.open("rb") as file:
            return Given(kind, str(path), hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as cause:
        raise MachineFault.from_os(f"cannot read the {kind}", cause) from cause
