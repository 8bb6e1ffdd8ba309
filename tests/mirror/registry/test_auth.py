"""The Authorizer alone: a clock that is set by hand, and a token service of a few lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import httpx
import pytest

from mirror.errors import Misbehaved, RegistryFault, Side
from mirror.registry.auth import Authorizer
from mirror.registry.credentials import Credentials
from mirror.settings import TOKEN_LIFE, TOKEN_RENEWAL
from tests.mirror.registry.reach import CANARY, fault_of, somebody

PULL = ("repository:tkg/pause:pull",)
CHALLENGE = ['Bearer realm="https://reg.example/token",service="reg"']


@dataclass
class Service:
    """Gives out t1, t2 and so on; ``answer`` is what else the JSON says."""

    answer: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, httpx.URL, dict[str, str], dict[str, str]]] = field(default_factory=list)
    now: float = 1000.0

    def ask(
        self, method: str, url: httpx.URL, headers: dict[str, str], form: dict[str, str]
    ) -> bytes:
        self.asked.append((method, url, headers, form))
        return json.dumps({"token": f"t{len(self.asked)}"} | self.answer).encode()

    def authorizer(self, found: Credentials | None = None) -> Authorizer:
        registry = httpx.URL("https://reg.example")
        return Authorizer(registry, lambda _name: found, self.ask, _fault, lambda: self.now)


def _fault(kind: type[RegistryFault], what: str, fact: str) -> RegistryFault:
    return kind(Side.SOURCE, "reg.example", what, fact=fact)


def test_nothing_is_sent_before_it_is_asked_for() -> None:
    service = Service()
    assert service.authorizer(somebody()).header(PULL) == ""
    assert not service.asked


def test_the_scope_is_asked_for_and_a_token_is_used_again() -> None:
    service = Service()
    tokens = service.authorizer()
    assert tokens.renew(CHALLENGE, PULL, "") == "Bearer t1"
    assert tokens.header(PULL) == "Bearer t1"
    assert tokens.header(("repository:tkg/other:pull",)) == "Bearer t2"
    method, url, headers, form = service.asked[0]
    assert (method, headers, form) == ("GET", {}, {})
    assert dict(url.params) == {"service": "reg", "scope": PULL[0]}


@pytest.mark.parametrize(
    ("stated", "life"),
    [
        (300, 300.0),
        (1, 1.0),
        (0, TOKEN_LIFE),
        (-5, TOKEN_LIFE),
        (10**9, TOKEN_LIFE),
        (10**400, TOKEN_LIFE),
        ("300", TOKEN_LIFE),
        (True, TOKEN_LIFE),
        (1.5, TOKEN_LIFE),
        (None, TOKEN_LIFE),
        ([], TOKEN_LIFE),
    ],
)
def test_a_token_is_renewed_before_it_ends(stated: object, life: float) -> None:
    service = Service({"expires_in": stated})
    tokens = service.authorizer()
    tokens.renew(CHALLENGE, PULL, "")
    service.now += life * TOKEN_RENEWAL - 0.01
    assert tokens.header(PULL) == "Bearer t1"
    service.now += 0.02
    assert tokens.header(PULL) == "Bearer t2"


def test_a_refused_token_is_renewed_once_for_all_who_sent_it() -> None:
    service = Service()
    tokens = service.authorizer()
    old = tokens.renew(CHALLENGE, PULL, "")
    assert tokens.renew(CHALLENGE, PULL, old) == "Bearer t2"
    assert tokens.renew(CHALLENGE, PULL, old) == "Bearer t2"
    assert len(service.asked) == 2


def test_the_same_token_again_is_nothing_new() -> None:
    tokens = Service({"token": "same"}).authorizer()
    sent = tokens.renew(CHALLENGE, PULL, "")
    assert tokens.renew(CHALLENGE, PULL, sent) == ""


@pytest.mark.parametrize(
    ("answer", "header"),
    [
        ({"token": "a", "access_token": ""}, "Bearer a"),
        ({"token": "", "access_token": "b"}, "Bearer b"),
        ({"token": None, "access_token": "b"}, "Bearer b"),
        ({"token": "a", "access_token": "b"}, "Bearer a"),
    ],
)
def test_the_first_token_that_is_not_empty_counts(answer: dict[str, object], header: str) -> None:
    assert Service(answer).authorizer().renew(CHALLENGE, PULL, "") == header


@pytest.mark.parametrize(
    "token",
    ["", None, 7, [], {}, "a b", "a\nX-Evil: 1", "a\r", "a\x00", "ä", "a\x7f", "\U0001f600"],
)
def test_a_token_that_could_end_the_header_is_refused(token: object) -> None:
    fault_of(Misbehaved, Service({"token": token}).authorizer().renew, CHALLENGE, PULL, "")


@pytest.mark.parametrize(
    "headers",
    [[], [""], ["Negotiate"], ["Digest realm=x"], ["garbage"], ['AWS4 realm="https://x"']],
)
def test_a_challenge_that_nobody_knows_is_not_answered(headers: list[str]) -> None:
    service = Service()
    assert service.authorizer(somebody()).renew(headers, PULL, "") == ""
    assert not service.asked


@pytest.mark.parametrize(
    "realm",
    [
        "",
        "https://evil.example/token",
        "https://reg.example:444/token",
        "http://reg.example/token",
        "https://reg.example@evil.example/token",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
    ],
)
def test_no_credentials_leave_for_a_realm_elsewhere(realm: str) -> None:
    service = Service()
    challenge = [f'Bearer realm="{realm}",service="reg"']
    fault_of(Misbehaved, service.authorizer(somebody()).renew, challenge, PULL, "")
    assert not service.asked


def test_bearer_is_chosen_wherever_it_stands() -> None:
    service = Service()
    tokens = service.authorizer(somebody())
    assert tokens.renew(['Basic realm="x"', *CHALLENGE], PULL, "") == "Bearer t1"
    assert tokens.renew(['Basic realm="x"'], PULL, "").startswith("Basic ")


def test_nobody_has_no_basic_and_an_identity_token_is_no_password() -> None:
    assert Service().authorizer().renew(['Basic realm="x"'], PULL, "") == ""
    identity = Service().authorizer(somebody(identity=True))
    assert identity.renew(['Basic realm="x"'], PULL, "") == ""


def test_an_identity_token_is_posted_and_stands_in_no_url() -> None:
    service = Service()
    service.authorizer(somebody("<token>", identity=True)).renew(CHALLENGE, PULL, "")
    ((method, url, headers, form),) = service.asked
    assert (method, headers) == ("POST", {})
    assert CANARY not in str(url)
    assert form["grant_type"] == "refresh_token"
    assert form["refresh_token"] == CANARY
    assert form["scope"] == PULL[0]


def test_tokens_do_not_show_in_a_repr() -> None:
    tokens = Service({"token": CANARY}).authorizer()
    tokens.renew(CHALLENGE, PULL, "")
    assert CANARY not in repr(tokens._tokens)
