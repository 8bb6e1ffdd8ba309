"""Sockets to checked addresses, and peers on them that only drip."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Collection, Iterable
from math import inf
from typing import Any

import httpcore

from mirror.registry import address, lookup
from mirror.registry.pace import Dripping, Pace, left
from mirror.settings import LEAST_RATE, MAX_HEAD, TLS_RECORD, WRITE_PIECE


class Forbidden(Exception):
    """A name stands for an address that a registry may not send anybody to."""


class Backend(httpcore.NetworkBackend):
    """Opens connections, to the very addresses that were looked at.

    ``home``, the registry, and the hosts in ``allowed`` were named by the operator: they may be
    anywhere. Any other host was named by the registry and must be where ``address.refusal``
    lets it be. Without ``home`` nothing is checked.

    A registry that is a ``stranger`` was named by what was read. It must be where those that the
    operator named could have sent this client: ``around`` has the kinds of their addresses, and
    whoever is no stranger notes its own there.
    """

    def __init__(
        self,
        home: str = "",
        allowed: Collection[str] = (),
        *,
        private: bool = False,
        stranger: bool = False,
        around: set[str] | None = None,
    ) -> None:
        self._home = home
        self._allowed = frozenset(allowed)
        self._private = private
        self._stranger = stranger
        self._around = set[str]() if around is None else around
        self._home_kind = "public"
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Stream:
        """A stream to the first address of ``host`` that answers."""
        places = _resolved(host, port)
        if self._home and host not in self._allowed:
            self._check(host, places)
        fault: Exception = httpcore.ConnectError(f"{host} has no address")
        end = time.monotonic() + (inf if timeout is None else timeout)
        for place in places:
            if time.monotonic() > end:
                # A name may have a hundred dead addresses.
                break
            try:
                stream = self._plain.connect_tcp(
                    place, port, _left(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as cause:
                fault = cause
            else:
                return Stream(stream)
        raise fault

    def _check(self, host: str, places: Iterable[str]) -> None:
        if self._stranger:
            known = (kind for kind in ("loopback", "private") if kind in self._around)
            self._home_kind = next(known, "public")
        for each in map(address.parse, places):
            if host == self._home and not self._stranger:
                self._home_kind = address.kind(each)
                self._around.add(self._home_kind)
                return
            refusal = address.refusal(each, self._home_kind, private=self._private)
            if refusal and host == self._home:
                raise Forbidden(f"only what was read names {host}, and {refusal}")
            if refusal:
                raise Forbidden(f"it sends this client to {host}, and {refusal}")


class Stream(httpcore.NetworkStream):
    """A connection whose peer's pace is kept, by the timeout of each request."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self.raw = _carrier(inner)
        """The socket that carries the bytes; None where its TLS is elsewhere."""
        self._pace = Pace()
        self._asked = False
        """True until the first bytes of an answer: before them a registry may think."""
        self._head = 0
        """Bytes that came since the last word of a request, until its answer is understood."""
        self._heading = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What is there, ``max_bytes`` at most; b"" at the end."""
        with self._pace.waiting():
            found = self._inner.read(max_bytes, _left(timeout))
        if self._asked:
            self._asked = False
            self._pace.begin()
        self._passed(len(found), timeout, httpcore.ReadTimeout)
        if self._heading:
            self._head += len(found)
            if self._head > MAX_HEAD:
                # h11 bounds one head, and there may be any number of "100 Continue" before it.
                raise httpcore.RemoteProtocolError("its answer does not begin")
        return found

    @property
    def pending(self) -> bool:
        """True where TLS has more bytes than were asked for: nobody knows what they are."""
        tls = self.get_extra_info("ssl_object")
        return bool(tls and tls.pending())

    def answered(self) -> None:
        """The head of an answer is over: what comes now is its body."""
        self._heading = False

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """In pieces, and as views: a bytes object would be copied where only a part goes out.

        TLS takes all of a piece or fails when the timeout is over. So it gets no more at a time
        than a peer at the least rate takes in that time, and a record at least.
        """
        if not self._asked:
            self._asked, self._heading, self._head = True, True, 0
            self._pace.begin()
        view: Any = memoryview(buffer)
        size = WRITE_PIECE
        if timeout is not None and isinstance(self.raw, ssl.SSLSocket):
            size = min(WRITE_PIECE, max(TLS_RECORD, int(LEAST_RATE * timeout)))
        for start in range(0, len(view), size):
            piece = view[start : start + size]
            with self._pace.waiting():
                self._inner.write(piece, _left(timeout))
            self._passed(len(piece), timeout, httpcore.WriteTimeout)

    def _passed(
        self, size: int, timeout: float | None, fault: type[httpcore.TimeoutException]
    ) -> None:
        try:
            self._pace.passed(size, inf if timeout is None else timeout)
        except Dripping as cause:
            raise fault(str(cause)) from None

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        """The same connection under TLS."""
        return Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore's streams tell of themselves, by its names."""
        return self._inner.get_extra_info(info)


def _carrier(stream: httpcore.NetworkStream) -> socket.socket | None:
    raw, tls = stream.get_extra_info("socket"), stream.get_extra_info("ssl_object")
    # TLS that is no part of the socket means TLS inside TLS, as through an https proxy.
    inside = isinstance(tls, ssl.SSLObject) or isinstance(raw, ssl.SSLSocket) != (tls is not None)
    return raw if isinstance(raw, socket.socket) and not inside else None


def _left(timeout: float | None) -> float | None:
    """What is left of it (``pace.within``); raises ReadTimeout where nothing is."""
    remaining = left(timeout)
    if remaining is not None and remaining <= 0:
        raise httpcore.ReadTimeout("only a part of its answer came in time")
    return remaining


def _resolved(host: str, port: int) -> list[str]:
    """Every address of a name, each once, in the resolver's order; UnicodeError for no name."""
    seconds = _left(None)
    try:
        if seconds is not None:
            return list(lookup.addresses(host, port, seconds))
    except lookup.NoAddress as cause:
        raise httpcore.ConnectError(f"{host}: {cause}") from None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as cause:
        raise httpcore.ConnectError(f"{host}: {cause}") from cause
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
