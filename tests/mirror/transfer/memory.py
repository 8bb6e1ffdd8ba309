"""A source and a sink in memory, behind the same doors as registries and bundles.

    source, sink = Shelf({digest: content}), Store()
    engine(source, sink).run([Move(descriptor, "host/app", ("air/app",))])
    source.read_from, sink.kept["air/app"]

``Shelf.faults`` are raised by the next reads of a blob, one a read; ``Shelf.pieces`` says in how
many bytes a blob comes, ``Shelf.spoilt`` how many reads begin with a wrong byte, ``Shelf.starts``
from which offsets it was read. A store that may ``mount`` does, and writes down what it was
asked; one that ``resumes`` keeps what it got of a blob for the next attempt.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from mirror.events import Listener, silent
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Content, Piece
from mirror.transfer.crew import Crew
from mirror.transfer.engine import Engine
from mirror.transfer.retry import Retry


def blob(content: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(content), len(content))


class Shelf:
    """Blobs to read."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {Digest.of(content): content for content in contents}
        self.read_from: list[tuple[Digest, str]] = []
        self.faults: dict[Digest, list[BaseException]] = {}
        self.pieces = 4
        self.starts: list[int] = []
        self.spoilt = 0

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        self.read_from.append((descriptor.digest, origin))
        self.starts.append(start)
        yield self._pieces(descriptor.digest, start)

    def _pieces(self, digest: Digest, start: int) -> Iterator[Piece]:
        content, faults = self.contents[digest][start:], self.faults.get(digest)
        if self.spoilt:
            self.spoilt -= 1
            content = bytes([content[0] ^ 1]) + content[1:]
        # One buffer for all pieces, as a socket's is: whoever keeps a view sees it change.
        buffer = bytearray(self.pieces)
        for start in range(0, len(content), self.pieces):
            piece = content[start : start + self.pieces]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]
            if faults:
                raise faults.pop(0)


class Store:
    """Blobs that were kept, by target."""

    def __init__(self, *, mounts: bool = True) -> None:
        self.kept: defaultdict[str, dict[Digest, bytes]] = defaultdict(dict)
        self.asked: list[tuple[str, str, Digest]] = []
        self.received = bytearray()
        self.begun: dict[tuple[str, Digest], bytearray] = {}
        self.resumes = False
        self._mounts = mounts
        self._lock = threading.Lock()

    def holds(self, descriptor: Descriptor, target: str) -> bool:
        self.asked.append(("holds", target, descriptor.digest))
        return descriptor.digest in self.kept[target]

    def mount(self, descriptor: Descriptor, target: str, holder: str) -> bool:
        self.asked.append(("mount " + holder, target, descriptor.digest))
        if self._mounts and descriptor.digest in self.kept[holder]:
            self.kept[target][descriptor.digest] = self.kept[holder][descriptor.digest]
            return True
        return False

    def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
        self.asked.append(("write", target, descriptor.digest))
        kept = self.begun.setdefault((target, descriptor.digest), bytearray())
        if not self.resumes:
            kept.clear()
        with content.open(len(kept)) as pieces:
            for piece in pieces:
                kept += piece
                with self._lock:
                    self.received += piece
                if len(kept) == descriptor.size:
                    # Like a server that counts: the last byte is the end of the upload.
                    self.kept[target][descriptor.digest] = bytes(kept)


def engine(
    source: Shelf,
    sink: Store,
    *,
    workers: int = 1,
    retries: int = 0,
    keep_going: bool = False,
    listener: Listener = silent,
) -> Engine:
    crew = Crew(workers, keep_going)
    return Engine(source, sink, "the bundle", crew, Retry(retries, crew, listener), listener)
