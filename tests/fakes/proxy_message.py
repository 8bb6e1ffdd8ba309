"""What goes through a fault proxy: questions and answers whose bodies are streams."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

Headers = tuple[tuple[str, str], ...]


class Ended(Exception):
    """The client's connection is to end here and now."""


class Reset(Ended):
    """The same with RST: the client is told that something broke."""


@dataclass
class Record:
    """One exchange as a test may ask about it; it grows while the exchange lasts.

    ``path`` carries the query as it was sent, ``headers`` are the request's by their names in lower
    case. ``sent`` and ``received`` are bytes of bodies as the client counts them. ``status`` is 0
    where no answer left, ``upstream`` where the registry gave none; ``faults`` are what was done.
    """

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    upstream: int = 0
    sent: int = 0
    received: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """One request on its way upstream; ``path`` is the target as rules match it, with its query.

    ``closing`` is set when the proxy ends, ``resources`` are closed when the exchange does.
    """

    method: str
    target: str
    headers: Headers
    body: Iterator[bytes]
    closing: threading.Event
    resources: ExitStack
    record: Record

    @property
    def path(self) -> str:
        return unquote(self.target)

    def note(self, fault: str) -> None:
        """Write down what an action did."""
        self.record.faults.append(fault)


@dataclass(frozen=True)
class Answer:
    """One answer on its way to the client; without a Content-Length it goes in chunks.

    ``unread`` leaves what the client still sends where it is, and closes.
    """

    status: int
    headers: Headers
    body: Iterator[bytes]
    unread: bool = False

    @property
    def length(self) -> int | None:
        """The stated length of the body in bytes."""
        stated = self.header("Content-Length")
        return None if stated is None else int(stated)

    def header(self, name: str) -> str | None:
        """Return the first header of this name, in whatever case."""
        return next((text for key, text in self.headers if key.lower() == name.lower()), None)

    def without_header(self, name: str) -> Answer:
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=kept)

    def with_header(self, name: str, text: str) -> Answer:
        return replace(self, headers=(*self.without_header(name).headers, (name, text)))
