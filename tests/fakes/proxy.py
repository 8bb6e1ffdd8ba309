"""A proxy in front of a registry that breaks what goes through it, as a test tells it to.

Without rules it changes nothing, and bodies of any size pass through in pieces:

    with Registry() as registry, FaultProxy(registry.url) as proxy:
        httpx.get(f"{proxy.url}/v2/")
        proxy.records[-1]  # Record("GET", "/v2/", status=200, upstream=200, ...)

The Host header passes through as the client sent it, so the Locations that the registry makes of it
lead back to the proxy. A rule is a method (* for any), a pattern to be found in the path with its
query, an action (tests/fakes/proxy_actions.py), and which of the matching requests, from 1:

        proxy.on("GET", "/blobs/", cut_response(after=1000), nth=1)       # the first one only
        proxy.on("PATCH", "/uploads/", drop_response(), nth={2, 3})       # done, and never told
        proxy.on("PUT", "digest=", answer(413, unread=True))              # as nginx does
        proxy.on("GET", "/manifests/", answer(429, Retry_After="1"), nth=1)
        proxy.on("*", "", in_turn(5, reset(), answer(503), hang_up()))    # every fifth request
        proxy.on("GET", "/blobs/", random_cuts(seed=7))                   # after 1 to 8 MB each

Rules that match the same request are nested, the first one outermost: put what answers by itself
before what changes the registry's answer. Nothing has to be waited for by the clock; a hold stops
an exchange until the test lets go:

        hold = Hold(after=1 << 20)
        proxy.on("GET", "/blobs/", hold, nth=1)
        ...                                    # start the client
        hold.reached()                         # now it has a megabyte, and waits
        registry.kill()
        hold.let_go()

Afterwards it tells what happened; a rule that could do nothing, such as a cut behind the body's
end, is not counted as a fault:

        proxy.faults                           # Counter({"response cut": 3})
        proxy.uploaded, proxy.downloaded       # bytes of bodies, from the client and to it
        proxy.count("GET", "/blobs/")          # how often it was asked
        proxy.settle()                         # no exchange is under way any more

With ``tls`` it speaks TLS to the client and plain HTTP to the registry. A fault of the proxy itself
is raised when its context is left: it cannot pass for the client's.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.fakes.behaviours import Choice
from tests.fakes.ledger import LEDGER, Entry
from tests.fakes.proxy_actions import PATIENCE, Action, Go
from tests.fakes.proxy_message import Answer, Question, Record
from tests.fakes.proxy_wire import ProxyServer

__all__ = ["FaultProxy", "FaultRule"]


@dataclass
class FaultRule(Choice):
    """The requests that one action is for."""

    action: Action = field(kw_only=True)


class FaultProxy:
    """One proxy on one port, in front of the registry at ``upstream``; see the module."""

    def __init__(self, upstream: str, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(upstream)
        assert parts.scheme == "http", "the registry behind a fault proxy speaks plain HTTP"
        place = (parts.hostname or "", parts.port or 80)
        self.rules: list[FaultRule] = []
        self.records: list[Record] = []
        self._upstream = upstream
        self._running = 0
        self._changed = threading.Condition()
        self._server = ProxyServer(place, self._through_rules, self._begun, self._over, tls)
        self._thread = threading.Thread(target=self._server.run, name="fault proxy")
        self._entry: Entry | None = None

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return self._server.host

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return self._server.url

    def on(
        self, method: str, pattern: str, action: Action, *, nth: int | Collection[int] = ()
    ) -> FaultRule:
        """Let this happen to requests of the method with the pattern in their path and query."""
        chosen = (nth,) if isinstance(nth, int) else nth
        rule = FaultRule(method, re.compile(pattern), chosen, action=action)
        self.rules.append(rule)
        return rule

    def count(self, method: str, pattern: str) -> int:
        """Return how many exchanges of this method had the pattern in their path and query."""
        return len(self.found(method, pattern))

    def found(self, method: str, pattern: str) -> list[Record]:
        """Return the exchanges of this method (* for any) with the pattern in path or query."""
        with self._changed:
            records = self.records.copy()
        return [
            record
            for record in records
            if method in ("*", record.method) and re.search(pattern, record.path)
        ]

    @property
    def faults(self) -> Counter[str]:
        """How often each fault was done."""
        return Counter(fault for record in self.found("*", "") for fault in record.faults)

    @property
    def uploaded(self) -> int:
        """Bytes of bodies that came from clients so far."""
        return sum(record.sent for record in self.found("*", ""))

    @property
    def downloaded(self) -> int:
        """Bytes of bodies that went to clients so far."""
        return sum(record.received for record in self.found("*", ""))

    def settle(self) -> None:
        """Wait until no exchange is under way: after a client was killed, say."""
        with self._changed:
            done = self._changed.wait_for(lambda: not self._running, PATIENCE)
        assert done, f"{self._running} exchanges are still under way"

    def __enter__(self) -> Self:
        self._entry = LEDGER.alias(self.url, self._upstream)
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
        if self._entry:
            LEDGER.end([self._entry])
        if self._server.faults and error is None:
            raise self._server.faults[0]

    def _through_rules(self, question: Question, forward: Go) -> Answer:
        go = forward
        for rule in reversed([rule for rule in self.rules if rule.takes(question)]):
            go = partial(_act, rule.action, go)
        return go(question)

    def _begun(self, record: Record) -> None:
        with self._changed:
            self._running += 1
            self.records.append(record)

    def _over(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()


def _act(action: Action, go: Go, question: Question) -> Answer:
    return action(question, go)
