"""Where a request goes: an origin, and what is asked for there."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx

from mirror.settings import MAX_LOCATION

# What needs no parser: nothing to escape, no fragment or parameter (";"), and no dot that could
# lead upwards. A doubled slash would begin another host.
_PLAIN = re.compile(r"(?!//|\S*/\.)/[\w.~!$&'()*+,=:@%/-]*(?:\?[\w.~!$&()*+,=:@%/?-]+)?", re.ASCII)


class Place(NamedTuple):
    """A URL, or its origin and a target.

    httpx looks at every character of a URL each time that it makes one, which is a sixth of what
    a small request takes. A target goes past that, by the name that httpx itself has for it
    (its documentation, "Request extensions").
    """

    url: httpx.URL
    target: str = ""
    """Path and query in place of those of ``url``; made here, or ``is_plain``."""

    @property
    def whole(self) -> httpx.URL:
        """The URL that both are."""
        if not self.target:
            return self.url
        return self.url.copy_with(raw_path=self.target.encode("ascii"))

    @property
    def extensions(self) -> dict[str, bytes]:
        """What a request to this place says of it besides its URL."""
        return {"target": self.target.encode("ascii")} if self.target else {}

    def asking(self, more: str) -> Place:
        """The same with ``more`` behind its query, which is kept to the byte."""
        if not self.target:
            before = self.url.query + b"&" if self.url.query else b""
            return Place(self.url.copy_with(query=before + more.encode("ascii")))
        return Place(self.url, f"{self.target}{'&' if '?' in self.target else '?'}{more}")


def asked(request: httpx.Request) -> httpx.URL:
    """The URL that a request was for."""
    target = request.extensions.get("target", b"")
    return Place(request.url, target.decode("ascii")).whole


def is_plain(target: str) -> bool:
    """True where this path and query mean the same to everybody, as they stand."""
    return len(target) <= MAX_LOCATION and _PLAIN.fullmatch(target) is not None
