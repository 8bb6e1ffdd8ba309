"""Connections that wait for their next request.

httpcore's own pool looks at every connection that it keeps, under one lock, at each request and at
each end of one: with a few thousand small requests its threads spend a third of their time there.
It also looks at connections that another thread has just taken, and closes one whose answer is
already there. Here a waiting connection belongs to the pool, any other to its request alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import httpcore

# Scheme, host and port; httpcore's own word for it cannot be looked up in a dict.
Place = tuple[bytes, bytes, int]


class Wire(Protocol):
    """One connection: ours where it is straight, httpcore's by way of a proxy."""

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """One exchange; the connection is busy until the answer's stream is closed."""

    def is_idle(self) -> bool:
        """True where an exchange came to its end, and another one can begin."""

    def has_expired(self) -> bool:
        """True for an idle one that its peer has closed."""

    def close(self) -> None:
        """Close it, whatever it does."""


Ended = Callable[[], None]


class Pool:
    """Connections to any origin, by one way out. Thread-safe."""

    def __init__(self, make: Callable[[httpcore.Origin], Wire], keep: int) -> None:
        """``keep`` connections may wait for each origin; the last to come goes first."""
        self._make = make
        self._keep = keep
        self._waiting: dict[Place, deque[Wire]] = {}
        self._open = set[Wire]()
        self._closed = False
        self._lock = threading.Lock()

    def exchange(self, request: httpcore.Request) -> tuple[httpcore.Response, Ended]:
        """The answer, its body unread, and what to call once its stream is closed."""
        origin = request.url.origin
        place = origin.scheme, origin.host, origin.port
        wire = self._taken(place) or self._opened(origin)
        try:
            answer = wire.handle_request(request)
        except httpcore.ConnectionNotAvailable:
            # ``close`` had it in the moment since it was taken: no fault of the peer's.
            self._drop(wire)
            raise httpcore.LocalProtocolError("the connection was closed here") from None
        except BaseException:
            self._drop(wire)
            raise
        return answer, lambda: self._ended(place, wire)

    def close(self) -> None:
        """Close every connection; whoever uses one fails."""
        with self._lock:
            self._closed = True
            left, self._open = self._open, set()
            self._waiting.clear()
        for wire in left:
            wire.close()

    def _taken(self, place: Place) -> Wire | None:
        """A connection that waits and is not closed by its peer."""
        while True:
            with self._lock:
                waiting = self._waiting.get(place)
                wire = waiting.pop() if waiting else None
            if wire is None or not wire.has_expired():
                return wire
            self._drop(wire)

    def _opened(self, origin: httpcore.Origin) -> Wire:
        wire = self._make(origin)
        with self._lock:
            self._open.add(wire)
        return wire

    def _ended(self, place: Place, wire: Wire) -> None:
        """Keep a connection for the next request, if it can take one and there is room."""
        with self._lock:
            if not self._closed and wire.is_idle():
                waiting = self._waiting.setdefault(place, deque())
                if len(waiting) < self._keep:
                    waiting.append(wire)
                    return
        self._drop(wire)

    def _drop(self, wire: Wire) -> None:
        with self._lock:
            self._open.discard(wire)
        wire.close()
