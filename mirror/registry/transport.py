"""From a request to a connection, straight or by way of a proxy.

Requests and answers are httpx's, the exchanges h11's, or httpcore's where there is a proxy. httpx's
client between them would look for cookies, redirects and a login at each of them, which is nobody's
wish here, and takes as long for that as the exchange.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from mirror.registry.http11 import Direct
from mirror.registry.network import Backend, Stream
from mirror.registry.pool import Ended, Pool

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
        self._direct = Pool(partial(Direct, context, backend), keep)
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
                scheme=url.raw_scheme,
                host=url.raw_host,
                port=url.port,
                target=request.extensions.get("target") or url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            # Without a target: by way of a proxy httpcore makes a request of its own from these.
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        pool = self._pool(url)
        with _renamed(request):
            answer, ended = pool.exchange(asked)
        body = _Body(answer.stream, request, ended)
        if pool is not self._direct and (request.method == "HEAD" or answer.status == 204):
            body.read_none()
        wire = answer.extensions.get("network_stream")
        if isinstance(wire, Stream):
            wire.answered()
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=body,
            request=request,
            extensions=dict(answer.extensions),
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

    def __iter__(self) -> Iterator[bytes]:
        with _renamed(self._request):
            yield from self._stream

    def read_none(self) -> None:
        """Come to the end of an answer that has none: httpcore wants that read too."""
        try:
            for _ in self:
                pass
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stream.close()
        self._ended()
