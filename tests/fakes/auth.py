"""Who may do what at a fake: nobody asked, Basic, or Bearer with a token endpoint of its own."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs, urljoin

from tests.fakes.message import Reply, Request, error_reply, json_reply

_REPOSITORY = re.compile(r"^/v2/(.+)/(?:manifests|blobs|tags)/")
Grant = tuple[str, str]  # repository, action

# Of all gates together: a token that two of them handed out could not be told apart in a leak.
_NUMBERS = itertools.count()


class Gate(Protocol):
    """Looks at a request before the registry does; a reply is the end of it."""

    def stop(self, request: Request) -> Reply | None:
        """Return the refusal, the token, or None to let the request through."""


@dataclass
class Basic:
    """One user, asked for on every path."""

    user: str
    password: str
    realm: str = "fake"

    def stop(self, request: Request) -> Reply | None:
        if credentials(request) == (self.user, self.password):
            return None
        challenge = f'Basic realm="{self.realm}"'
        return error_reply(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    def secrets(self, registry: str) -> Iterator[tuple[str, str]]:
        """Yield each secret with a URL whose origin may be sent it."""
        yield self.password, registry


@dataclass
class Bearer:
    """Tokens that grant exactly what was asked for, and so nothing of any other repository.

    `realm` is where the client is sent; its own `/token` answers whatever the realm says. `users`
    maps names to passwords, `refresh_tokens` are good for anybody; without credentials a token has
    the actions of `anonymous` and no others. `first` are challenges put in front of the Bearer one,
    in the same header; `quoted=False` leaves the quotes of the parameters out, as zot does.
    """

    realm: str
    service: str = "fake"
    users: dict[str, str] = field(default_factory=dict)
    refresh_tokens: frozenset[str] = frozenset()
    anonymous: frozenset[str] = frozenset({"pull"})
    first: tuple[str, ...] = ()
    quoted: bool = True
    expires_in: int = 300
    _granted: dict[str, frozenset[Grant]] = field(default_factory=dict)
    _issued: list[str] = field(default_factory=list)

    def stop(self, request: Request) -> Reply | None:
        if request.path == "/token":
            return self._token(request)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        granted = self._granted.get(token) if kind.lower() == "bearer" else None
        needed = needs(request)
        if granted is not None and needed <= granted:
            return None
        return self._refuse(needed, known=granted is not None)

    def expire(self) -> None:
        """Make every token that was handed out worthless, as time would."""
        self._granted.clear()

    def secrets(self, registry: str) -> Iterator[tuple[str, str]]:
        """Yield each secret with a URL whose origin may be sent it; tokens are the registry's."""
        for secret in (*self.users.values(), *self.refresh_tokens):
            yield secret, registry
            yield secret, urljoin(registry, self.realm)
        for token in self._issued.copy():
            yield token, registry

    def _refuse(self, needed: frozenset[Grant], *, known: bool) -> Reply:
        facts = {"realm": self.realm, "service": self.service}
        if needed:
            facts["scope"] = _scope(needed)
        if known:
            facts["error"] = "insufficient_scope"
        quote = '"' if self.quoted else ""
        bearer = "Bearer " + ",".join(f"{k}={quote}{v}{quote}" for k, v in facts.items())
        challenge = ", ".join((*self.first, bearer))
        return error_reply(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    def _token(self, request: Request) -> Reply:
        form = parse_qs(request.body.decode()) if request.method == "POST" else {}
        asked = parse_qs(request.target.partition("?")[2]) | form
        known = self._knows(request, asked)
        if known is False:
            return error_reply(401, "UNAUTHORIZED", "wrong user name, password or token")
        scopes = " ".join(asked.get("scope", [])).split()
        grants = frozenset(grant for scope in scopes for grant in _grants(scope))
        if known is None:
            grants = frozenset((name, act) for name, act in grants if act in self.anonymous)
        token = f"token-{next(_NUMBERS)}"
        self._issued.append(token)
        self._granted[token] = grants
        return json_reply({"token": token, "access_token": token, "expires_in": self.expires_in})

    def _knows(self, request: Request, asked: dict[str, list[str]]) -> bool | None:
        """Return whether the credentials are right, or None where there are none."""
        if refresh := asked.get("refresh_token"):
            return refresh[0] in self.refresh_tokens
        given = credentials(request)
        if given is None and "username" in asked:
            given = (asked["username"][0], asked.get("password", [""])[0])
        return None if given is None else self.users.get(given[0]) == given[1]


def credentials(request: Request) -> tuple[str, str] | None:
    """Return the user and password of a Basic header."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    user, _, password = base64.b64decode(coded).decode().partition(":")
    return user, password


def needs(request: Request) -> frozenset[Grant]:
    """Return the grants a request needs: none for the base path."""
    found = _REPOSITORY.match(request.path)
    if found is None:
        return frozenset()
    if request.method in ("GET", "HEAD") and "/blobs/uploads/" not in request.path:
        return frozenset({(found[1], "pull")})
    return frozenset({(found[1], "pull"), (found[1], "push")})


def _scope(needed: frozenset[Grant]) -> str:
    actions = ",".join(sorted({action for _, action in needed}))
    return f"repository:{min(needed)[0]}:{actions}"


def _grants(scope: str) -> list[Grant]:
    # The name of a repository may carry a host with a port: only the ends are fixed.
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return [(name, action) for action in actions.split(",")] if kind == "repository" else []
