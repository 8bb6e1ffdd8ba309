"""What a fault proxy does to an exchange: one function an action, each with its units.

An action is a function of the question and of ``go``, which takes the question (changed or not)
upstream and gives the answer. Bodies are streams, and an action wraps them; one that never calls
``go`` answers by itself, and the registry hears nothing. ``Ended``, raised here or out of a body,
ends the client's connection on the spot, ``Reset`` does it with RST instead of FIN.

What an action really did, it notes on the question: a cut behind the end of a body is none.
"""

from __future__ import annotations

import itertools
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NoReturn

from tests.fakes.message import error_reply
from tests.fakes.proxy_message import Answer, Ended, Question, Reset
from tests.fakes.proxy_streams import NOISE, cut, dripped, noise, paced, split

__all__ = [
    "Action",
    "Go",
    "Hold",
    "answer",
    "chunked",
    "cut_request",
    "cut_response",
    "drip",
    "drop_response",
    "endless",
    "flip",
    "gzipped",
    "hang_up",
    "in_turn",
    "pad",
    "random_cuts",
    "redirect",
    "replace_header",
    "reset",
    "strip_header",
    "throttle",
    "wrong_length",
    "www_auth",
]

Go = Callable[[Question], Answer]
Action = Callable[[Question, Go], Answer]

MIB = 1 << 20
# Seconds that a test gives the other side to come; only one that fails waits so long.
PATIENCE = 30.0


# --- connections that end ---------------------------------------------------------------------


def cut_request(after: int) -> Action:
    """End the connection after so many bytes of the request's body; the registry gets no more."""

    def act(question: Question, go: Go) -> Answer:
        return go(replace(question, body=cut(question, question.body, after, "request")))

    return act


def cut_response(after: int) -> Action:
    """End the connection after so many bytes of the answer's body."""

    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        return replace(found, body=cut(question, found.body, after, "response"))

    return act


def drop_response() -> Action:
    """Let the registry do what it was asked, and end the connection instead of telling."""

    def act(question: Question, go: Go) -> Answer:
        for _ in go(question).body:
            pass
        return _end(question, "response dropped")

    return act


def hang_up() -> Action:
    """End the connection at once; the registry is not asked."""
    return lambda question, _go: _end(question, "hung up")


def reset(after: int | None = None) -> Action:
    """End the connection with RST: unanswered, or after so many bytes of the answer's body.

    What the client had not read by then, its kernel throws away.
    """

    def act(question: Question, go: Go) -> Answer:
        if after is None:
            return _end(question, "reset", Reset)
        found = go(question)
        return replace(found, body=cut(question, found.body, after, "response", Reset))

    return act


def random_cuts(
    seed: object, *, least: int = MIB, most: int = 8 * MIB, requests: bool = False
) -> Action:
    """Cut every body after a random number of bytes: of answers, or of ``requests``."""
    dice, lock = random.Random(str(seed)), threading.Lock()

    def act(question: Question, go: Go) -> Answer:
        with lock:
            after = dice.randint(least, most)
        return (cut_request if requests else cut_response)(after)(question, go)

    return act


# --- time -------------------------------------------------------------------------------------


@dataclass
class Hold:
    """Stand still until the test lets go: before the registry is asked, or ``after`` bytes of
    the answer's body.

    ``reached`` returns once a request is held; ``let_go`` frees those held and all to come.
    """

    after: int | None = None
    _reached: threading.Event = field(default_factory=threading.Event)
    _free: threading.Event = field(default_factory=threading.Event)

    def __call__(self, question: Question, go: Go) -> Answer:
        """Hold one exchange."""
        if self.after is None:
            self._stand(question)
            return go(question)
        found = go(question)
        return replace(found, body=self._held(question, found.body, self.after))

    def reached(self) -> None:
        """Wait until a request is held."""
        assert self._reached.wait(PATIENCE), "no request came to be held"

    def let_go(self) -> None:
        """Free what is held."""
        self._free.set()

    def _held(self, question: Question, body: Iterator[bytes], after: int) -> Iterator[bytes]:
        for before, piece in split(body, after):
            yield before
            if piece is not None:
                self._stand(question)
                yield piece

    def _stand(self, question: Question) -> None:
        question.note("held")
        self._reached.set()
        # The proxy may be closed by a test that failed; nobody would let go then.
        while not self._free.wait(0.05) and not question.closing.is_set():
            pass


def throttle(rate: int) -> Action:
    """Pass both bodies at this many bytes a second."""

    def act(question: Question, go: Go) -> Answer:
        question.note("throttled")
        found = go(replace(question, body=paced(question, question.body, rate)))
        return replace(found, body=paced(question, found.body, rate))

    return act


