"""Secrets that must not come back to people in somebody else's words."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote
from urllib.request import getproxies

import httpx

from mirror.registry.place import asked

FORM = "application/x-www-form-urlencoded"
# Characters. A very short secret would star out ordinary words.
SHORTEST_SECRET = 3
# Parameters of a query that this client makes, and that say nothing secret.
_OWN_QUERY = frozenset({"digest", "from", "last", "mount", "n", "scope", "service"})


def masked(body: bytes, request: httpx.Request) -> bytes:
    """An answer's words without the secrets that its request carried: some proxies echo them."""
    sent = request.headers.get("authorization", "").partition(" ")[2]
    secrets = [sent, *_signatures(asked(request)), *_proxy_secrets()]
    with suppress(ValueError):
        secrets.append(base64.b64decode(sent, validate=True).decode().partition(":")[2])
    if request.headers.get("content-type", "") == FORM:
        secrets += httpx.QueryParams(request.content.decode()).get_list("refresh_token")
    for secret in filter(lambda text: len(text) > SHORTEST_SECRET, secrets):
        body = body.replace(secret.encode(), b"***")
    return body


def _signatures(url: httpx.URL) -> Iterator[str]:
    """Values in a query that a peer gave: object stores and upload sessions are signed there."""
    for part in url.query.decode("latin-1").split("&"):
        name, _equals, value = part.partition("=")
        if name not in _OWN_QUERY:
            yield from (value, unquote(value))


def _proxy_secrets() -> Iterator[str]:
    """Passwords in the addresses of proxies, as they stand there and as they are sent."""
    for address in getproxies().values():
        userinfo = address.rpartition("@")[0].rpartition("/")[2]
        password = userinfo.partition(":")[2]
        pair = unquote(userinfo).encode("utf-8", "surrogateescape")
        yield from (password, unquote(password), base64.b64encode(pair).decode())
