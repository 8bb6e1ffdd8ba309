"""Twelve ways in which registries meet somebody without a login, and who gets through.

The table was measured with docker 20.10, containerd 1.6, skopeo 1.9, crane 0.21 and imgpkg 0.43
(anonymous), each before a front of the listed behaviour with a real image behind it:

    for row in TWELVE:
        with row.standing() as host:                 # 127.0.0.1:PORT, plain HTTP
            httpx.get(f"http://{host}/v2/")

Each place holds one image, IMAGE. ``row.works`` has the five in the order of CLIENTS. MORE are
further ways, found by asking the same clients (docker 20.10.24, containerd 1.6.20, skopeo 1.9.3,
crane 0.20.6; imgpkg has crane's library).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from scripts.world.images import ImageSpec, build
from tests.fakes.auth import Bearer, Gate
from tests.fakes.message import Reply, Request
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Go, answer, replace_header, www_auth
from tests.fakes.proxy_message import Answer, Question
from tests.fakes.simple import FakeRegistry

__all__ = ["CLIENTS", "IMAGE", "MORE", "TWELVE", "Guard", "Row", "basic_first"]

CLIENTS = ("docker", "containerd", "skopeo", "crane", "imgpkg")
REPOSITORY, TAG = "tkg/tkg-compatibility", "v1"
IMAGE = f"{REPOSITORY}:{TAG}"

_ROOT, _BASIC = "^/v2/$", 'Basic realm="world"'
Behave = Callable[[FaultProxy, FakeRegistry], object]


@dataclass(frozen=True)
class Row:
    """One behaviour, and who can pull: ``works`` has a letter a client, "y" or "n"."""

    name: str
    works: str
    behave: Behave

    @contextmanager
    def standing(self) -> Iterator[str]:
        """A registry that behaves so, with one image in it; yields its host and port."""
        with FakeRegistry() as fake, FaultProxy(fake.url) as proxy:
            fake.add(REPOSITORY, TAG, build(ImageSpec("tkg-compatibility")))
            self.behave(proxy, fake)
            yield proxy.host


@dataclass
class Guard:
    """A gate that asks another one about some paths, and lets everybody through on others."""

    inner: Gate
    paths: str

    def stop(self, request: Request) -> Reply | None:
        """Refuse where the other one does."""
        return self.inner.stop(request) if re.search(self.paths, request.path) else None


def basic_first(question: Question, go: Go) -> Answer:
    """Put a Basic challenge in a header of its own before those of a 401."""
    found = go(question)
    first = (("WWW-Authenticate", _BASIC),) if found.status == 401 else ()
    return replace(found, headers=(*first, *found.headers))


def _tokens(paths: str = "", **options: frozenset[str]) -> Behave:
    """Ask for a token on these paths, and hand one out to anybody."""

    def behave(proxy: FaultProxy, fake: FakeRegistry) -> None:
        bearer = Bearer(f"{proxy.url}/token", **options)  # type: ignore[arg-type]
        fake.gate = Guard(bearer, f"^/token|{paths}")

    return behave


def _no_token(proxy: FaultProxy, fake: FakeRegistry) -> None:
    _tokens()(proxy, fake)
    proxy.on("GET", "^/token", answer(401, "UNAUTHORIZED"))


def _two(proxy: FaultProxy, fake: FakeRegistry) -> None:
    _tokens()(proxy, fake)
    proxy.on("*", "^/v2/", basic_first)


def _unquoted(proxy: FaultProxy, fake: FakeRegistry) -> None:
    _tokens("never")(proxy, fake)
    challenge = f"bearer realm={proxy.url}/token,service=world"
    proxy.on("GET", _ROOT, replace_header("WWW-Authenticate", challenge))


def _as_zot(proxy: FaultProxy, _fake: FakeRegistry) -> None:
    proxy.on("GET", _ROOT, replace_header("WWW-Authenticate", "basic realm=zot"))


TWELVE = (
    Row("fully open", "yyyyy", lambda _proxy, _fake: None),
    Row(
        "/v2/ 401 Basic, manifests open",
        "nyyyy",
        lambda proxy, _: proxy.on("GET", _ROOT, www_auth(_BASIC)),
    ),
    Row("everything 401 Bearer, anonymous token works", "yyyyy", _tokens()),
    Row("/v2/ 401 Bearer, manifests open without token", "yyyyy", _tokens(_ROOT)),
    Row("/v2/ 200, manifest 401 Bearer", "nynnn", _tokens("manifests|blobs")),
    Row("/v2/ 200 with basic, as zot", "yyyyy", _as_zot),
    Row("/v2/ 200 with bearer without quotes", "yynyy", _unquoted),
    Row("/v2/ 403, manifests open", "yynnn", lambda proxy, _: proxy.on("GET", _ROOT, answer(403))),
    Row("/v2/ 404, manifests open", "yynnn", lambda proxy, _: proxy.on("GET", _ROOT, answer(404))),
    Row("Bearer, anonymous token with empty access", "nnnnn", _tokens(anonymous=frozenset())),
    Row("Bearer, token endpoint 401 to anonymous", "nnnnn", _no_token),
    Row("Basic everywhere", "nnnnn", lambda _, fake: fake.require_basic("ann", "correct horse")),
    Row("two challenges, Basic first", "nynnn", _two),
)


def _written(write: Callable[[str], list[str]]) -> Behave:
    """Ask for tokens, with the challenge written otherwise: a header for each text."""

    def rewrite(question: Question, go: Go) -> Answer:
        found = go(question)
        if found.status != 401:
            return found
        lines = write(found.header("WWW-Authenticate") or "")
        others = found.without_header("WWW-Authenticate").headers
        return replace(found, headers=(*(("WWW-Authenticate", x) for x in lines), *others))

    def behave(proxy: FaultProxy, fake: FakeRegistry) -> None:
        _tokens()(proxy, fake)
        proxy.on("*", "^/v2/", rewrite)

    return behave


def _head(status: int) -> Behave:
    return lambda proxy, _: proxy.on("HEAD", "/manifests/", answer(status))


def _token_answer(body: bytes) -> Behave:
    def behave(proxy: FaultProxy, fake: FakeRegistry) -> None:
        _tokens()(proxy, fake)
        proxy.on("GET", "^/token", answer(200, body=body))

    return behave


def _needless(proxy: FaultProxy, fake: FakeRegistry) -> None:
    _tokens(_ROOT)(proxy, fake)
    proxy.on("GET", "^/token", answer(401, "UNAUTHORIZED"))


MORE = (
    Row("Bearer, then Basic in another header", "nyyyy", _written(lambda it: [it, _BASIC])),
    Row("Basic and Bearer in one header", "nnnnn", _written(lambda it: [f"{_BASIC}, {it}"])),
    Row("Bearer and Basic in one header", "yyyyy", _written(lambda it: [f"{it}, {_BASIC}"])),
    Row("401 with bearer without quotes", "nnnnn", _written(lambda it: [it.replace('"', "")])),
    Row("blanks before =", "nnnnn", _written(lambda it: [it.replace("=", " =")])),
    Row("blanks around commas", "yyyyy", _written(lambda it: [it.replace(",", " , ")])),
    Row("two commas", "yyyyy", _written(lambda it: [it.replace(",", ",,")])),
    Row("Negotiate, then Bearer", "yyyyy", _written(lambda it: ["Negotiate", it])),
    Row("no scope", "yyyyy", _written(lambda it: [it.partition(",scope")[0]])),
    Row("no realm", "nnnnn", _written(lambda _: ['Bearer service="x"'])),
    Row("realm without a host", "nnnnn", _written(lambda _: ['Bearer realm="/token"'])),
    Row("token service without a token", "nnnnn", _token_answer(b"{}")),
    Row("token service that answers no JSON", "nnnnn", _token_answer(b"<html>")),
    Row("/v2/ 401 Bearer without tokens, manifests open", "nynnn", _needless),
    Row("401 without a challenge", "yyyyy", lambda proxy, _: proxy.on("GET", _ROOT, www_auth(""))),
    Row("HEAD forbidden", "ynyyy", _head(403)),
    Row("HEAD finds nothing", "ynyyy", _head(404)),
    Row("HEAD not allowed", "yyyyy", _head(405)),
)
