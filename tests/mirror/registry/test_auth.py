"""The Authorizer alone: a clock that is set by hand, and a token service of a few lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import httpx
import pytest

from mirror.errors import Misbehaved, NotFound, Refused, RegistryFault, Side, Unreachable
from mirror.registry.auth import Authorizer
from mirror.registry.credentials import Credentials
from mirror.settings import TOKEN_LIFE, TOKEN_RENEWAL
from tests.mirror.registry.reach import CANARY, fault_of, somebody

PULL = ("repository:tkg/pause:pull",)
OTHER = ("repository:tkg/other:pull",)
BASIC = ['Basic realm="x"']
CHALLENGE = ['Bearer realm="https://reg.example/token",service="reg"']


@dataclass
class Service:
    """Gives out t1, t2 and so on; ``answer`` is what else the JSON says."""

    answer: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, httpx.URL, dict[str, str], dict[str, str]]] = field(default_factory=list)
    now: float = 1000.0
    faults: list[RegistryFault] = field(default_factory=list)
    """What the next requests end with instead."""

    def ask(
        self, method: str, url: httpx.URL, headers: dict[str, str], form: dict[str, str]
    ) -> bytes:
        self.asked.append((method, url, headers, form))
        if self.faults:
            raise self.faults.pop(0)
        return json.dumps({"token": f"t{len(self.asked)}"} | self.answer).encode()

    def authorizer(self, found: Credentials | None = None) -> Authorizer:
        registry = httpx.URL("https://reg.example")
        return Authorizer(registry, lambda _name: found, self.ask, _fault, lambda: self.now)


def refused(status: int) -> Refused:
    return Refused(Side.SOURCE, "reg.example", "cannot log in", fact="no", status=status)


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
    # Not even a registry that asks for Basic later gets the password: Harbor does at any refusal.
    assert tokens.renew(['Basic realm="x"'], PULL, "Bearer t1") == "Bearer t2"


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


# --- a wrong password ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("challenge", "identity"),
    [(CHALLENGE, False), (CHALLENGE, True), (BASIC, False)],
    ids=["bearer", "refresh token", "basic"],
)
def test_what_was_refused_is_not_sent_again_for_any_image(
    challenge: list[str], identity: bool
) -> None:
    service = Service(faults=[refused(401)])
    tokens = service.authorizer(somebody(identity=identity))
    for scopes in (PULL, OTHER, PULL):
        fault = fault_of(Refused, tokens.renew, challenge, scopes, "")
        assert (fault.what, fault.fact) == ("cannot log in", "no")
        fault_of(Refused, tokens.header, scopes)
    assert len(service.asked) == 1


def test_a_refusal_of_one_repository_is_not_anothers() -> None:
    service = Service(faults=[refused(403)])
    tokens = service.authorizer(somebody())
    fault_of(Refused, tokens.renew, CHALLENGE, PULL, "")
    assert tokens.header(OTHER) == "Bearer t2"


def test_a_password_that_was_good_once_is_not_forgotten_for_a_401() -> None:
    service = Service()
    tokens = service.authorizer(somebody())
    assert tokens.renew(CHALLENGE, PULL, "") == "Bearer t1"
    service.faults = [refused(401)]
    fault_of(Refused, tokens.header, OTHER)
    assert tokens.header(OTHER) == "Bearer t3"


@pytest.mark.parametrize("challenge", [CHALLENGE, BASIC], ids=["bearer", "basic"])
def test_a_service_that_fails_says_nothing_about_the_password(challenge: list[str]) -> None:
    service = Service(faults=[Unreachable(Side.SOURCE, "reg.example", "cannot log in")])
    tokens = service.authorizer(somebody())
    fault_of(Unreachable, tokens.renew, challenge, PULL, "")
    assert tokens.renew(challenge, PULL, "")


def test_the_refusal_of_nobody_is_not_the_next_ones() -> None:
    service = Service(faults=[refused(401)])
    tokens = service.authorizer()
    fault_of(Refused, tokens.renew, CHALLENGE, PULL, "")
    assert tokens.header(OTHER) == "Bearer t2"


def test_the_refusal_of_one_account_is_not_another_ones() -> None:
    service, account = Service(faults=[refused(401)]), {"tkg/pause": "ann", "tkg/other": "bob"}
    registry = httpx.URL("https://reg.example")
    tokens = Authorizer(registry, lambda name: somebody(account[name]), service.ask, _fault)
    fault_of(Refused, tokens.renew, CHALLENGE, PULL, "")
    assert tokens.header(OTHER) == "Bearer t2"


def test_basic_is_tried_at_the_base_path_once() -> None:
    service = Service()
    tokens = service.authorizer(somebody())
    header = tokens.renew(BASIC, PULL, "")
    assert tokens.header(OTHER) == header == somebody().basic()
    ((method, url, headers, form),) = service.asked
    assert (method, str(url), form) == ("GET", "https://reg.example/v2/", {})
    assert headers == {"Authorization": header}


@pytest.mark.parametrize(
    "fault",
    [
        refused(403),
        NotFound(Side.SOURCE, "reg.example", "cannot log in"),
        Misbehaved(Side.SOURCE, "reg.example", "cannot log in"),
    ],
    ids=lambda fault: fault.name,
)
def test_a_base_path_that_is_closed_says_nothing_about_the_password(fault: RegistryFault) -> None:
    service = Service(faults=[fault])
    tokens = service.authorizer(somebody())
    assert tokens.renew(BASIC, PULL, "") == tokens.header(OTHER) == somebody().basic()
    assert len(service.asked) == 1
