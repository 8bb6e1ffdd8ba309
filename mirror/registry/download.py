"""Blobs out of a registry: on after a cut, and several ranges at a time where that is wanted."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import httpx

from mirror.errors import IntegrityFault, Misbehaved, RegistryFault
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Piece
from mirror.registry.body import pieces
from mirror.registry.connection import Ask, Connection, encoded
from mirror.settings import (
    BUSY,
    MOST_RANGES,
    MOST_RANGES_AHEAD,
    RANGE_BUFFER,
    RANGE_LEAST,
    RANGE_LOOK,
    RANGE_PIECE,
    RANGE_TRIAL,
    RECEIVE_BUFFER,
    THIN,
)
from mirror.text import printable


class Downloads:
    """All blobs out of one registry. Thread-safe.

    Bytes are passed on as they come, not yet checked against their digest.
    """

    def __init__(
        self, wire: Connection, asking: Callable[[str, Digest, str], Ask], lanes: int, window: float
    ) -> None:
        """``asking`` makes the GET of a blob, of a repository, a digest and what it is for.

        ``lanes`` ranges of a large blob are fetched at a time, or, with 0, as many as a thin link
        and the gate's room make worth while; ``window`` is the timeout in seconds.
        """
        self._wire = wire
        self._asking = asking
        self._lanes = lanes
        self._window = window
        self._tags: dict[Digest, str] = {}
        """The strong ETag with which each blob began."""
        self._no_ranges = False
        """True once the registry has shown that it sends whole blobs only."""
        self._ahead = threading.Semaphore(MOST_RANGES_AHEAD)
        """Room for ranges that are fetched before they are waited for, of all blobs."""
        self._thin: bool | None = None
        """Does one connection get less than the link could give? None until one was looked at."""

    @contextmanager
    def blob(
        self, repository: str, descriptor: Descriptor, start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        """The bytes from ``start`` on."""
        what = f"cannot get blob {descriptor.digest} of {self._wire.host}/{repository}"
        ask = self._asking(repository, descriptor.digest, what)
        if descriptor.size - start > 2 * RANGE_PIECE and self._may_be_shared():
            # Closed, or the ranges under way would be fetched for a reader that has gone.
            with closing(self._side_by_side(ask, descriptor, start)) as ranges:
                yield ranges
            return
        with ExitStack() as stack:
            yield self._one_after_another(stack, ask, descriptor, start)

    def _may_be_shared(self) -> bool:
        """Are several ranges at a time worth a try?"""
        if self._no_ranges or self._lanes == 1:
            return False
        return self._lanes > 1 or (self._thin is not False and self._wire.spare > 1)

    # --- one range ------------------------------------------------------------------------

    def _one_after_another(
        self, stack: ExitStack, ask: Ask, descriptor: Descriptor, start: int
    ) -> Iterator[Piece]:
        found = self._whole_or_rest(stack, ask, descriptor, start)
        self._remember(descriptor, found)
        return self._pieces(found, descriptor, start, ask.what)

    def _whole_or_rest(
        self, stack: ExitStack, ask: Ask, descriptor: Descriptor, start: int
    ) -> httpx.Response:
        """A 206 that begins at ``start``, or a 200 with everything."""
        if start and not self._no_ranges:
            with ExitStack() as trial:
                end = descriptor.size - 1
                found = trial.enter_context(self._wire.exchange(self._ranged(ask, start, end)))
                if found.status_code not in (200, 206, 416):
                    self._wire.expect(found, ask.what, 206)
                if found.status_code == 200 or _is_range(found, start, end, descriptor.size):
                    stack.push(trial.pop_all())
                    return found
                # 416, or another range than was asked for: whole blobs are all that is left.
                self._no_ranges = True
        found = stack.enter_context(self._wire.exchange(ask))
        self._wire.expect(found, ask.what, 200)
        return found

    def _ranged(self, ask: Ask, start: int, end: int) -> Ask:
        """Ask for the bytes from ``start`` to ``end``, both included (RFC 9110, 14.2)."""
        headers = {"Range": f"bytes={start}-{end}"}
        tag = self._tags.get(Digest.parse(ask.place.target.rpartition("/")[2]))
        if tag:
            headers["If-Range"] = tag
        return replace(ask, headers=ask.headers | headers)

    def _remember(self, descriptor: Descriptor, response: httpx.Response) -> None:
        tag = response.headers.get("etag", "")
        if tag.startswith('"') and len(tag) < 200 and tag.isascii():
            self._tags[descriptor.digest] = tag

    def _pieces(
        self, response: httpx.Response, descriptor: Descriptor, start: int, what: str
    ) -> Iterator[Piece]:
        skip = start if response.status_code == 200 else 0
        size = descriptor.size - (start - skip)
        self._as_it_is(response, size, descriptor, what)
        return self._checked(response, size, skip, what)

    def _checked(
        self,
        response: httpx.Response,
        size: int,
        skip: int,
        what: str,
        most: int = RECEIVE_BUFFER,
    ) -> Iterator[Piece]:
        """The body less its first ``skip`` bytes, which came in an earlier attempt.

        Faults are translated around each step and not around the reader's block: in a copy the
        reader is a request to another registry, which must not be blamed for this one, nor this
        one for it.
        """
        with self._wire.translated(what):
            for piece in pieces(response, size, self._window, most):
                if skip < len(piece):
                    yield piece[skip:] if skip else piece
                skip = max(0, skip - len(piece))

    def _as_it_is(
        self, response: httpx.Response, size: int, descriptor: Descriptor, what: str
    ) -> None:
        """Refuse an answer that says itself that it is not these ``size`` bytes."""
        if encoded(response):
            raise self._wire.fault(Misbehaved, what, "it sends the blob encoded anew")
        stated = response.headers.get("content-length", str(size))
        if stated != str(size):
            raise IntegrityFault(
                "a blob has another size than its manifest promises",
                member=f"blob {descriptor.digest}",
                expected=f"{size} bytes",
                got=f"{printable(stated, 40)} bytes",
                place=self._wire.host,
            )

    # --- several --------------------------------------------------------------------------

    def _side_by_side(
        self, ask: Ask, descriptor: Descriptor, start: int
    ) -> Generator[Piece, None, None]:
        """Ranges in their order, while those behind them are on their way.

        A long, thin link gives each connection only so much; what is on its way at a time is
        bounded by the number of lanes, and no more than that is ever held.
        """
        over = threading.Event()
        try:
            for piece in self._ranges(ask, descriptor, start, over):
                start += len(piece)
                yield piece
        except _NoRanges:
            pass
        finally:
            over.set()
        if start == descriptor.size:
            return
        with ExitStack() as stack:
            found = self._whole_or_rest(stack, ask, descriptor, start)
            yield from self._pieces(found, descriptor, start, ask.what)

    def _ranges(
        self, ask: Ask, descriptor: Descriptor, start: int, over: threading.Event
    ) -> Iterator[Piece]:
        """What came of each range; the fault that cut one is raised behind its bytes.

        Ends early where the first one did not show that the link is thin.
        """
        fetch = partial(self._range, ask, descriptor)
        spans = deque(self._spans(start, descriptor.size))
        waiting = deque[Future[_Part]]()
        more = True
        try:
            while waiting or (spans and more):
                while spans and self._is_room(waiting):
                    waiting.append(_begun(fetch, spans.popleft(), over))
                if spans and self._thin and not wait([waiting[0]], RANGE_LOOK).done:
                    # Somebody else may be done by now, and there is room for one range more.
                    continue
                part = self._first(waiting).result()
                self._judge(part)
                more = bool(self._lanes or self._thin)
                yield part.body[: part.filled]
                if part.fault:
                    raise part.fault
        finally:
            while waiting:
                self._first(waiting)

    def _is_room(self, waiting: deque[Future[_Part]]) -> bool:
        """May one more range be begun? If it is not the first, its place is taken by that."""
        if len(waiting) >= max(self._width(len(waiting)), 1):
            return False
        return not waiting or bool(self._lanes) or self._ahead.acquire(blocking=False)

    def _first(self, waiting: deque[Future[_Part]]) -> Future[_Part]:
        """The first of some ranges, no more among them; the next one is ahead no longer."""
        first = waiting.popleft()
        if waiting and not self._lanes:
            self._ahead.release()
        return first

    def _spans(self, start: int, size: int) -> Iterator[range]:
        """The offsets of each range; a small one first where that has something to find out.

        They become smaller towards the end, so that nobody waits for a last large one.
        """
        piece = RANGE_PIECE if self._lanes or self._thin is not None else RANGE_TRIAL
        while start < size:
            end = min(start + piece, size)
            yield range(start, end)
            start, piece = end, min(RANGE_PIECE, max((size - end) // 4, RANGE_LEAST))

    def _width(self, held: int) -> int:
        """How many ranges to have under way, of which ``held`` are."""
        if self._lanes:
            return self._lanes
        return min(MOST_RANGES, held + self._wire.spare) if self._thin else 1

    def _judge(self, part: _Part) -> None:
        """Whether one connection gets little, told by the first range, which went alone.

        Where this side had work to do all the while it tells nothing, and another blob may.
        """
        if self._lanes or self._thin is not None or part.fault:
            return
        if len(part.body) >= THIN * part.seconds:
            self._thin = False
        elif part.worked < BUSY * part.seconds:
            self._thin = True

    def _range(self, ask: Ask, descriptor: Descriptor, span: range) -> _Part:
        """One range, or its beginning where a fault that may pass cut it."""
        begin, end = span[0], span[-1]
        part = _Part(memoryview(bytearray(len(span))))
        try:
            with self._wire.exchange(self._ranged(ask, begin, end)) as response:
                self._wire.expect(response, ask.what, 200, 206, 416)
                if not _is_range(response, begin, end, descriptor.size):
                    self._no_ranges = True
                    raise _NoRanges
                self._as_it_is(response, len(part.body), descriptor, ask.what)
                self._remember(descriptor, response)
                self._fill(part, response, ask.what)
        except RegistryFault as fault:
            if not (fault.temporary and part.filled):
                raise
            part.fault = fault
        return part

    def _fill(self, part: _Part, response: httpx.Response, what: str) -> None:
        began, worked = time.monotonic(), time.process_time()
        for piece in self._checked(response, len(part.body), 0, what, RANGE_BUFFER):
            end = part.filled + len(piece)
            if end > len(part.body):
                # Held until its turn comes, so nobody behind this counts in time.
                raise self._wire.fault(Misbehaved, what, "it sends more than the range")
            part.body[part.filled : end] = piece
            part.filled = end
        part.seconds, part.worked = time.monotonic() - began, time.process_time() - worked


@dataclass(slots=True)
class _Part:
    """A range of a blob, ``filled`` bytes of it so far, and what cut it there."""

    body: memoryview
    filled: int = 0
    fault: RegistryFault | None = None
    seconds: float = 0.0
    """How long its body took to come."""
    worked: float = 0.0
    """For how many of them this whole process had work, on one core or several."""


class _NoRanges(Exception):
    """The registry sends whole blobs only; stays inside this file."""


def _begun(fetch: Callable[[range], _Part], span: range, over: threading.Event) -> Future[_Part]:
    """One range under way, in a thread that nothing waits for: Python's pools hold up the end
    of a program until the last of their peers has answered.

    Once ``over`` is set nobody waits for the range either: it is not asked for any more.
    """
    future = Future[_Part]()

    def run() -> None:
        if over.is_set():
            return
        try:
            future.set_result(fetch(span))
        except BaseException as cause:
            future.set_exception(cause)

    threading.Thread(target=run, daemon=True, name=f"range-{span.start}").start()
    return future


def _is_range(response: httpx.Response, start: int, end: int, size: int) -> bool:
    """True for a 206 with exactly these bytes of a blob of this size (RFC 9110, 14.4)."""
    stated = response.headers.get("content-range", "").strip().lower()
    return response.status_code == 206 and stated in (
        f"bytes {start}-{end}/{size}",
        f"bytes {start}-{end}/*",
    )
