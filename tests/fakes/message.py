"""What goes over the wire between a client and the fake: requests, and replies that misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

PIECE = 1 << 16


@dataclass(frozen=True)
class Request:
    """One request as it came in; the target is as it was sent, header names in lower case.

    `base` is the scheme and host that the client used, for locations that are whole URLs.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    base: str
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Reply:
    """One answer, and how it is to be sent: by default whole, with its true length.

    `length` is a lie about Content-Length, or None for the truth; `chunked` sends chunks without a
    length, `bare` neither, up to the connection's end. `cut_after` drops the connection after so
    many bytes of the body (-1: before the status line); `stall_after` sends nothing more until the
    fake is closed.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    length: int | None = None
    chunked: bool = False
    bare: bool = False
    cut_after: int | None = None
    stall_after: int | None = None

    @property
    def must_close(self) -> bool:
        """Whether the connection cannot be used again after this reply."""
        wrong = self.length is not None and self.length != len(self.body)
        return wrong or self.bare or self.cut_after is not None or self.stall_after is not None

    def framing(self) -> dict[str, str]:
        """Return the headers that tell where the body ends."""
        if self.chunked:
            return {"Transfer-Encoding": "chunked"}
        if self.bare or self.status == 204:
            return {}
        return {"Content-Length": str(len(self.body) if self.length is None else self.length)}

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it goes onto the wire, up to a cut or a stall."""
        ends = [end for end in (self.cut_after, self.stall_after) if end is not None]
        body = self.body[: max(min(ends), 0)] if ends else self.body
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            yield b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece
        if self.chunked and not ends:
            yield b"0\r\n\r\n"


def json_reply(value: object, *, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON; underscores of header names are dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, {"Content-Type": "application/json"} | named, json.dumps(value).encode())


def error_reply(status: int, code: str, message: str = "", **headers: str) -> Reply:
    """Answer with the distribution specification's error body."""
    body = {"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]}
    return json_reply(body, status=status, **headers)
