"""A source and a sink in memory, behind the same doors as registries and bundles.

    source, sink = Shelf({digest: content}), Store()
    engine(source, sink).run([Move(descriptor, "host/app", ("air/app",))])
    source.read_from, sink.kept["air/app"]

``Shelf.faults`` are raised by the next reads of a blob, one a read; ``Shelf.pieces`` says in how
many bytes a blob comes. A store that may ``mount`` does, and writes down what it was asked.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from mirror.events import Listener, silent
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Piece
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

    @contextmanager
    def read(self, descriptor: Descriptor, origin: str) -> Iterator[Iterator[Piece]]:
        self.read_from.append((descriptor.digest, origin))
        yield self._pieces(descriptor.digest)

    def _pieces(self, digest: Digest) -> Iterator[Piece]:
        content, faults = self.contents[digest], self.faults.get(digest)
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

    def write(self, descriptor: Descriptor, target: str, pieces: Iterator[Piece]) -> None:
        self.asked.append(("write", target, descriptor.digest))
        content = bytearray()
        for piece in pieces:
            content += piece
            with self._lock:
                self.received += piece
            if len(content) == descriptor.size:
                # Like a server that counts: the last byte is the end of the upload.
                self.kept[target][descriptor.digest] = bytes(content)


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
