"""Threads with a connection each: how the floor asks a registry for several things at a time."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.bench.sockets import Peer

__all__ = ["Peers", "workers"]


class Peers:
    """One connection a thread."""

    def __init__(self, host: str, ca: Path | None) -> None:
        self._host, self._local = host, threading.local()
        self._tls = ssl.create_default_context(cafile=str(ca)) if ca else None
        self._all: list[Peer] = []

    def mine(self) -> Peer:
        """Return this thread's connection."""
        if not hasattr(self._local, "peer"):
            self._local.peer = Peer(self._host, self._tls)
            self._all.append(self._local.peer)
        peer: Peer = self._local.peer
        return peer

    def close(self) -> None:
        """Close them all."""
        for peer in self._all:
            peer.close()


@contextmanager
def workers(
    host: str, jobs: int, ca: Path | None
) -> Iterator[tuple[Peers, Callable[[Callable[..., Any], Iterable[Any]], list[Any]]]]:
    """Give the connections, and a map over threads that raises what they raise."""
    peers = Peers(host, ca)
    try:
        with ThreadPoolExecutor(jobs) as pool:
            yield peers, lambda work, items: list(pool.map(work, items))
    finally:
        peers.close()
