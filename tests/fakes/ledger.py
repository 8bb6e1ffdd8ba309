"""Where credentials arrived, and where they may: the test fails in which one went astray.

Every fake and every fault proxy writes down the Authorization headers that reach it, and other
places in which a secret could ride along: cookies, queries, forms. Every gate of a fake tells which
secrets it requires or hands out, and who may be sent them:

    a password         the registry that asks for it, and the origin of its token realm
    a Bearer token     the registry that it was issued for, and nobody else
    behind a proxy     the proxy and what it stands in front of count as one

An autouse fixture settles the account at the end of each test, so no test has to ask. What only a
test knows, it says itself (the fixture is called ``ledger``):

    ledger.permit(PASSWORD, registry.url)            # a real registry tells nobody what it asks for
    ledger.permit(CANARY, "https://localhost:1")     # another name of the same fake, on purpose

An arrival is at two places at once, and must be allowed at both: the port that was connected to,
and the origin that the client named in its Host header. So a client that carries a token from
127.0.0.1 over to localhost is found out, and one that sends a wrong Host along as well.

A secret that nobody registered is written down and not judged: a test may well send a wrong
password on purpose.
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

__all__ = ["LEDGER", "Arrival", "Entry", "KeepsSecrets", "Ledger", "origin"]

Secrets = Callable[[], Iterable[tuple[str, str]]]
_PORTS = {"http": 80, "https": 443}
_FORM = "application/x-www-form-urlencoded"


@runtime_checkable
class KeepsSecrets(Protocol):
    """A gate that tells its secrets."""

    def secrets(self, registry: str) -> Iterable[tuple[str, str]]:
        """Yield each secret with a URL whose origin may be sent it."""


@dataclass(eq=False)
class Entry:
    """What one fake tells of its secrets: looked at when the account is settled.

    ``front`` and ``back`` are the origins of a proxy and of what it stands in front of.
    """

    secrets: Secrets = tuple
    front: str = ""
    back: str = ""
    ended: bool = False


@dataclass(frozen=True)
class Arrival:
    """A secret in a request; ``carrier`` is where it stood, such as ``Authorization: Basic``."""

    carrier: str
    secret: str = field(repr=False)
    places: frozenset[str]


class Ledger:
    """One account of credentials; the suite has a single one, LEDGER. Thread-safe."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def permit(self, secret: str, *urls: str) -> None:
        """Let a secret go to the origins of these URLs, until the test is over."""
        given = [(secret, url) for url in urls]
        self.end([self.watch(lambda: given)])

    def watch(self, secrets: Secrets) -> Entry:
        """Ask this for (secret, URL) pairs when the account is settled, until after its end."""
        return self._add(Entry(secrets))

    def end(self, entries: Iterable[Entry]) -> None:
        """Forget these with the next settlement."""
        for entry in entries:
            entry.ended = True

    def alias(self, front: str, back: str) -> Entry:
        """Let whatever may go to ``back`` go to ``front`` too, which passes it on."""
        return self._add(Entry(front=origin(front), back=origin(back)))

    def arrived(
        self, listener: str, named: str, headers: Mapping[str, str], target: str, body: bytes = b""
    ) -> None:
        """Write down the secrets of a request; header names are in lower case."""
        places = frozenset({origin(listener), origin(named)})
        found = list(_secrets(headers, target, body))
        with self._lock:
            self.arrivals += [Arrival(carrier, secret, places) for carrier, secret in found]

    def heard(self, listener: str, raw: bytes) -> None:
        """The same for the first bytes of a connection, where nobody reads requests."""
        head, _, body = raw.partition(b"\r\n\r\n")
        first, _, lines = head.decode("latin-1").partition("\r\n")
        pairs = (line.partition(":") for line in lines.split("\r\n"))
        headers = {name.lower(): text.strip() for name, _, text in pairs}
        target = first.split(" ")[1] if first.count(" ") == 2 else ""
        self.arrived(listener, f"http://{headers.get('host', '')}", headers, target, body)

    def leaks(self) -> list[str]:
        """A sentence for each registered secret that arrived where it may not be."""
        allowed = defaultdict[str, set[str]](set)
        with self._lock:
            arrivals, entries = self.arrivals.copy(), self._entries.copy()
        fronts = {entry.front: entry.back for entry in entries if entry.front}
        for entry in entries:
            for secret, url in entry.secrets():
                allowed[secret].add(_behind(origin(url), fronts))
        return [
            f"{arrival.carrier} reached {', '.join(astray)}"
            f" and may only go to {', '.join(sorted(allowed[arrival.secret]))}"
            for arrival in arrivals
            if arrival.secret in allowed
            if (astray := _astray(arrival, allowed[arrival.secret], fronts))
        ]

    def settle(self) -> None:
        """Raise AssertionError for what leaked, and begin a new account either way."""
        leaks = self.leaks()
        with self._lock:
            self.arrivals.clear()
            self._entries = [entry for entry in self._entries if not entry.ended]
        assert not leaks, "credentials went astray: " + "; ".join(leaks)

    def _add(self, entry: Entry) -> Entry:
        with self._lock:
            self._entries.append(entry)
        return entry


LEDGER = Ledger()


def origin(url: str) -> str:
    """Scheme, host and port of a URL, the port always written out; empty for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _astray(arrival: Arrival, allowed: set[str], fronts: Mapping[str, str]) -> list[str]:
    return sorted(place for place in arrival.places if _behind(place, fronts) not in allowed)


def _behind(place: str, fronts: Mapping[str, str]) -> str:
    while place in fronts:
        place = fronts[place]
    return place


def _secrets(headers: Mapping[str, str], target: str, body: bytes) -> Iterator[tuple[str, str]]:
    if authorization := headers.get("authorization"):
        scheme, _, rest = authorization.partition(" ")
        yield f"Authorization: {scheme}", _password(rest) if scheme.lower() == "basic" else rest
    with contextlib.suppress(CookieError):
        for name, morsel in SimpleCookie(headers.get("cookie", "")).items():
            yield f"cookie {name}", morsel.value
    for name, value in parse_qsl(target.partition("?")[2]):
        yield f"query parameter {name}", value
    if headers.get("content-type", "").startswith(_FORM):
        for name, value in parse_qsl(body.decode("latin-1")):
            yield f"form field {name}", value


def _password(coded: str) -> str:
    try:
        return base64.b64decode(coded).decode("utf-8").partition(":")[2]
    except ValueError:
        return coded
