"""The wire side of a fault proxy: bodies pass through in pieces, both ways at their own pace."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException, HTTPResponse, responses
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.http import Listener, drop
from tests.fakes.ledger import LEDGER
from tests.fakes.message import PIECE
from tests.fakes.proxy_message import Answer, Ended, Headers, Question, Record, Reset

Go = Callable[[Question], Answer]

# Seconds that the registry may keep silent, so that no thread of a failed test stays for ever.
UPSTREAM_SECONDS = 60.0
# Of one connection only (RFC 9110, section 7.6.1), and those that http.client minds itself.
_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer")
) | {"transfer-encoding", "upgrade", "expect", "content-length"}
_LINGER_NOT = struct.pack("ii", 1, 0)


class ProxyServer(Listener):
    """Takes every request through ``rules`` to the registry, and hands in a record of each."""

    def __init__(
        self,
        upstream: tuple[str, int],
        rules: Callable[[Question, Go], Answer],
        begun: Callable[[Record], None],
        over: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.upstream = upstream
        self.rules = rules
        self.begun = begun
        self.over = over
        super().__init__(ProxyHandler, tls)


class ProxyHandler(BaseHTTPRequestHandler):
    """Carries one exchange after the other; the registry gets a connection for each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: ProxyServer
    _reset = False

    def _serve(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        self._record = Record(self.command, self.path, headers)
        self.server.begun(self._record)
        base = f"{self.server.scheme}://{headers.get('host', '')}"
        LEDGER.arrived(self.server.url, base, headers, self.path)
        try:
            with ExitStack() as resources:
                self._carry(resources)
        except Ended as end:
            self._end(end)
        finally:
            self.server.over()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _carry(self, resources: ExitStack) -> None:
        body, headers = self._body(), tuple(self.headers.items())
        closing, record = self.server.closing, self._record
        question = Question(self.command, self.path, headers, body, closing, resources, record)
        answer = self.server.rules(question, self._forward)
        if answer.unread:
            self.close_connection = True
        else:
            # Some answer is there before the question is over: a registry's 401, or a rule's.
            for _ in body:
                pass
        self._answer(answer)

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self._line().split(b";")[0], 16):
                yield from self._exactly(size)
                self._line()
            self._line()
        else:
            yield from self._exactly(int(self.headers.get("Content-Length", 0)))

    def _line(self) -> bytes:
        if line := self.rfile.readline():
            return line
        raise Ended  # the client left

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read1(min(size, PIECE))
            if not piece:
                raise Ended  # the client left
            self._record.sent += len(piece)
            size -= len(piece)
            yield piece

    # --- upstream -------------------------------------------------------------------------

    def _forward(self, question: Question) -> Answer:
        connection = HTTPConnection(*self.server.upstream, timeout=UPSTREAM_SECONDS)
        question.resources.callback(connection.close)
        try:
            connection.connect()
            self._track(connection.sock, question.resources)
            self._ask(connection, question)
            response = connection.getresponse()
        except (OSError, HTTPException) as cause:
            raise Ended from cause
        question.resources.callback(response.close)
        self._record.upstream = response.status
        headers = _passed_on(tuple(response.getheaders()))
        stated = response.getheader("Content-Length")
        if stated is not None:
            headers += (("Content-Length", stated),)
        return Answer(response.status, headers, _pieces(response))

    def _track(self, connection: socket.socket, resources: ExitStack) -> None:
        self.server.track(connection)
        resources.callback(self.server.untrack, connection)

    def _ask(self, connection: HTTPConnection, question: Question) -> None:
        connection.putrequest(
            question.method, question.target, skip_host=True, skip_accept_encoding=True
        )
        length = self.headers.get("Content-Length")
        chunked = "Transfer-Encoding" in self.headers
        for name, text in _passed_on(question.headers):
            connection.putheader(name, text)
        connection.putheader("Connection", "close")
        # Distribution makes its Locations of these two; the Host came through as it was sent.
        connection.putheader("X-Forwarded-Proto", self.server.scheme)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif length is not None:
            connection.putheader("Content-Length", length)
        connection.endheaders()
        for piece in _chunks(question.body) if chunked else question.body:
            try:
                connection.send(piece)
            except OSError:
                return  # it has answered already, and reads no more

    # --- downstream -----------------------------------------------------------------------

    def _answer(self, answer: Answer) -> None:
        bare = self.command == "HEAD" or answer.status in (204, 304)
        chunked = not bare and answer.length is None
        headers = answer.headers + ((("Transfer-Encoding", "chunked"),) if chunked else ())
        if self.close_connection:
            headers += (("Connection", "close"),)
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {text}" for name, text in headers]
        self._record.status = answer.status
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if not bare:
            self._pour(answer.body, chunked=chunked)
            # A client that was promised more, or got more, cannot use the connection again.
            if not chunked and self._record.received != answer.length:
                self.close_connection = True
        self.wfile.flush()

    def _pour(self, body: Iterator[bytes], *, chunked: bool) -> None:
        for piece in filter(None, body):
            # First written down: a client that has the last byte may look at the record.
            self._record.received += len(piece)
            self.wfile.write(_chunk(piece) if chunked else piece)
            self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _end(self, end: Ended) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
        if isinstance(end, Reset):
            self._reset = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        else:
            drop(self.connection)

    def finish(self) -> None:
        super().finish()
        if self._reset:
            # Before the server says a polite goodbye: its FIN would be first.
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent: the proxy's records are the log."""


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := response.read(PIECE):
            yield piece
    except (OSError, HTTPException) as cause:
        raise Ended from cause


def _passed_on(headers: Headers) -> Headers:
    return tuple((name, text) for name, text in headers if name.lower() not in _HOP)


def _chunks(body: Iterator[bytes]) -> Iterator[bytes]:
    yield from map(_chunk, filter(None, body))
    yield b"0\r\n\r\n"


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
