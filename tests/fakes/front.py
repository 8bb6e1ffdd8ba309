"""One address in front of several servers, as a load balancer or an ingress is.

    with Registry(shelf, secret="a") as one, Registry(shelf, secret="b") as two:
        with Front(alternately(one.port, two.port)) as front:
            httpx.get(f"{front.url}/v2/")  # asks the first, the next request the second

A route is a function of a request's head. It names the port that the request goes to, and may
change the head on its way. What is to happen at a moment of a test's choice is hung up there, and
runs before the request goes on:

        front.before("PUT", "/blobs/uploads/", one.kill, nth=2)

Bodies are streamed both ways at the same time, so an answer that comes before the end of a body
comes through. Each connection carries one request: the front asks for `Connection: close`.
`front.heads` is every request that came by.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from tests.fakes.http import Server
from tests.fakes.message import PIECE, Reply, Request

__all__ = ["Front", "Head", "Route", "alternately"]

# Seconds that one read may take; the registries behind it answer in milliseconds.
PATIENCE = 20.0


@dataclass(frozen=True)
class Head:
    """A request without its body; header names as they were sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return a header's value, or nothing."""
        return next((text for key, text in self.headers if key.lower() == name.lower()), "")

    def having(self, name: str, value: str) -> Head:
        """Return the same head with this header in the place of all of its name."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))

    def __bytes__(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {text}" for name, text in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


Route = Callable[[Head], tuple[int, Head]]


def alternately(*ports: int) -> Route:
    """Send each request to the next of the ports, as a balancer without memory does."""
    turns, lock = itertools.cycle(ports), threading.Lock()

    def route(head: Head) -> tuple[int, Head]:
        with lock:
            return next(turns), head

    return route


@dataclass
class _Plan:
    """What happens before the nth request of a kind."""

    method: str
    pattern: re.Pattern[str]
    act: Callable[[], object]
    left: int

    def due(self, head: Head) -> bool:
        if self.method != head.method or not self.pattern.search(head.target):
            return False
        self.left -= 1
        return self.left == 0


@dataclass
class Front:
    """See the module. `route` may be exchanged while it runs."""

    route: Route
    heads: list[Head] = field(default_factory=list)
    _plans: list[_Plan] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._server = _Passages(self._pass)
        self._thread = threading.Thread(target=self._server.run, name="front")

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return f"http://{self.host}"

    def before(self, method: str, pattern: str, act: Callable[[], object], *, nth: int = 1) -> None:
        """Do this once, before the nth of these requests to come goes on."""
        self._plans.append(_Plan(method, re.compile(pattern), act, nth))

    def count(self, method: str, pattern: str) -> int:
        """Return how many requests of this method had the pattern in their target."""
        return sum(h.method == method and bool(re.search(pattern, h.target)) for h in self.heads)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.end()
        self._thread.join()
        if self._server.faults and error is None:
            raise self._server.faults[0]

    def _pass(self, head: Head) -> tuple[int, Head]:
        with self._lock:
            self.heads.append(head)
            for plan in self._plans:
                if plan.due(head):
                    plan.act()
        return self.route(head)


class _Passages(Server):
    """Listens, and ends with all of its connections; what it answers comes from elsewhere."""

    def __init__(self, route: Route) -> None:
        super().__init__(_nothing)
        self.RequestHandlerClass = _Passage
        self.route = route


def _nothing(_request: Request) -> Reply:
    raise AssertionError("a front answers nothing by itself")


class _Passage(BaseHTTPRequestHandler):
    """One request on its way there, and its answer on the way back."""

    timeout = PATIENCE
    server: _Passages

    def _serve(self) -> None:
        self.close_connection = True
        came = Head(self.command, self.path, tuple(self.headers.items()))
        port, head = self.server.route(came)
        try:
            upstream = socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            return  # nobody is there: the client sees a connection that ends
        with upstream:
            upstream.sendall(bytes(head.having("Connection", "close")))
            sender = threading.Thread(target=self._send, args=(upstream,), name="front body")
            sender.start()
            with contextlib.suppress(OSError), upstream.makefile("rb") as answer:
                # Either side may end it; a server that was asked to close need not say so.
                self.wfile.write(_closing(answer.readline()))
                while piece := answer.read1(PIECE):
                    self.wfile.write(piece)
            sender.join()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _send(self, upstream: socket.socket) -> None:
        """Pass the body on; one that nobody takes any more is read to its end all the same."""
        left, taken = int(self.headers.get("Content-Length", 0)), True
        with contextlib.suppress(OSError):
            while left and (piece := self.rfile.read1(min(left, PIECE))):
                left -= len(piece)
                try:
                    if taken:
                        upstream.sendall(piece)
                except OSError:
                    taken = False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent: `heads` is the log."""


def _closing(status_line: bytes) -> bytes:
    return status_line and status_line + b"Connection: close\r\n"
