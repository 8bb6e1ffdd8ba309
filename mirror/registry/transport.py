"""From a request to a socket: proxies, checked addresses, and peers that only drip.

Requests and answers are httpx's, the exchanges httpcore's. httpx's client between them would look
for cookies, redirects and a login at each of them, which is nobody's wish here, and takes as long
for that as the exchange.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from mirror.registry import address, lookup
from mirror.registry.body import ALL_READ
from mirror.registry.pace import Dripping, Pace, left
from mirror.registry.pool import Ended, Pool
from mirror.settings import MAX_HEAD, WRITE_PIECE

# All that httpcore raises for a peer's or a network's sake; it has no class above them. httpx has
# one of the same name for each.
_FAULTS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


# The names of the environment's proxies that count: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY.
_PROXIED = ("http", "https", "all")


class Forbidden(Exception):
    """A name stands for an address that a registry may not send anybody to."""


class Transport:
    """Sends requests by the proxies of the environment, or straight to checked addresses.

    What the environment's variables mean is the standard library's word, ``NO_PROXY`` too; a
    proxy resolves names itself, so behind one no address is checked. Raises ValueError when
    it is made where they name something that is no HTTP proxy. Thread-safe.
    """

    def __init__(
        self, context: ssl.SSLContext, backend: Backend, keep: int, *, direct: bool = False
    ) -> None:
        """``keep`` idle connections are kept for each way out; ``direct`` is past every proxy."""
        self._context = context
        self._keep = keep
        straight = httpcore.ConnectionPool(context, network_backend=backend)
        self._direct = Pool(straight.create_connection, keep)
        self._pools = {
            scheme: self._by_proxy(text)
            for scheme, text in ({} if direct else getproxies()).items()
            if scheme in _PROXIED
        }

    def send(self, request: httpx.Request) -> httpx.Response:
        """One exchange, the answer's body unread; raises httpx.TransportError, and Forbidden."""
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        pool = self._pool(url)
        with _renamed(request):
            answer, ended = pool.exchange(asked)
        body, extensions = _Body(answer.stream, request, ended), dict(answer.extensions)
        wire = extensions.get("network_stream")
        if isinstance(wire, _Stream):
            wire.answered()
            if pool is self._direct:
                extensions[ALL_READ] = partial(body.all_read, asked.url.origin, wire)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=body,
            request=request,
            extensions=extensions,
        )

    def close(self) -> None:
        """Close every connection."""
        for pool in (self._direct, *self._pools.values()):
            pool.close()

    def _pool(self, url: httpx.URL) -> Pool:
        if not self._pools:
            # The usual case, which need not read the environment at every request.
            return self._direct
        return self._pools.get(proxy_for(url), self._direct)

    def _by_proxy(self, text: str) -> Pool:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
        if proxy.url.scheme not in ("http", "https"):
            raise ValueError(proxy.url.scheme)
        way = httpcore.HTTPProxy(
            httpcore.URL(
                scheme=proxy.url.raw_scheme,
                host=proxy.url.raw_host,
                port=proxy.url.port,
                target="/",
            ),
            proxy_auth=proxy.raw_auth,
            ssl_context=self._context,
            proxy_ssl_context=self._context if proxy.url.scheme == "https" else None,
            network_backend=Backend(),
        )
        return Pool(way.create_connection, self._keep)


def proxy_for(url: httpx.URL) -> str:
    """Under which name the environment has a proxy for ``url``: a scheme, ``all``, or nothing."""
    proxies = getproxies()
    named = next((name for name in (url.scheme, "all") if proxies.get(name)), "")
    return "" if proxy_bypass(f"{url.host}:{url.port}" if url.port else url.host) else named


@contextmanager
def _renamed(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's faults as httpx's, which know the request."""
    try:
        yield
    except _FAULTS as cause:
        kind: type[httpx.TransportError] = getattr(httpx, type(cause).__name__)
        raise kind(str(cause), request=request) from cause


class _Body(httpx.SyncByteStream):
    """A body under the name by which httpx knows one."""

    def __init__(self, stream: Any, request: httpx.Request, ended: Ended) -> None:
        """``ended`` is called when the stream is closed."""
        self._stream = stream
        self._request = request
        self._ended = ended
        self._again: _Again | None = None

    def __iter__(self) -> Iterator[bytes]:
        with _renamed(self._request):
            yield from self._stream

    def all_read(self, origin: httpcore.Origin, wire: _Stream) -> None:
        """Somebody read all of it past httpcore, which would close what it believes half read."""
        if not wire.pending:
            self._again = _Again(origin, wire.handed_over())

    def close(self) -> None:
        self._stream.close()
        self._ended(self._again)


class _Again:
    """A connection that can take another request, though httpcore saw no end of the last one."""

    def __init__(self, origin: httpcore.Origin, stream: _Stream) -> None:
        self._stream = stream
        self._inner = httpcore.HTTP11Connection(origin, stream)
        self._fresh = True

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        self._fresh = False
        return self._inner.handle_request(request)

    def is_idle(self) -> bool:
        return self._inner.is_idle()

    def has_expired(self) -> bool:
        # httpcore looks only at one that it knows to be idle.
        return (
            self._stream.get_extra_info("is_readable") if self._fresh else self._inner.has_expired()
        )

    def close(self) -> None:
        self._inner.close()


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
    ) -> httpcore.NetworkStream:
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
                return _Stream(stream)
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


class _Stream(httpcore.NetworkStream):
    """A connection whose peer's pace is kept, by the timeout of each request."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._pace = Pace()
        self._asked = False
        """True until the first bytes of an answer: before them a registry may think."""
        self._head = 0
        """Bytes that came since the last word of a request, until its answer is understood."""
        self._heading = True
        self._mine = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
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

    def handed_over(self) -> _Stream:
        """The same connection for another owner; from now on this one cannot close it."""
        self._mine = False
        return _Stream(self._inner)

    def answered(self) -> None:
        """The head of an answer is over: what comes now is its body."""
        self._heading = False

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """In pieces, and as views: a bytes object would be copied where only a part goes out."""
        if not self._asked:
            self._asked, self._heading, self._head = True, True, 0
            self._pace.begin()
        view: Any = memoryview(buffer)
        for start in range(0, len(view), WRITE_PIECE):
            piece = view[start : start + WRITE_PIECE]
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
        if self._mine:
            self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


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
