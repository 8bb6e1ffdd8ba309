"""How a fake misbehaves: a rule picks requests, a behaviour stands between them and their answer.

A behaviour is a function of the request and of `go`, which asks the honest registry behind it. One
that never calls `go` answers instead of the registry, and nothing is stored; one that calls it
changes the answer on its way out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Protocol

from tests.fakes.message import Reply, Request, error_reply
from tests.fakes.store import Store


class Asked(Protocol):
    """What a choice looks at."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


Go = Callable[[], Reply]
Behaviour = Callable[[Request, Go], Reply]


@dataclass
class Choice:
    """Requests by method and path; `nth` counts the matching ones from 1, empty means all."""

    method: str
    pattern: re.Pattern[str]
    nth: Collection[int] = ()
    seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, request: Asked) -> bool:
        """Count the request if it matches, and say whether it is one of ours."""
        if self.method not in ("*", request.method) or not self.pattern.search(request.path):
            return False
        with self._lock:
            self.seen += 1
            return not self.nth or self.seen in self.nth


@dataclass
class Rule(Choice):
    """The requests that one behaviour is for."""

    behaviour: Behaviour = field(kw_only=True)


def answer(
    status: int, code: str = "UNKNOWN", *, body: bytes | None = None, **headers: str
) -> Behaviour:
    """Give this status instead of asking the registry; `Retry_After="1"` becomes a header."""
    reply = error_reply(status, code, **headers)
    return lambda _request, _go: reply if body is None else replace(reply, body=body)


def flip_byte(at: int = 0) -> Behaviour:
    """Send one byte of the body wrong, at its true length."""

    def behave(_request: Request, go: Go) -> Reply:
        reply = go()
        body = bytearray(reply.body)
        body[at] ^= 0xFF
        return replace(reply, body=bytes(body))

    return behave


def cut(after: int) -> Behaviour:
    """Drop the connection after so many bytes of the body."""
    return lambda _request, go: replace(go(), cut_after=after)


def hang_up() -> Behaviour:
    """Drop the connection without an answer, and without having done anything."""
    return lambda _request, _go: Reply(cut_after=-1)


def stall(after: int = 0) -> Behaviour:
    """Send so many bytes of the body and then nothing, with the connection open."""
    return lambda _request, go: replace(go(), stall_after=after)


def lie_about_length(by: int) -> Behaviour:
    """Promise `by` bytes more (or fewer) than there are."""

    def behave(_request: Request, go: Go) -> Reply:
        reply = go()
        return replace(reply, length=len(reply.body) + by)

    return behave


def chunked() -> Behaviour:
    """Send the body in chunks, without its length."""
    return lambda _request, go: replace(go(), chunked=True)


def bare() -> Behaviour:
    """Send the body with neither length nor chunks: its end is the connection's end."""
    return lambda _request, go: replace(go(), bare=True)


def with_headers(**headers: str) -> Behaviour:
    """Add or replace headers of the honest answer."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}

    def behave(_request: Request, go: Go) -> Reply:
        reply = go()
        kept = {name: text for name, text in reply.headers.items() if name not in named}
        return replace(reply, headers=kept | named)

    return behave


def redirect(base: str, status: int = 307) -> Behaviour:
    """Send the client to the same path under another base, with a query as object stores do."""

    def behave(request: Request, _go: Go) -> Reply:
        return Reply(status, {"Location": f"{base}{request.path}?X-Signature=0123"})

    return behave


def swallow(store: Store, size: int) -> Behaviour:
    """Take so many bytes of an upload and drop the connection; the session keeps them."""

    def behave(request: Request, _go: Go) -> Reply:
        store.answer(replace(request, method="PATCH", body=request.body[:size]))
        return Reply(cut_after=-1)

    return behave


def mute() -> Behaviour:
    """Do what is asked, and drop the connection in place of the answer."""

    def behave(_request: Request, go: Go) -> Reply:
        go()
        return Reply(cut_after=-1)

    return behave


def forget(store: Store) -> Behaviour:
    """Forget every upload that is under way, and then answer."""

    def behave(_request: Request, go: Go) -> Reply:
        store.uploads.clear()
        return go()

    return behave


def no_more_than(size: int) -> Behaviour:
    """Answer 413 to every larger body, as a proxy with a limit does."""

    def behave(request: Request, go: Go) -> Reply:
        return error_reply(413, "SIZE_INVALID") if len(request.body) > size else go()

    return behave
