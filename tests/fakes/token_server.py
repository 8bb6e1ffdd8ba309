"""A token service whose tokens a real registry believes: `auth: token` of Distribution.

A registry with token auth knows nobody. It sends a client away with a challenge, and takes what
the service signed: a JWT (RS256) with the certificate in its head (`x5c`), of which the registry
has the root. The tool goes to no service on another address than the registry's own, so both stand
behind one front; `asks_tokens` builds the three:

    with asks_tokens(tmp_path) as locked:            # or the fixture `token_registry`
        locked.tokens.users["ann"] = "correct horse"
        httpx.get(f"{locked.url}/v2/")               # 401, Bearer realm="http://.../token"
        locked.tokens.asked                          # [Asked("GET", "ann", ..., status=200)]
        locked.registry.requests()                   # what the registry saw, with its answers

What the service is like is set by its attributes, at any time:

    tokens.rights["ann"] = frozenset({"pull"})       # others may do everything
    tokens.anonymous = frozenset()                   # nobody gets anything
    tokens.refresh_tokens["r1"] = "ann"              # for POST, grant_type=refresh_token
    tokens.over_grant = True                         # all the caller may do, as Harbor answers
    tokens.degrade = True                            # a wrong password is nobody's, as at Harbor
    tokens.field = "access_token"                    # and `token` empty; or "token", or "both"
    tokens.life = 30                                 # seconds, in `exp` and in `expires_in`

Time passes when the test says so. The clock of this small world stands `ahead` of the machine's;
on its way to the registry, whose clock is the machine's, every token is made older by as much. So
the registry judges `exp` and `nbf` itself, and nobody sleeps:

    tokens.expire()                                  # all that were handed out are over
    locked.front.before("PUT", "/uploads/", tokens.expire)   # or just before that request
    locked.ended                                     # requests that were refused for that
"""

from __future__ import annotations

import base64
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from scripts.world.registry import Registry, TokenAuth
from tests.fakes.auth import credentials
from tests.fakes.front import Front, Head
from tests.fakes.http import Server
from tests.fakes.message import Reply, Request, error_reply, json_reply

__all__ = ["Asked", "TokenRegistry", "TokenServer", "asks_tokens"]

SERVICE, ISSUER = "world", "world's token service"
EVERYTHING = frozenset({"pull", "push", "delete"})
# Seconds that Distribution 2.8 allows two clocks to differ (registry/auth/token, Leeway).
LEEWAY = 60
_TIMES = ("iat", "nbf", "exp")

