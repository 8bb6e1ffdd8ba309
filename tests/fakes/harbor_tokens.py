"""Harbor's token service: it gives all that the caller may do, whatever was asked for.

Measured on v2.9.5 ([M]) or read in its `creator.go` ([S]). A token looks like Harbor's JWT, but
its signature is random: the facade knows the tokens it gave, and no others.
"""

from __future__ import annotations

import base64
import json
import random
import re
import secrets
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from tests.fakes.auth import credentials
from tests.fakes.harbor_projects import ANONYMOUS, Account, Caller, System, project_of
from tests.fakes.message import Reply, Request, error_reply, json_reply

PATH = "/service/token"
SERVICE = "harbor-registry"
# Seconds [M].
EXPIRES_IN = 1800

_SCOPE = re.compile(r"(?P<kind>[a-z]+):(?P<name>[^:]+):(?P<actions>[a-z,*]*)")
_KEY = "WYSM:VEHW:EUVU:7OWO:2BUS:ISQE:XHVX:M4SG:7BZF:RKVI:UR3O:TUTA"

Access = dict[str, object]


class Tokens:
    """Gives tokens out and knows them again. `uses` makes them end early; 0 is no limit."""

    def __init__(self, system: System) -> None:
        self.uses = 0
        self._system = system
        self._given: dict[str, Caller] = {}
        self._used: Counter[str] = Counter()
        # "Order is random" [M]: seeded, so that a run can be repeated.
        self._random = random.Random(0)

    def answer(self, request: Request) -> Reply:
        """Answer a request to the service itself."""
        if request.method != "GET":
            return error_reply(405, "METHOD_NOT_ALLOWED")
        query = parse_qs(urlsplit(request.target).query)
        scopes = " ".join(query.get("scope", [])).split()
        account = basic(self._system, request)
        if account is ANONYMOUS and not scopes:
            return error_reply(401, "UNAUTHORIZED", "unauthorized to access token service")
        return self._give(account, scopes)

    def caller(self, token: str) -> Caller:
        """Who sends this token; anybody where it was never given, or has ended."""
        self._used[token] += 1
        if self.uses and self._used[token] > self.uses:
            return Caller()
        return self._given.get(token, Caller())

    def expire(self) -> None:
        """Make every token that was given worthless, as 1800 seconds would."""
        self._given.clear()

    def _give(self, account: Account, scopes: list[str]) -> Reply:
        access, granted = list[Access](), dict[str, frozenset[str]]()
        for scope in filter(None, map(_SCOPE.fullmatch, scopes)):
            name = scope["name"]
            # A name without a project yields no access at all [M].
            if scope["kind"] == "repository" and "/" in name:
                actions = self._system.rights(account, project_of(name))
                granted[project_of(name)] = actions
                access.append({"type": "repository", "name": name, "actions": self._any(actions)})
        token = _jwt(account, access)
        self._given[token] = Caller(account, granted)
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        answer = {"token": token, "access_token": "", "expires_in": EXPIRES_IN, "issued_at": issued}
        return json_reply(answer)

    def _any(self, actions: frozenset[str]) -> list[str]:
        return self._random.sample(sorted(actions), len(actions))


def basic(system: System, request: Request) -> Account:
    """The account of a Basic header; nobody where there is none, or where it is wrong [M]."""
    given = credentials(request)
    return system.login(*given) if given else ANONYMOUS


def claims(token: str) -> dict[str, object]:
    """What a token says about itself, unverified."""
    coded = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    assert isinstance(found, dict)
    return found


def _jwt(account: Account, access: list[Access]) -> str:
    now = int(time.time())
    body: dict[str, object] = {
        "iss": "harbor-token-issuer",
        "aud": SERVICE,
        "exp": now + EXPIRES_IN,
        "nbf": now,
        "iat": now,
        "jti": secrets.token_hex(8),
        "access": access,
    }
    if account is not ANONYMOUS:
        body["sub"] = account.name
    head = {"typ": "JWT", "alg": "RS256", "kid": _KEY}
    return ".".join([_coded(head), _coded(body), secrets.token_urlsafe(64)])


def _coded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