def drip(pause: float = 0.0) -> Action:
    """Send the answer one byte at a time, with so many seconds between two of them."""

    def act(question: Question, go: Go) -> Answer:
        question.note("dripped")
        found = go(question)
        return replace(found, body=dripped(question, found.body, pause))

    return act


# --- answers that are not the registry's ------------------------------------------------------


def answer(
    status: int,
    code: str = "UNKNOWN",
    *,
    body: bytes | None = None,
    unread: bool = False,
    **headers: str,
) -> Action:
    """Give this status, and the registry hears nothing; ``Retry_After="1"`` becomes a header.

    The body is the distribution specification's error ``code`` unless one is given. ``unread``
    closes the connection with the request's body still coming, as nginx does with its 413.
    """
    made = error_reply(status, code, **headers)
    content = made.body if body is None else body
    fixed = (*made.headers.items(), ("Content-Length", str(len(content))))

    def act(question: Question, _go: Go) -> Answer:
        question.note(f"answered {status}")
        return Answer(status, fixed, iter([content]), unread=unread)

    return act


def www_auth(challenge: str, status: int = 401) -> Action:
    """Refuse with this challenge."""
    return answer(status, "UNAUTHORIZED", WWW_Authenticate=challenge)


def redirect(url: str, status: int = 307) -> Action:
    """Send the client to a URL; ``{path}`` in it stands for the path and query it asked for."""

    def act(question: Question, go: Go) -> Answer:
        where = url.replace("{path}", question.target)
        return answer(status, body=b"", Location=where)(question, go)

    return act


# --- answers that are changed on their way ----------------------------------------------------


def flip(offset: int = 0) -> Action:
    """Send one byte of the body wrong; the length stays true."""

    def flipped(question: Question, body: Iterator[bytes]) -> Iterator[bytes]:
        for before, piece in split(body, offset):
            yield before
            if piece is not None:
                question.note("byte flipped")
                yield bytes([piece[0] ^ 0xFF]) + piece[1:]

    return _on_body(flipped)


def pad(count: int) -> Action:
    """Send so many bytes behind the end that the stated length promises."""

    def padded(question: Question, body: Iterator[bytes]) -> Iterator[bytes]:
        yield from body
        question.note("padded")
        yield from noise(count)

    return _on_body(padded)


def endless(*, stated: bool = False) -> Action:
    """Never end the body: without its length, or after a ``stated`` one that is true."""

    def unending(question: Question, body: Iterator[bytes]) -> Iterator[bytes]:
        yield from body
        question.note("endless")
        while not question.closing.is_set():
            yield NOISE

    whole = _on_body(unending)
    if stated:
        return whole
    return lambda question, go: whole(question, lambda asked: chunked()(asked, go))


def wrong_length(by: int) -> Action:
    """Promise ``by`` bytes more, or fewer, than there are."""

    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        question.note("wrong length")
        return found.with_header("Content-Length", str((found.length or 0) + by))

    return act


def chunked() -> Action:
    """Send the body in chunks, without its length."""

    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        question.note("chunked")
        return found.without_header("Content-Length")

    return act


def gzipped() -> Action:
    """Send the body as gzip, which the client did not ask for."""

    def zipped(_question: Question, body: Iterator[bytes]) -> Iterator[bytes]:
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        for piece in body:
            yield packer.compress(piece)
        yield packer.flush()

    def act(question: Question, go: Go) -> Answer:
        found = chunked()(question, go)
        question.note("gzipped")
        encoded = replace(found, body=zipped(question, found.body))
        return encoded.with_header("Content-Encoding", "gzip")

    return act


def strip_header(name: str) -> Action:
    """Take a header off the answer."""

    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        if found.header(name) is not None:
            question.note(f"no {name}")
        return found.without_header(name)

    return act


def replace_header(name: str, text: str) -> Action:
    """Give the answer this header, in place of any of the name."""

    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        question.note(f"another {name}")
        return found.with_header(name, text)

    return act


# --- several ----------------------------------------------------------------------------------


def in_turn(every: int, *actions: Action) -> Action:
    """Let each ``every``-th request have one of these, the next one each time."""
    turn, count, lock = itertools.cycle(actions), itertools.count(1), threading.Lock()

    def act(question: Question, go: Go) -> Answer:
        with lock:
            mine = next(turn) if next(count) % every == 0 else None
        return mine(question, go) if mine else go(question)

    return act


def _on_body(change: Callable[[Question, Iterator[bytes]], Iterator[bytes]]) -> Action:
    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        return replace(found, body=change(question, found.body))

    return act


def _end(question: Question, fault: str, kind: type[Ended] = Ended) -> NoReturn:
    question.note(fault)
    raise kind
