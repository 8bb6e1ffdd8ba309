"""Requests to one registry: authorised, redirected, bounded, and every failure translated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

import h11
import httpx

from mirror import __version__
from mirror.errors import (
    Misbehaved,
    Refused,
    RegistryFault,
    Unreachable,
    Untrusted,
)
from mirror.registry import policy, trust, wire
from mirror.registry.access import Access
from mirror.registry.auth import Authorizer, Scopes
from mirror.registry.body import Cut
from mirror.registry.gate import Gate
from mirror.registry.network import Forbidden
from mirror.registry.place import Place, asked
from mirror.registry.redact import FORM, SHORTEST_SECRET, masked
from mirror.registry.session import make_transport, timeout_of
from mirror.registry.transport import Transport, proxy_for
from mirror.registry.turns import in_turn
from mirror.settings import (
    MAX_ERROR_ANSWER,
    MAX_REDIRECTS,
    MAX_SMALL_JSON,
    MAX_TOKEN_ANSWER,
)
from mirror.text import printable

# The name that images of Docker Hub carry is not the name of its registry.
_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": f"tkg-mirror/{__version__}",
}


Content = bytes | Iterator[bytes] | None
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``what`` it is for opens the message if it fails."""

    method: str
    place: Place
    what: str
    scopes: Scopes = ()
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    content: Content = field(default=None, repr=False)
    timeout: float | None = None
    """Seconds, for a courtesy that waits neither long nor for its turn."""

    @property
    def repeatable(self) -> bool:
        """False for a body that is read while it is sent: it is spent after one try."""
        return self.content is None or isinstance(self.content, bytes)


