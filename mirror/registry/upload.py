"""Blobs into a registry: whole where that works, in chunks where it does not, and on after a cut.

A session is what a registry calls an upload under way (distribution-spec, "Pushing blobs"). One
that was cut is asked how far it came: Distribution 3 goes on from there, Distribution 2.8 and
Harbor, which is made of it, have forgotten it (404), and the blob is sent anew.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import httpx

from mirror.errors import Full, Misbehaved, NotFound, RegistryFault, Unreachable
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Content, Piece
from mirror.registry import policy
from mirror.registry.auth import Scopes
from mirror.registry.connection import Ask, Connection
from mirror.registry.place import Place, asked, is_plain
from mirror.settings import CANCEL_TIMEOUT, CHUNK, SMALLEST_CHUNK

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
# What registries, and proxies before them, answer where a disk or a quota is full.
_DISK = frozenset({500, 502, 504, 507})
# Attempts to send a blob whole that may end without a word before chunks are tried: some proxies
# cut what is too long for them instead of saying so.
_WHOLE_ATTEMPTS = 2

Key = tuple[str, Digest]


@dataclass(slots=True)
class Session:
    """One upload under way: where it goes on, how far it is, the least that a chunk may have."""

    place: Place
    scopes: Scopes
    least: int = 0
    sent: int = 0
    silent: int = 0
    """How often it was asked how far it is, and the answer was a failure that may pass."""


class _TooLarge(Exception):
    """A 413: the same again in smaller chunks may do; stays inside this file."""


class Uploads:
    """All uploads into one registry. Thread-safe."""

    def __init__(self, wire: Connection, begin: Callable[[str, str], Ask]) -> None:
        """``begin`` makes the request that opens a session, of a repository and what it is for."""
        self._wire = wire
        self._begin = begin
        self._open: dict[Key, Session] = {}
        self._cut: Counter[Key] = Counter()
        """How often each blob was cut, or forgotten, on its way as a whole."""
        self._chunk = 0
        """What works here: so many bytes at a time, or 0 for whole blobs."""
        self._strikes: dict[str, str] = {}
        """What the registry said when it failed at the end of an upload, by what that was for."""
        self._unasked: set[str] = set()
        """What was answered 401 at its last attempt, though it had a token."""
        self._lock = threading.Lock()

    def keep(self, repository: str, descriptor: Descriptor, session: Session) -> None:
        """Go on in ``session`` when this blob is sent, unless there is one that has got on."""
        key = repository, descriptor.digest
        with self._lock:
            surplus = self._open.get(key)
            if surplus is not None and surplus.sent:
                surplus = session
            else:
                self._open[key] = session
        if surplus is not None:
            self._cancel(surplus)

    def has(self, repository: str, descriptor: Descriptor) -> bool:
        """True where there is a session for this blob."""
        with self._lock:
            return (repository, descriptor.digest) in self._open

    def send(self, repository: str, descriptor: Descriptor, content: Content) -> bool:
        """Store a blob; one attempt, which goes on where the one before it was cut, if it can.

        True where the answer names the digest under which the registry has it.

        The length is always stated: Harbor stores a body without one with size 0. A fault
        raised by ``content`` ends the request before its last byte, so nothing is committed.
        """
        what = f"cannot upload blob {descriptor.digest} to {self._wire.host}/{repository}"
        session = self._resumed(repository, descriptor, what) or self._opened(repository, what)
        key = repository, descriptor.digest
        try:
            named = self._send(session, descriptor, content, self._portion(key, session), what)
        except _TooLarge:
            self._cancel(session)
            return self.send(repository, descriptor, content)
        except RegistryFault as fault:
            if fault.temporary and session.sent:
                self.keep(repository, descriptor, session)
                self._cut[key] += fault.side is self._wire.side and not _answered(fault)
            else:
                self._cancel(session)
            raise
        except BaseException:
            self._cancel(session)
            raise
        self._chunk = self._portion(key, session)
        self._strikes.clear()
        self._unasked.discard(what)
        return named

    def close(self) -> None:
        """Give back the sessions that are still open, as far as that goes without waiting long."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        end = time.monotonic() + CANCEL_TIMEOUT
        for session in left:
            if not self._cancel(session) or time.monotonic() > end:
                return

    # --- sessions -------------------------------------------------------------------------

    def session(self, response: httpx.Response, scopes: Scopes, what: str) -> Session:
        """The session that a 202 opens."""
        least = response.headers.get("oci-chunk-min-length", "")
        size = int(least) if least.isascii() and least.isdigit() and len(least) < 12 else 0
        return Session(self._location(response, what), scopes, size)

    def _opened(self, repository: str, what: str) -> Session:
        ask = self._begin(repository, what)
        with self._wire.exchange(ask) as response:
            self._wire.expect(response, what, 202)
            return self.session(response, ask.scopes, what)

    def _resumed(self, repository: str, descriptor: Descriptor, what: str) -> Session | None:
        """The session of an earlier attempt, if the registry still knows it and how far it is."""
        with self._lock:
            session = self._open.pop((repository, descriptor.digest), None)
        if session is None or not session.sent:
            return session
        ask = Ask("GET", session.place, what, session.scopes)
        try:
            with self._wire.exchange(ask) as response:
                self._wire.expect(response, what, 204, 202)
                stored = _stored(response)
                session.place = self._location(response, what)
        except NotFound:
            return None
        except RegistryFault as fault:
            session.silent += 1
            if fault.temporary and session.silent == 1:
                self.keep(repository, descriptor, session)
                raise
            self._cancel(session)
            return None
        if not 1 < stored <= session.sent:
            # "0-0" means one byte or none, and more than was sent is no answer.
            self._cancel(session)
            return None
        session.sent = stored
        return session

    def _location(self, response: httpx.Response, what: str) -> Place:
        location, wire = response.headers.get("location", ""), self._wire
        if response.request.url == wire.root and is_plain(
            own := location.removeprefix(str(wire.root))
        ):
            return Place(wire.root, own)
        current = asked(response.request)
        return Place(wire.allowed(what, policy.upload, wire.root, current, location, wire.others))

    def _cancel(self, session: Session) -> bool:
        """Give a session back, if the registry lets us: Harbor's robots may not."""
        ask = Ask("DELETE", session.place, "cannot cancel an upload", session.scopes)
        with suppress(RegistryFault), self._wire.exchange(replace(ask, timeout=CANCEL_TIMEOUT)):
            return True
        return False

    # --- bytes ----------------------------------------------------------------------------

    def _portion(self, key: Key, session: Session) -> int:
        """How many bytes to send at a time; 0 for all."""
        chunk = self._chunk or (CHUNK if self._cut[key] >= _WHOLE_ATTEMPTS else 0)
        return max(chunk, session.least) if chunk else 0

    def _send(
        self, session: Session, descriptor: Descriptor, content: Content, chunk: int, what: str
    ) -> bool:
        if chunk and descriptor.size - session.sent > chunk:
            self._in_chunks(session, descriptor, content, chunk, what)
            return self._finish(session, descriptor, what)
        with content.open(session.sent) as pieces:
            return self._finish(session, descriptor, what, pieces)

    def _finish(
        self,
        session: Session,
        descriptor: Descriptor,
        what: str,
        pieces: Iterator[Piece] | None = None,
    ) -> bool:
        """The PUT that commits the blob, with all of it that is not there yet."""
        left = descriptor.size - session.sent
        # The query before it carries the registry's own state.
        place = session.place.asking(f"digest={descriptor.digest}")
        counted = self._counted(session, pieces) if pieces is not None else iter(())
        ask = Ask("PUT", place, what, session.scopes, _framing(left), counted)
        with self._wire.exchange(ask) as answer:
            if session.sent == descriptor.size and answer.status_code in _DISK:
                self._struck(answer, what)
            self._answered(session, answer, left, what, 201)
            return bool(answer.headers.get("docker-content-digest") == str(descriptor.digest))

    def _in_chunks(
        self, session: Session, descriptor: Descriptor, content: Content, chunk: int, what: str
    ) -> None:
        """PATCH after PATCH, strictly in order: 2.8.2 takes any order and spoils the blob."""
        with content.open(session.sent) as pieces:
            rest = _Rest(pieces)
            while (left := descriptor.size - session.sent) > 0:
                self._patch(session, rest, min(chunk, left), what)

    def _patch(self, session: Session, rest: _Rest, size: int, what: str) -> None:
        begin = session.sent
        headers = _framing(size) | {"Content-Range": f"{begin}-{begin + size - 1}"}
        counted = self._counted(session, rest.take(size))
        ask = Ask("PATCH", session.place, what, session.scopes, headers, counted)
        with self._wire.exchange(ask) as answer:
            self._answered(session, answer, size, what, 202, 204)
            session.place = self._location(answer, what)
            if _stored(answer) not in (0, begin + size):
                raise self._lost(what, f"it says it has {_stored(answer)} bytes of {begin + size}")

    @staticmethod
    def _counted(session: Session, pieces: Iterator[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            session.sent += len(piece)
            yield piece  # type: ignore[misc] # httpx sends a view as it is

    # --- answers --------------------------------------------------------------------------

    def _answered(
        self, session: Session, answer: httpx.Response, size: int, what: str, *good: int
    ) -> None:
        """Raise what an answer to ``size`` bytes of a blob means, unless it is a good one."""
        status = answer.status_code
        sent = answer.request.headers.get("authorization", "")
        if status == 401 and not sent.startswith("Basic ") and what not in self._unasked:
            # The body is spent; the token was renewed, and the next attempt has it. A second 401
            # in a row is meant.
            self._unasked.add(what)
            raise self._lost(what, "the token ended before the upload", answered=True)
        if status in (404, 416):
            raise self._lost(what, f"it answered {status}: it has forgotten the upload")
        if status == 413:
            self._smaller(answer, max(size // 4, SMALLEST_CHUNK, session.least), size, what)
        try:
            self._wire.expect(answer, what, *good)
        except Misbehaved as fault:
            if "DIGEST_INVALID" in fault.fact:
                # What we sent was right when it left: it was changed on its way, or mixed up, and
                # what the session has is spoilt.
                session.sent = 0
                raise self._lost(what, fault.fact) from fault
            raise

    def _lost(self, what: str, fact: str, *, answered: bool = False) -> Unreachable:
        wire = self._wire
        return Unreachable(wire.side, wire.host, what, fact=fact, answered=answered)

    def _smaller(self, answer: httpx.Response, chunk: int, size: int, what: str) -> None:
        """Something before the registry takes less than ``size`` at a time: try ``chunk``."""
        if chunk < size:
            with self._lock:
                self._chunk = min(chunk, self._chunk or CHUNK)
            raise _TooLarge
        try:
            self._wire.expect(answer, what)
        except RegistryFault as fault:
            fault.hint = "allow larger requests there (nginx: client_max_body_size 0)"
            raise

    def _struck(self, answer: httpx.Response, what: str) -> None:
        """A server error after a whole upload: the second of a kind in a row is the last.

        Distribution answers 500 where its disk is full. One that names a time is no such case,
        nor is 503, which says that it will pass and comes to all workers at once.
        """
        try:
            self._wire.expect(answer, what)
        except Unreachable as fault:
            before, self._strikes[what] = self._strikes.get(what), fault.fact
            if fault.retry_after is None and fault.fact == before:
                raise Full(fault.side, fault.host, what, fact=fault.fact) from fault
            raise


def _answered(fault: RegistryFault) -> bool:
    """True where the registry itself said that it could not, and was not cut off."""
    return isinstance(fault, Unreachable) and fault.answered


class _Rest:
    """A stream of pieces, to be taken in portions."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._left: Piece = b""

    def take(self, size: int) -> Iterator[Piece]:
        """The next ``size`` bytes, or fewer at the end."""
        while size:
            piece = self._left or next(self._pieces, b"")
            if not piece:
                return
            part, self._left = piece[:size], piece[size:]
            size -= len(part)
            yield part


def _stored(response: httpx.Response) -> int:
    """How many bytes a session has, by its ``Range: 0-<last>``; 0 where that is not said."""
    found = _RANGE.fullmatch(response.headers.get("range", "").strip())
    return int(found[1]) + 1 if found else 0


def _framing(size: int) -> dict[str, str]:
    return {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