Claims = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request for a token: who came, with which secret, for what, and the answer's status.

    `user` is the name that was given or, for a refresh token, the one it stands for; empty for
    nobody. `scopes` are as they were written.
    """

    method: str
    user: str
    secret: str
    scopes: tuple[str, ...]
    status: int


class TokenServer:
    """See the module for what each attribute does."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.rights: dict[str, frozenset[str]] = {}
        self.anonymous: frozenset[str] = frozenset({"pull"})
        self.refresh_tokens: dict[str, str] = {}
        self.over_grant = False
        self.degrade = False
        self.field: Literal["token", "access_token", "both"] = "token"
        self.life = 300
        self.ahead = 0.0
        self.asked: list[Asked] = []
        self._dice = random.Random(0)
        self._numbers = itertools.count()
        self._server = Server(self._answer)
        self._thread = threading.Thread(target=self._server.run, name="token service")

    @property
    def port(self) -> int:
        """Where it listens by itself, without the front."""
        return self._server.server_port

    def expire(self) -> None:
        """Let the clock run until every token that was handed out is over."""
        self.ahead += self.life + LEEWAY + 1

    def aged(self, token: str) -> str:
        """Return the token as it looks to a clock that did not run ahead; others as they are."""
        parts = token.split(".")
        if not self.ahead or len(parts) != 3:
            return token
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        return signed(claims | {name: int(claims[name] - self.ahead) for name in _TIMES})

    def wrong(self) -> list[Asked]:
        """Return the requests that came with a secret that is not right."""
        return [a for a in self.asked if a.secret and not self._knows(a.user, a.secret)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.end()
        self._thread.join()
        if self._server.faults and error is None:
            raise self._server.faults[0]

    def _answer(self, request: Request) -> Reply:
        if request.path != "/token":
            return error_reply(404, "NOT_FOUND")
        form = parse_qs(request.body.decode()) if request.method == "POST" else {}
        given = parse_qs(request.target.partition("?")[2]) | form
        scopes = tuple(" ".join(given.get("scope", [])).split())
        user, secret = self._who(request, given)
        known = self._knows(user, secret)
        status = 200 if known or not user or self.degrade else 401
        self.asked.append(Asked(request.method, user, secret, scopes, status))
        if status == 401:
            return error_reply(401, "UNAUTHORIZED", "wrong user name, password or token")
        return self._grant(user if known else "", scopes, given)

    def _who(self, request: Request, given: dict[str, list[str]]) -> tuple[str, str]:
        """Return the name and the secret that came along, empty where none did."""
        if refresh := given.get("refresh_token"):
            return self.refresh_tokens.get(refresh[0], "?"), refresh[0]
        if "username" in given:
            return given["username"][0], given.get("password", [""])[0]
        return credentials(request) or ("", "")

    def _knows(self, user: str, secret: str) -> bool:
        password = self.users.get(user)
        return secret != "" and (secret == password or self.refresh_tokens.get(secret) == user)

    def _grant(self, user: str, scopes: tuple[str, ...], given: dict[str, list[str]]) -> Reply:
        now = int(time.time() + self.ahead)
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": given.get("service", [""])[0],
            "iat": now,
            "nbf": now,
            "exp": now + self.life,
            "jti": str(next(self._numbers)),
            "access": [access for scope in scopes if (access := self._access(user, scope))],
        }
        token = signed(claims)
        answer: dict[str, object] = {
            "token": token if self.field != "access_token" else "",
            "access_token": token if self.field != "token" else "",
            "expires_in": self.life,
            "issued_at": datetime.fromtimestamp(now, UTC).isoformat(),
        }
        if user and (given.get("offline_token") or given.get("access_type") == ["offline"]):
            answer["refresh_token"] = f"refresh-{claims['jti']}"
            self.refresh_tokens[f"refresh-{claims['jti']}"] = user
        return json_reply(answer)

    def _access(self, user: str, scope: str) -> Claims | None:
        # The name of a repository may carry a host with a port: only the ends are fixed.
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        allowed = self.rights.get(user, EVERYTHING) if user else self.anonymous
        granted = allowed if self.over_grant else allowed & {*actions.split(",")}
        shuffled = self._dice.sample(sorted(granted), len(granted))
        return {"type": kind, "name": name, "actions": shuffled} if granted else None


@dataclass(frozen=True)
class TokenRegistry:
    """A registry, the service whose tokens it takes, and the one address of both."""

    registry: Registry
    tokens: TokenServer
    front: Front

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return self.front.host

    @property
    def url(self) -> str:
        """The address with its scheme and without a path."""
        return self.front.url

    @property
    def ended(self) -> int:
        """How many requests the registry refused since their token was over, by its own log."""
        return self.registry.log_path.read_text().count("token not to be used after")


@contextmanager
def asks_tokens(folder: Path) -> Iterator[TokenRegistry]:
    """Run a registry that asks for tokens; `folder` gets the service's certificate."""
    certificate = folder / "token-service.pem"
    certificate.write_bytes(_signer()[1].public_bytes(Encoding.PEM))
    with TokenServer() as tokens, Front(lambda head: (tokens.port, head)) as front:
        auth = TokenAuth(f"{front.url}/token", SERVICE, ISSUER, certificate)
        with Registry(tokens=auth, delete=True) as registry:

            def route(head: Head) -> tuple[int, Head]:
                if head.target.partition("?")[0] == "/token":
                    return tokens.port, head
                kind, _, token = head.get("Authorization").partition(" ")
                if kind == "Bearer":
                    head = head.having("Authorization", f"Bearer {tokens.aged(token)}")
                return registry.port, head

            front.route = route
            yield TokenRegistry(registry, tokens, front)


def signed(claims: Claims) -> str:
    """Return the claims as a JWT: RS256, with the certificate in its head (RFC 7515, 4.1.6)."""
    key, certificate = _signer()
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    head = {"typ": "JWT", "alg": "RS256", "x5c": chain}
    text = f"{_coded(head)}.{_coded(claims)}"
    return f"{text}.{_plain(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@cache
def _signer() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """Make the key and its own certificate, once: it takes a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _coded(value: object) -> str:
    return _plain(json.dumps(value).encode())


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