class Connection:
    """Everything that is said to one registry goes through ``exchange``. Thread-safe."""

    def __init__(self, host: str, access: Access) -> None:
        self.host = host
        self.side = access.side
        self._access = access
        self.others = access.others_of(host)
        self._gate = Gate(access.settings.connections)
        scheme = "http" if access.plain_http else "https"
        try:
            self.root = httpx.URL(f"{scheme}://{_API_HOSTS.get(host, host)}")
        except httpx.InvalidURL as cause:
            what = f"cannot ask {host}"
            raise Misbehaved(self.side, host, what, fact=str(cause)) from None
        self._origin = policy.origin(self.root)
        self._auth = Authorizer(
            self.root,
            lambda repository: access.credentials.lookup(host, repository),
            self._ask_token,
            self.fault,
            others=self.others,
        )
        self._lock = threading.Lock()
        self._timeout = timeout_of(access)
        self._made: Transport | None = None
        self.requests = 0
        self._quickest = inf

    @contextmanager
    def exchange(self, ask: Ask) -> Iterator[httpx.Response]:
        """The answer, its body unread; closed at the end, whatever was read of it."""
        with nullcontext(0) if ask.timeout else self._gate.passage() as turn:
            response = self._authorised(ask)
            try:
                if ask.method in ("GET", "HEAD"):
                    response = self._redirected(response, ask)
                self._heed(response, turn)
                yield response
                self._drain(response)
            finally:
                response.close()

    def _heed(self, response: httpx.Response, turn: int) -> None:
        """Let the gate know whether the registry can take more, or wants less."""
        if response.status_code in (429, 503):
            self._gate.refused(turn, wire.pause_of(response.headers))
        elif response.status_code < 400:
            self._gate.accepted()

    @property
    def spare(self) -> int:
        """How many more requests would be let in now."""
        return self._gate.spare

    @property
    def quickest(self) -> float:
        """Seconds in which the quickest answer came, which the way there and back is most of;
        0 before the first.
        """
        return 0.0 if self._quickest == inf else self._quickest

    @contextmanager
    def plainly(self, ask: Ask, authorization: str = "") -> Iterator[httpx.Response]:
        """The answer to just this request, its body unread: no login, no redirect, no second try.

        ``authorization`` goes only where the caller sends it.
        """
        response = self._send(ask, authorization)
        try:
            yield response
            self._drain(response)
        finally:
            response.close()

    def expect(self, response: httpx.Response, what: str, *good: int) -> None:
        """Raise the fault that the answer means unless its status is one of ``good``."""
        if response.status_code not in good:
            body = masked(self._words(response, what), response.request)
            status, headers = response.status_code, response.headers
            if reason := trust.said_in_plain(response.request.url, status, body):
                raise Untrusted(self.side, self.host, what, fact=reason.fact, hint=reason.hint)
            raise self._meant(what, response.request.url, status, headers, body)

    def _meant(
        self, what: str, url: httpx.URL, status: int, headers: httpx.Headers, body: bytes
    ) -> RegistryFault:
        """The fault of an answer, by whoever gave it."""
        own = policy.origin(url) == self._origin
        place = self.host if own else url.netloc.decode("ascii")
        fault = wire.fault_of(self.side, place, what, status, headers, body)
        if not own and isinstance(fault, Refused):
            # A store that the registry sent us to. The signed URL may just be too old: at the
            # next attempt the registry gives a new one.
            fault = Unreachable(self.side, place, what, fact=fault.fact, answered=True)
        fault.blame(self.host)
        fault.fact = self._hidden(fault.fact)
        if isinstance(fault, Unreachable) and self._gate.closings > self._access.settings.retries:
            # It has asked for patience that often without one good answer between, whoever asked.
            fault.temporary = False
        return fault

    def _hidden(self, text: str) -> str:
        """A text without the secrets of this connection, however they came to be in it."""
        for secret in self._auth.secrets():
            for shape in (secret, secret.rstrip("=")):
                if len(shape) > SHORTEST_SECRET:
                    text = text.replace(shape, "***")
        return text

    def bounded(
        self, response: httpx.Response, limit: int, what: str, *, strict: bool = True
    ) -> bytes:
        """A small body; one longer than ``limit`` bytes is refused, or cut where not ``strict``."""
        pieces, body = self._plain(response, what), bytearray()
        if not self._filled(body, pieces, limit, what) and strict:
            raise self._larger(limit, what)
        del body[limit:]
        return bytes(body)

    def document(
        self, response: httpx.Response, limit: int, what: str, read: Callable[[bytes], Read]
    ) -> Read:
        """What ``read`` makes of a body of at most ``limit`` bytes, of a large one in its turn.

        Nothing that an answer says of its length decides which it is.
        """
        pieces, begun = self._plain(response, what), bytearray()
        if self._filled(begun, pieces, min(limit, MAX_SMALL_JSON), what):
            return read(bytes(begun))

        def rest() -> Read:
            # A copy: what one thread has begun would grow in that thread's arena.
            body = bytearray(begun)
            if not self._filled(body, pieces, limit, what):
                raise self._larger(limit, what)
            return read(bytes(body))

        return in_turn(rest)

    def _plain(self, response: httpx.Response, what: str) -> Iterator[bytes]:
        """A body's pieces: 200 KB of gzip can unfold to 200 MB, and nobody asked for any."""
        if encoded(response):
            raise self.fault(Misbehaved, what, "it sends an encoded answer")
        return response.iter_raw()

    def _filled(self, body: bytearray, pieces: Iterator[bytes], limit: int, what: str) -> bool:
        """Add what comes to ``body``; False once it has more than ``limit`` bytes."""
        with self.translated(what):
            while len(body) <= limit:
                piece = next(pieces, None)
                if piece is None:
                    return True
                body += piece
        return False

    def _larger(self, limit: int, what: str) -> RegistryFault:
        return self.fault(Misbehaved, what, f"its answer is larger than {limit} bytes")

    def allowed(self, what: str, rule: Callable[..., httpx.URL], *arguments: object) -> httpx.URL:
        """A URL that one of the rules in ``policy`` lets through."""
        try:
            return rule(*arguments)
        except ValueError as cause:
            raise self.fault(Misbehaved, what, printable(str(cause))) from None

    def fault(self, kind: type[RegistryFault], what: str, fact: str) -> RegistryFault:
        """A fault of this registry."""
        return kind(self.side, self.host, what, fact=self._hidden(fact))

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Turn what the HTTP library raises into our faults, around lazy bodies too."""
        try:
            yield
        except (httpx.HTTPError, httpx.StreamError, Cut) as cause:
            raise self._transport_fault(what, cause) from cause
        except (httpx.InvalidURL, UnicodeError, h11.LocalProtocolError, Forbidden) as cause:
            # h11's is raised for a body of another length than was stated, and httpx lets it by.
            raise self.fault(Misbehaved, what, printable(str(cause))) from cause

    def close(self) -> None:
        """Close every connection; a transfer still using one fails."""
        if self._made is not None:
            self._made.close()

    def _authorised(self, ask: Ask) -> httpx.Response:
        if ask.place.url is not self.root and policy.origin(ask.place.url) != self._origin:
            # An upload to a host that the operator allowed: it gets the bytes and no token.
            return self._send(ask, "")
        if ask.timeout:
            return self._send(ask, self._auth.held(ask.scopes))
        header = self._auth.header(ask.scopes)
        response = self._send(ask, header)
        if response.status_code != 401:
            return response
        try:
            challenges = response.headers.get_list("www-authenticate")
            fresh = self._auth.renew(challenges, ask.scopes, header)
            if not fresh or not ask.repeatable:
                return response
            self._words(response, ask.what)
        except BaseException:
            response.close()
            raise
        response.close()
        return self._send(ask, fresh)

    def _words(self, response: httpx.Response, what: str) -> bytes:
        """What an error answer says, if that can be read: its status counts without it."""
        try:
            return self.bounded(response, MAX_ERROR_ANSWER, what, strict=False)
        except RegistryFault:
            return b""

    def _drain(self, response: httpx.Response) -> None:
        """Read the short rest of an answer: a connection is used again only after its end."""
        length = response.headers.get("content-length", "")
        short = length.isdigit() and int(length) <= MAX_ERROR_ANSWER
        empty = response.request.method == "HEAD" or response.status_code == 204
        if not response.is_stream_consumed and short and not empty:
            self._words(response, "")

    def _redirected(self, response: httpx.Response, ask: Ask) -> httpx.Response:
        """Follow redirects of a read, one by one; another origin never gets Authorization."""
        for _ in range(MAX_REDIRECTS):
            if response.status_code not in _REDIRECTS:
                return response
            request, location = response.request, response.headers.get("location", "")
            # Read, or a store of blobs would cost a connection to the registry for each of them.
            self._drain(response)
            response.close()
            url = self.allowed(ask.what, policy.redirect, asked(request), location)
            same = policy.origin(url) == self._origin
            onward = Ask(request.method, Place(url), ask.what, ask.scopes, ask.headers)
            response = self._send(onward, request.headers.get("authorization", "") if same else "")
        response.close()
        raise self.fault(Misbehaved, ask.what, f"it redirects more than {MAX_REDIRECTS} times")

    def _send(self, ask: Ask, authorization: str) -> httpx.Response:
        headers = _HEADERS | ask.headers
        if authorization:
            headers["Authorization"] = authorization
        timeout = httpx.Timeout(ask.timeout) if ask.timeout else self._timeout
        said = {"timeout": timeout.as_dict(), **ask.place.extensions}
        with self._lock:
            self.requests += 1
        with self.translated(ask.what):
            request = httpx.Request(
                ask.method, ask.place.url, headers=headers, content=ask.content, extensions=said
            )
            began = time.monotonic()
            response = self._transport.send(request)
        self._quickest = min(self._quickest, time.monotonic() - began)
        return response

    def _ask_token(
        self, method: str, url: httpx.URL, headers: dict[str, str], form: dict[str, str]
    ) -> bytes:
        content = str(httpx.QueryParams(form)).encode() if form else None
        if form:
            headers = {**headers, "Content-Type": FORM}
        what = f"cannot log in at {self.host}"
        response = self._send(Ask(method, Place(url), what, (), headers, content), "")
        try:
            if response.status_code == 404:
                # Not NotFound: that would say that the image is missing.
                raise self.fault(Misbehaved, what, "its token service answered 404")
            self.expect(response, what, 200)
            return self.bounded(response, MAX_TOKEN_ANSWER, what)
        finally:
            response.close()

    @property
    def _transport(self) -> Transport:
        """Made at the first request: a TLS context costs 20 ms that a refused command can save."""
        with self._lock:
            if self._made is None:
                self._made = make_transport(self._access, self.root, self.others)
            return self._made

    def _transport_fault(self, what: str, cause: Exception) -> RegistryFault:
        connect = self._timeout.connect or 0.0
        if reason := trust.untrusted(cause, self._access.tls, connect):
            return Untrusted(self.side, self.host, what, fact=reason.fact, hint=reason.hint)
        text = str(cause)
        # The parser quotes a header line that is none, and a peer can echo ours in one. A cause
        # that knows no request (RuntimeError) was raised before anything was sent.
        with suppress(RuntimeError):
            if isinstance(cause, httpx.RequestError):
                text = masked(text.encode("utf-8", "replace"), cause.request).decode()
        text = printable(text) or type(cause).__name__
        if isinstance(cause, httpx.TimeoutException):
            why = f"{self.host} gave no answer within {_waited(cause):.3g} s"
            why += f" ({type(cause).__name__})"
            text = f"{self.host} is too slow: {text}" if text.startswith("only ") else why
        through = "" if self._access.direct else _through(cause)
        return self.fault(Unreachable, what, text + through)


def _waited(cause: httpx.TimeoutException) -> float:
    """Seconds that this very request was given, to connect or between two bytes."""
    kind = "connect" if isinstance(cause, httpx.ConnectTimeout) else "read"
    given = cause.request.extensions.get("timeout", {})
    return float(given.get(kind) or 0.0)


def _through(cause: Exception) -> str:
    """Which variable sent a request by way of a proxy: that may be what gave no answer."""
    with suppress(RuntimeError):
        if isinstance(cause, httpx.RequestError) and (name := proxy_for(cause.request.url)):
            return f", through the proxy that {name.upper()}_PROXY names"
    return ""


def encoded(response: httpx.Response) -> bool:
    """True for a body that is not sent as it is: digests and sizes say nothing about it."""
    return bool(response.headers.get("content-encoding", "identity").lower() != "identity")
