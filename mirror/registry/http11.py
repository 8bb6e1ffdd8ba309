"""HTTP/1.1 over one straight connection, by h11.

httpcore, which does the same by way of a proxy, joins every piece of a body to a bytes object of
its own before it goes out, and gives up a connection whose body was read past it: a tenth of the
time of a push, and a handshake for each large blob of a create.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import h11
import httpcore

from mirror.registry.body import ALL_READ
from mirror.registry.network import Backend, Stream
from mirror.settings import MAX_ONE_HEAD, RECEIVE_HEAD, SEND_TOGETHER


class Direct:
    """One connection to an origin, made at its first request: a ``pool.Wire``."""

    def __init__(self, context: ssl.SSLContext, backend: Backend, origin: httpcore.Origin) -> None:
        self._context = context
        self._backend = backend
        self._origin = origin
        self._stream: Stream | None = None
        self._idle = False
        self._closed = False

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """One exchange; raises httpcore's faults, and h11's LocalProtocolError for a body that
        is not as long as its request says.
        """
        if self._closed:
            raise httpcore.LocalProtocolError("the connection was closed here")
        self._idle = False
        times = request.extensions.get("timeout", {})
        stream = self._stream or self._connected(times.get("connect"))
        exchange = _Exchange(stream, times.get("read"), times.get("write"))
        try:
            with suppress(httpcore.WriteError):
                # Who refuses a body may close before it has come, and its words still count.
                exchange.send(request)
            head = exchange.head(bodiless=request.method == b"HEAD")
        except BaseException:
            self.close()
            raise
        extensions = {
            "http_version": b"HTTP/" + head.http_version,
            "network_stream": stream,
            ALL_READ: exchange.all_read,
        }
        headers = head.headers.raw_items()
        content = _Body(self, exchange)
        return httpcore.Response(
            head.status_code, headers=headers, content=content, extensions=extensions
        )

    def is_idle(self) -> bool:
        """True where an exchange came to its end, and another one can begin."""
        return self._idle

    def has_expired(self) -> bool:
        """True for an idle one that its peer has closed, or has sent what nobody asked for."""
        return self._stream is None or bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close it, whatever it does."""
        self._idle, self._closed = False, True
        if self._stream:
            self._stream.close()

    def ended(self, *, clean: bool) -> None:
        """An exchange is over; only behind a ``clean`` one can another begin."""
        if clean and not self._closed:
            self._idle = True
        else:
            self.close()

    def _connected(self, timeout: float | None) -> Stream:
        host = self._origin.host.decode("ascii")
        stream = self._backend.connect_tcp(host, self._origin.port, timeout)
        if self._origin.scheme == b"https":
            self._context.set_alpn_protocols(["http/1.1"])
            stream = stream.start_tls(self._context, host, timeout)
        self._stream = stream
        return stream


class _Exchange:
    """One request and its answer; timeouts in seconds, None for no bound.

    Each has a parser of its own: what a peer sends behind an answer is no answer to the next
    request.
    """

    def __init__(self, stream: Stream, reading: float | None, writing: float | None) -> None:
        self._stream = stream
        self._reading = reading
        self._writing = writing
        self._parser = h11.Connection(h11.CLIENT, MAX_ONE_HEAD)
        self._waiting = bytearray()
        """The beginning of what is sent next, SEND_TOGETHER bytes at most."""
        self._read_past = False

    def send(self, request: httpcore.Request) -> None:
        """Send all of a request; pieces of its body go out as they are, uncopied."""
        try:
            head = h11.Request(
                method=request.method, target=request.url.target, headers=request.headers
            )
        except h11.LocalProtocolError as cause:
            # A header that is none is the caller's fault, under httpcore's name for it.
            raise httpcore.LocalProtocolError(str(cause)) from cause
        self._later(self._framed(head))
        if int(dict(head.headers).get(b"content-length", 0)) > SEND_TOGETHER:
            # Its first piece may be long in coming, and a peer may close what says nothing.
            self._write(b"")
        for piece in _iterated(request.stream):
            self._later(self._framed(h11.Data(data=piece)))
        self._later(self._framed(h11.EndOfMessage()))
        self._write(b"")

    def _later(self, parts: list[Any]) -> None:
        """Send large parts as they are, and small ones together with those that come next."""
        for part in parts:
            if len(self._waiting) + len(part) > SEND_TOGETHER:
                self._write(part)
            else:
                self._waiting += part

    def _write(self, part: Any) -> None:
        waiting, self._waiting = bytes(self._waiting), bytearray()
        for each in (waiting, part):
            if each:
                self._stream.write(each, self._writing)

    def _framed(self, event: h11.Event) -> list[Any]:
        return self._parser.send_with_data_passthrough(event) or []

    def head(self, *, bodiless: bool) -> h11.Response:
        """The answer's head. Where it is all of the answer the exchange is over with it, whether
        somebody reads a body or not.
        """
        while not isinstance(event := self._event(), h11.Response):
            # "100 Continue" and its like; the parser refuses another protocol.
            pass
        if bodiless or event.status_code == 204:
            self._event()
        return event

    def body(self) -> Iterator[bytes]:
        """The answer's body as it comes."""
        while self._parser.their_state is h11.SEND_BODY:
            event = self._event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    def _event(self) -> Any:
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as cause:
                raise httpcore.RemoteProtocolError(str(cause)) from cause
            if event is not h11.NEED_DATA:
                return event
            data = self._stream.read(RECEIVE_HEAD, self._reading)
            if not data and self._parser.their_state is h11.SEND_RESPONSE:
                # httpcore's words, which `trust` knows.
                raise httpcore.RemoteProtocolError("Server disconnected without sending a response")
            self._parser.receive_data(data)

    def all_read(self) -> None:
        """Somebody read the rest of the body off the socket."""
        self._read_past = True

    @property
    def clean(self) -> bool:
        """True where both sides are done, and nothing came behind the answer."""
        done = self._parser.our_state is h11.DONE
        whole = self._read_past or self._parser.their_state is h11.DONE
        behind, closed = self._parser.trailing_data
        return done and whole and not (behind or closed or self._stream.pending)


class _Body:
    """An answer's body; closing it ends the exchange."""

    def __init__(self, wire: Direct, exchange: _Exchange) -> None:
        self._wire = wire
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self._exchange.body()

    def close(self) -> None:
        self._wire.ended(clean=self._exchange.clean)


def _iterated(stream: Any) -> Iterator[Any]:
    """The pieces of a request's body, as far as there is one."""
    return (piece for piece in stream if piece)
