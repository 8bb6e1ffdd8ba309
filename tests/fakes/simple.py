"""An obedient registry in memory: honest by itself, and as bad as a test tells it to be.

It speaks HTTP/1.1 on a loopback port, keeps connections open, and writes down all it was asked:

    with FakeRegistry() as fake:
        fake.add("tkg/pause", "3.9", build(ImageSpec("pause")))
        httpx.get(f"{fake.url}/v2/tkg/pause/tags/list").json()  # {"name": ..., "tags": ["3.9"]}
        fake.requests[-1]  # Seen("GET", "/v2/tkg/pause/tags/list", status=200, ...)

What a good registry never does is put in with rules; `nth` counts the requests that match:

        fake.on("GET", "/blobs/", answer(503, Retry_After="1"), nth=1)   # the first one only
        fake.on("GET", "/blobs/", cut(after=100), nth={2, 3})            # then drop two
        fake.on("PUT", "/manifests/", hang_up())                         # and never take these

Rules that match the same request are nested, the first one outermost. To find out what a client
lets slip on another host, send it to a second fake and look there:

    with FakeRegistry() as fake, FakeRegistry() as other:
        other.store.repositories = fake.store.repositories
        fake.on("GET", "/blobs/", redirect(other.url))
        ...
        assert not other.leaked()

Where such a credential is one that a fake asks for or hands out, the ledger (tests/fakes/ledger.py)
finds it too, and fails the test without being asked.

Credentials are asked for by `require_basic` and `require_bearer`; the latter's tokens grant what
was asked for and nothing else, and its `expire()` ends them all in the middle of a run.

`FakeRegistry(referrers=True)` has the referrers API of OCI 1.1; the plain one has none, as
Distribution to this day.

A fault of the fake itself is raised when its context is left: it cannot pass for the client's.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from scripts.world.images import Image
from tests.fakes.auth import Basic, Bearer, Gate
from tests.fakes.behaviours import Behaviour, Go, Rule
from tests.fakes.http import Server
from tests.fakes.ledger import LEDGER, Entry, KeepsSecrets
from tests.fakes.message import Reply, Request
from tests.fakes.store import Store

__all__ = ["FakeRegistry", "Seen"]


@dataclass(frozen=True)
class Seen:
    """One request as a test may ask about it; `path` carries the query, `size` is the body's."""

    method: str
    path: str
    status: int
    size: int
    headers: dict[str, str]


class FakeRegistry:
    """One fake on one port; see the module for how it is used."""

    def __init__(
        self,
        *,
        gate: Gate | None = None,
        tls: ssl.SSLContext | None = None,
        referrers: bool = False,
    ) -> None:
        self.store = Store()
        self.store.referrers = referrers
        self.rules: list[Rule] = []
        self.requests: list[Seen] = []
        self._server = Server(self._answer, tls)
        self._thread = threading.Thread(target=self._server.run, name="fake registry")
        self._entries: list[Entry] = []
        self.gate = gate

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return self._server.host

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return self._server.url

    @property
    def gate(self) -> Gate | None:
        """Who asks for credentials here; the ledger hears of every one that was ever set."""
        return self._gate

    @gate.setter
    def gate(self, gate: Gate | None) -> None:
        self._gate = gate
        if isinstance(gate, KeepsSecrets):
            self._entries.append(LEDGER.watch(partial(gate.secrets, self.url)))

    def on(
        self, method: str, pattern: str, behaviour: Behaviour, *, nth: int | Collection[int] = ()
    ) -> Rule:
        """Let requests of this method (* for any) with the pattern in their path misbehave."""
        chosen = (nth,) if isinstance(nth, int) else nth
        rule = Rule(method, re.compile(pattern), chosen, behaviour=behaviour)
        self.rules.append(rule)
        return rule

    def add(self, repository: str, tag: str, image: Image) -> str:
        """Put an image in without asking anybody, and return its digest.

        Where the tag is empty it is there by its digest alone.
        """
        place = self.store.repositories[repository]
        for node in image.walk():
            place.blobs |= {blob.digest: blob.read() for blob in node.blobs}
            manifest = node.manifest
            place.manifests[manifest.digest] = (manifest.media_type, manifest.read())
        if tag:
            place.tags[tag] = image.manifest.digest
        return image.manifest.digest

    def require_basic(self, user: str, password: str) -> Basic:
        """Ask everybody for this user and password from now on."""
        self.gate = basic = Basic(user, password)
        return basic

    def require_bearer(self, **users: str) -> Bearer:
        """Ask for tokens from now on; whoever has no password may pull."""
        self.gate = bearer = Bearer(f"{self.url}/token", users=users)
        return bearer

    def settle(self) -> None:
        """Wait until `requests` has all that a killed client had asked for."""
        self._server.settle()

    def count(self, method: str, pattern: str) -> int:
        """Return how many requests of this method had the pattern in their path."""
        return sum(s.method == method and bool(re.search(pattern, s.path)) for s in self.requests)

    def leaked(self) -> list[str]:
        """Return the secrets that came in: Authorization and Cookie headers."""
        secret = ("authorization", "cookie")
        return [
            seen.headers[name] for seen in self.requests for name in secret if name in seen.headers
        ]

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
        LEDGER.end(self._entries)
        if self._server.faults and error is None:
            raise self._server.faults[0]

    def _answer(self, request: Request) -> Reply:
        go: Go = partial(self._honestly, request)
        for rule in reversed([rule for rule in self.rules if rule.takes(request)]):
            go = partial(rule.behaviour, request, go)
        reply = go()
        size, headers = len(request.body), dict(request.headers)
        self.requests.append(Seen(request.method, request.target, reply.status, size, headers))
        return reply

    def _honestly(self, request: Request) -> Reply:
        refusal = self.gate.stop(request) if self.gate else None
        return refusal or self.store.answer(request)
