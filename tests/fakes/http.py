"""The wire side of a fake: an HTTP/1.1 server on loopback that sends a reply just as it says."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.ledger import LEDGER
from tests.fakes.message import Reply, Request

Answer = Callable[[Request], Reply]


class Listener(ThreadingHTTPServer):
    """Listens on a loopback port; ends with all of its connections and threads."""

    # Joined at the end: a thread left over would be a ResourceWarning in somebody else's test.
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
    ) -> None:
        self.scheme = "https" if tls else "http"
        self.faults: list[BaseException] = []
        self.closing = threading.Event()
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Condition()
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return f"{self.scheme}://{self.host}"

    def server_bind(self) -> None:
        # HTTPServer would ask the resolver for this address's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def run(self) -> None:
        """Serve until `end`; 10 ms is how long `end` may have to wait."""
        self.serve_forever(poll_interval=0.01)

    def end(self) -> None:
        """Stop listening, drop every connection, and wait for their threads."""
        self.closing.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                drop(connection)
        self.server_close()

    def settle(self) -> None:
        """Wait until what a client that is gone has asked for is answered, and seen by all."""
        with self._lock:
            assert self._lock.wait_for(lambda: not self._open, 30)

    def track(self, connection: socket.socket) -> None:
        """Drop this one too when everything ends; at once if that has begun."""
        with self._lock:
            self._open.add(connection)
            if self.closing.is_set():
                drop(connection)

    def untrack(self, connection: socket.socket) -> None:
        """Leave this one alone from now on."""
        with self._lock:
            self._open.discard(connection)
            self._lock.notify_all()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls:
            # The handshake is the handler thread's matter: a client may refuse it, or take long.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self.track(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.untrack(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong in the fake itself; a client that went away is no fault."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.faults.append(error)


class Server(Listener):
    """Serves one answer function."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        super().__init__(Handler, tls)


class Handler(BaseHTTPRequestHandler):
    """Reads requests, sends replies."""

    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece, and small pieces do not wait for an acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Server

    def _serve(self) -> None:
        base = f"{self.server.scheme}://{self.headers['Host']}"
        # Go's clients send a line for each type that they accept (RFC 9110, 5.3).
        names = {name.lower() for name in self.headers}
        headers = {name: ", ".join(self.headers.get_all(name, [])) for name in names}
        request = Request(self.command, self.path, headers, base, self._body())
        LEDGER.arrived(self.server.url, base, headers, self.path, request.body)
        reply = self.server.answer(request)
        self.close_connection = self.close_connection or reply.must_close
        self._send(reply)
        if reply.stall_after is not None:
            self.server.closing.wait()
        if reply.cut_after is not None:
            drop(self.connection)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _send(self, reply: Reply) -> None:
        if reply.cut_after is not None and reply.cut_after < 0:
            return
        fixed = {"Date": formatdate(usegmt=True)}
        if reply.must_close:
            fixed["Connection"] = "close"
        headers = {**fixed, **reply.headers, **reply.framing()}
        lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Unknown')}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if self.command != "HEAD":
            for piece in reply.pieces():
                self.wfile.write(piece)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent: the fake's list of requests is the log."""


def drop(connection: socket.socket) -> None:
    """End a connection in both directions, whoever still uses it."""
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
