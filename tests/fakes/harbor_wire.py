"""The wire side of the Harbor facade: refusals are sent, everything else streams to and fro.

Bodies of uploads and of blobs go through in pieces of 64 KiB and are never held as a whole.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPResponse, responses
from typing import NoReturn

from tests.fakes.http import Handler, Server
from tests.fakes.message import PIECE, Reply, Request

# Bytes of a body that Go's server reads on after a refusal; of a longer one it drops the rest
# together with the connection.
READ_ON = 256 * 1024

# Of one connection, or Harbor's own matter: the registry behind asks for no credentials.
_KEPT_BACK = frozenset({"connection", "keep-alive", "authorization", "cookie"})


@dataclass(frozen=True)
class Relay:
    """The request goes on to the registry behind.

    `ended` hears the status and headers of its answer before the client does; the status is 0
    where the client went away.
    """

    ended: Callable[[int, Mapping[str, str]], None] = lambda _status, _headers: None


Decide = Callable[[Request], Reply | Relay]
Record = Callable[[Request, int, int], None]


class Front(Server):
    """Asks `decide` about the head of each request; `record` gets request, status, body size.

    The bodies of blob uploads are not in the request: they are still on their way.
    """

    def __init__(
        self, decide: Decide, record: Record, backend: int, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(_never, tls)
        self.RequestHandlerClass = FrontHandler
        self.decide = decide
        self.record = record
        self.backend = backend


class FrontHandler(Handler):
    """One connection."""

    server: Front

    def _pass(self) -> None:
        base = f"{self.server.scheme}://{self.headers['Host']}"
        headers = {name.lower(): text for name, text in self.headers.items()}
        body = b"" if "/blobs/uploads/" in self.path else self._body()
        request = Request(self.command, self.path, headers, base, body)
        decision = self.server.decide(request)
        if isinstance(decision, Reply):
            self._refuse(request, decision)
        else:
            self._relay(request, decision)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815

    def _refuse(self, request: Request, reply: Reply) -> None:
        """Answer first and take the body afterwards, so that no reset overtakes the answer."""
        self.server.record(request, reply.status, len(request.body))
        headers = {**_of_core(), **reply.headers}
        if _stated(request) > READ_ON or _chunked(request):
            headers["Connection"] = "close"
            self.close_connection = True
        self._send(replace(reply, headers=headers))
        for _piece in self._pieces(request):
            pass

    def _relay(self, request: Request, relay: Relay) -> None:
        backend, told = HTTPConnection("127.0.0.1", self.server.backend), False
        try:
            _begin(backend, request)
            size = self._carry(backend, request)
            answer = backend.getresponse()
            headers = {name.lower(): text for name, text in answer.getheaders()}
            told = True
            self.server.record(request, answer.status, size)
            relay.ended(answer.status, headers)
            self._give(answer)
        finally:
            backend.close()
            if not told:
                relay.ended(0, {})

    def _carry(self, backend: HTTPConnection, request: Request) -> int:
        """Bring the body over, and return its size."""
        size, heard = 0, True
        for piece in self._pieces(request):
            size += len(piece)
            heard = heard and _forward(backend, request, piece)
        if heard:
            _forward(backend, request, b"")
        return size

    def _pieces(self, request: Request) -> Iterator[bytes]:
        """The body, of whatever framing, as it comes in."""
        if request.body:
            yield request.body
        elif not self._streams():
            return
        elif _chunked(request):
            yield from iter(self._chunk, b"")
        else:
            left = _stated(request)
            while left:
                # read1: what has come is passed on, however short the client's pieces are.
                piece = self.rfile.read1(min(left, PIECE))
                if not piece:
                    raise ConnectionResetError("the client went away inside a body")
                left -= len(piece)
                yield piece

    def _streams(self) -> bool:
        return "/blobs/uploads/" in self.path

    def _give(self, answer: HTTPResponse) -> None:
        headers = dict(answer.getheaders()) | _of_core()
        bare = answer.length is None and self.command != "HEAD" and answer.status != 204
        if bare:
            # http.client has taken the chunks apart: the connection's end is the body's.
            headers = {n: t for n, t in headers.items() if n.lower() != "transfer-encoding"}
            headers["Connection"] = "close"
            self.close_connection = True
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        for piece in iter(lambda: answer.read1(PIECE), b""):
            self.wfile.write(piece)
        self.wfile.flush()


def _begin(backend: HTTPConnection, request: Request) -> None:
    backend.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, text in request.headers.items():
        # The client's own Host, so that the locations of uploads lead back through the facade.
        if name not in _KEPT_BACK:
            backend.putheader(name, text)
    backend.putheader("X-Forwarded-Proto", request.base.partition(":")[0])
    backend.endheaders()


def _forward(backend: HTTPConnection, request: Request, piece: bytes) -> bool:
    """Send a piece in the request's own framing; an empty one is the end.

    False where the registry listens no more: it has answered already, and is to be heard.
    """
    if _chunked(request):
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    try:
        backend.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _chunked(request: Request) -> bool:
    return request.headers.get("transfer-encoding", "").lower() == "chunked"


def _stated(request: Request) -> int:
    return int(request.headers.get("content-length", 0))


def _of_core() -> dict[str, str]:
    """What every answer of Harbor's core carries [M]."""
    cookie = f"sid={secrets.token_hex(16)}; Path=/; HttpOnly"
    return {"X-Request-Id": secrets.token_hex(8), "Set-Cookie": cookie}


def _never(_request: Request) -> NoReturn:
    raise AssertionError("the facade decides about heads of requests")
