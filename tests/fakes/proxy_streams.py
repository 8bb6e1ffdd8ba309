"""Bodies as streams of pieces, and what an action of a fault proxy can do to one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.proxy_message import Ended, Question, Reset

NOISE = bytes(range(256)) * 16


def split(body: Iterator[bytes], at: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Pass the pieces on as (piece, None); the one that holds byte ``at`` in two halves."""
    left = at
    for piece in body:
        here = 0 <= left < len(piece)
        yield (piece[:left], piece[left:]) if here else (piece, None)
        left -= len(piece)


def cut(
    question: Question,
    body: Iterator[bytes],
    after: int,
    what: str,
    kind: type[Ended] = Ended,
) -> Iterator[bytes]:
    """Raise ``kind`` after so many bytes; a body that is not longer passes as it is."""
    for before, rest in split(body, after):
        yield before
        if rest is not None:
            question.note(f"{what} {'reset' if kind is Reset else 'cut'}")
            raise kind


def paced(question: Question, body: Iterator[bytes], rate: int) -> Iterator[bytes]:
    """Pass so many bytes a second."""
    # Twenty steps a second look like a slow line to a client that waits for each piece.
    step = max(rate // 20, 1)
    for piece in body:
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            yield part
            question.closing.wait(len(part) / rate)


def dripped(question: Question, body: Iterator[bytes], pause: float) -> Iterator[bytes]:
    """Pass one byte at a time, with so many seconds after each."""
    for piece in body:
        for byte in piece:
            yield bytes([byte])
            if pause:
                question.closing.wait(pause)


def noise(count: int) -> Iterator[bytes]:
    """Give so many bytes of no meaning."""
    for start in range(0, count, len(NOISE)):
        yield NOISE[: count - start]
