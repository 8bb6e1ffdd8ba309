"""REG-3: are the credentials good, without a registry's word for what is not so?"""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from mirror.preflight.interface import Status
from mirror.preflight.standing import actions, claims
from mirror.registry.credentials import Credentials, Secret
from mirror.registry.tls import TlsOptions
from scripts.world.registry import Registry
from tests.fakes.behaviours import Go, answer
from tests.fakes.harbor import Harbor
from tests.fakes.message import Reply, Request, error_reply
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.registries import RIGHTS, denied, look, whole

ANN = (USER, PASSWORD)
WRONG = (USER, "canary-of-a-wrong-password")


def logins(seen: list[dict[str, str]]) -> int:
    return sum(headers.get("authorization", "").startswith("Basic ") for headers in seen)


# --- Harbor -------------------------------------------------------------------------------------


def test_harbor_knows_a_user_an_administrator_and_a_robot(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    ann = harbor.user("ann", PASSWORD, {"tkg": "developer"})
    robot = harbor.robot("tkg", "mirror", "robot's secret")
    kinds = {
        account.name: look(harbor.host, login=account.login)["REG-3"]
        for account in (ann, robot, harbor.admin)
    }
    assert {found.status for found in kinds.values()} == {Status.PASS}
    assert kinds["ann"].summary == "Harbor knows ann: a user"
    assert kinds["admin"].summary.endswith("an administrator")
    assert kinds[robot.name].summary == "Harbor knows robot$tkg+mirror: a robot account"


def test_a_wrong_password_that_harbor_takes_for_none_fails(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    harbor.user("ann", PASSWORD, {"tkg": "developer"})
    found = look(harbor.host, login=WRONG)
    assert found["REG-3"].status is Status.FAIL
    assert "password" in found["REG-3"].fix


@pytest.mark.parametrize("create", [False, True])
def test_a_wrong_password_is_sent_to_harbor_once_and_not_once_a_check(
    harbor: Harbor, create: bool
) -> None:
    harbor.user("ann", PASSWORD)
    look(harbor.host, login=WRONG, create=create)
    assert logins([seen.headers for seen in harbor.requests]) == 1


def test_what_needs_a_login_waits_for_a_good_one_and_the_rest_is_told(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    found = look(harbor.host, login=WRONG)
    assert "REG-3" in found["REG-4"].summary
    assert found["REG-4"].unknown
    told = [found[name].status for name in ("REG-5", "REG-6", "REG-8", "REG-10")]
    assert told == [Status.PASS] * 4


# --- others -------------------------------------------------------------------------------------


def test_basic_is_tried_at_the_root(locked_registry: Registry) -> None:
    assert look(locked_registry.host, RIGHTS, login=ANN)["REG-3"].status is Status.PASS


def test_a_wrong_password_is_sent_to_a_basic_registry_once(fake: FakeRegistry) -> None:
    fake.require_basic(*ANN)
    found = look(fake.host, login=WRONG)
    assert found["REG-3"].status is Status.FAIL
    assert logins([seen.headers for seen in fake.requests]) == 1


def test_a_token_service_that_knows_the_account(token_registry: TokenRegistry) -> None:
    token_registry.tokens.users["ann"] = PASSWORD
    found = look(token_registry.host, RIGHTS, login=ANN)["REG-3"]
    assert found.status is Status.PASS
    assert "push" in found.detail


def test_a_wrong_password_is_sent_to_a_token_service_once(token_registry: TokenRegistry) -> None:
    token_registry.tokens.users["ann"] = PASSWORD
    assert look(token_registry.host, login=WRONG)["REG-3"].status is Status.FAIL
    assert len(token_registry.tokens.wrong()) == 1


def test_a_token_service_that_takes_a_wrong_password_for_nobodys(
    token_registry: TokenRegistry,
) -> None:
    token_registry.tokens.users["ann"] = PASSWORD
    token_registry.tokens.degrade = True
    found = look(token_registry.host, login=WRONG)["REG-3"]
    assert found.status is Status.FAIL
    assert "nobody" in found.summary
    assert len(token_registry.tokens.wrong()) == 1


def test_an_opaque_token_counts_by_being_taken(fake: FakeRegistry) -> None:
    fake.require_bearer(ann=PASSWORD)
    assert look(fake.host, RIGHTS, login=ANN)["REG-3"].status is Status.PASS
    assert look(fake.host, RIGHTS, login=WRONG)["REG-3"].status is Status.FAIL


@pytest.mark.parametrize("anonymous", [{"pull"}, {"pull", "push", "delete"}])
@pytest.mark.parametrize("login", [ANN, WRONG])
def test_an_opaque_token_that_anybody_gets_proves_no_login(
    fake: FakeRegistry, login: tuple[str, str], anonymous: set[str]
) -> None:
    """A service that takes no notice of the login: right and wrong ones look alike."""
    gate = fake.require_bearer()
    gate.anonymous = frozenset(anonymous)

    def deaf(request: Request, _go: object) -> Reply:
        headers = {name: text for name, text in request.headers.items() if name != "authorization"}
        return gate.stop(replace(request, headers=headers)) or Reply(500)

    fake.on("GET", "^/token", deaf)
    found = look(fake.host, RIGHTS, login=login)
    assert found["REG-3"].unknown
    assert "it gives a stranger the same rights" in found["REG-3"].summary
    assert found["REG-3"].fix
    # What the token may do is told all the same.
    assert found["REG-4"].status is (Status.PASS if "push" in anonymous else Status.FAIL)


def test_an_opaque_token_where_strangers_get_none_proves_the_login(fake: FakeRegistry) -> None:
    gate = fake.require_bearer(ann=PASSWORD)

    def strict(request: Request, go: Go) -> Reply:
        return go() if "authorization" in request.headers else error_reply(401, "UNAUTHORIZED")

    fake.on("GET", "^/token", strict)
    fake.on("PUT", "/manifests/", lambda request, _go: gate.stop(request) or Reply(403))
    assert look(fake.host, RIGHTS, login=ANN)["REG-3"].status is Status.PASS


def test_a_token_that_names_the_account_needs_no_further_question(
    token_registry: TokenRegistry,
) -> None:
    token_registry.tokens.users["ann"] = PASSWORD
    token_registry.tokens.rights["ann"] = frozenset({"pull"})
    found = look(token_registry.host, RIGHTS, login=ANN)
    assert (found["REG-3"].status, found["REG-4"].status) == (Status.PASS, Status.FAIL)


def test_a_registry_that_does_not_believe_its_own_token_service(fake: FakeRegistry) -> None:
    bearer = fake.require_bearer(ann=PASSWORD)
    challenge = f'Bearer realm="{bearer.realm}",service="fake"'
    fake.on("GET", "^/v2/$", answer(401, "UNAUTHORIZED", WWW_Authenticate=challenge))
    found = look(fake.host, RIGHTS, login=ANN)["REG-3"]
    assert found.status is Status.FAIL
    assert "token" in found.summary


def test_a_refresh_token_is_posted_and_is_no_password(
    token_registry: TokenRegistry, locked_registry: Registry
) -> None:
    token_registry.tokens.refresh_tokens["refresh-1"] = "ann"
    token_registry.tokens.users["ann"] = PASSWORD
    identity = Credentials("<token>", Secret("refresh-1"), identity=True)
    found = look(token_registry.host, RIGHTS, login=identity)
    assert (found["REG-3"].status, found["REG-4"].status) == (Status.PASS, Status.PASS)
    assert {asked.method for asked in token_registry.tokens.asked if asked.secret} == {"POST"}
    refused = look(locked_registry.host, RIGHTS, login=identity)["REG-3"]
    assert refused.unknown


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_service_out_of_order_is_no_wrong_password(fake: FakeRegistry, status: int) -> None:
    fake.require_bearer(ann=PASSWORD)
    fake.on("*", "^/token", answer(status))
    assert look(fake.host, RIGHTS, login=ANN)["REG-3"].unknown


def test_a_proxy_that_asks_only_those_who_write(fake: FakeRegistry) -> None:
    """What a reverse proxy does that lets everybody read, and somebody write."""
    gate = fake.require_basic(*ANN)
    fake.gate = None
    fake.on("PUT", "/manifests/", lambda request, go: gate.stop(request) or go())
    good, bad = (look(fake.host, RIGHTS, login=login) for login in (ANN, WRONG))
    assert (good["REG-3"].status, good["REG-4"].status) == (Status.PASS, Status.PASS)
    assert bad["REG-3"].status is Status.FAIL
    assert look(fake.host, RIGHTS)["REG-3"].fix


def test_a_way_to_log_in_that_no_client_knows(fake: FakeRegistry) -> None:
    fake.on("*", "/v2/", denied("Negotiate"))
    found = look(fake.host, RIGHTS, login=ANN)["REG-3"]
    assert found.unknown
    assert "negotiate" in found.summary
    assert not fake.leaked()


def test_nobody_is_skipped_with_words_that_help(locked_registry: Registry) -> None:
    found = look(locked_registry.host, RIGHTS)
    for name in ("REG-3", "REG-4"):
        assert (found[name].status, found[name].unknown) == (Status.SKIP, False)
        assert "--username" in found[name].fix


def test_a_registry_that_asks_nobody_is_not_sent_a_password(fake: FakeRegistry) -> None:
    found = look(fake.host, login=ANN)
    assert "asks nobody" in found["REG-3"].summary
    assert found["REG-4"].status is Status.PASS
    assert not fake.leaked()


# --- secrets ------------------------------------------------------------------------------------


@pytest.fixture
def context(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return server, tmp_path / "ca.pem"


def test_a_password_goes_to_a_verified_certificate_alone(
    context: tuple[ssl.SSLContext, Path],
) -> None:
    server, ca_file = context
    with FakeRegistry(tls=server) as fake:
        fake.require_basic(*ANN)
        unverified = look(fake.host, RIGHTS, login=ANN, tls=TlsOptions(insecure=True))
        unknown = look(fake.host, RIGHTS, login=ANN, tls=TlsOptions())
        assert (unverified["REG-3"].unknown, unknown["REG-3"].unknown) == (True, True)
        assert "--ca-file" in unverified["REG-3"].fix
        assert not fake.leaked()
        trusted = look(fake.host, RIGHTS, login=ANN, tls=TlsOptions(ca_files=(ca_file,)))
        assert trusted["REG-3"].status is Status.PASS


def test_what_a_peer_repeats_of_a_password_is_not_shown(fake: FakeRegistry) -> None:
    fake.require_basic(*ANN)

    def echo(request: Request, _go: object) -> Reply:
        said = f"{request.headers.get('authorization')} {PASSWORD}"
        return error_reply(401, "UNAUTHORIZED", said, WWW_Authenticate='Basic realm="x"')

    fake.on("*", "/v2/", echo)
    found = look(fake.host, login=ANN)
    assert found["REG-3"].status is Status.FAIL
    sent = fake.leaked()[0].partition(" ")[2]
    assert sent not in whole(found)
    assert PASSWORD not in whole(found)


# --- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer a.b", "Bearer a.b.c", "Bearer a.e30.c.d"])
def test_what_is_no_jwt_has_no_claims(text: str) -> None:
    assert claims(text) is None


@pytest.mark.parametrize("access", [None, 7, {}, [7, None, {}, {"actions": 7}], [{"actions": [1]}]])
def test_a_claim_of_any_shape_grants_nothing(access: object) -> None:
    assert actions({"access": access}) == frozenset()
    assert actions({"access": [{"actions": ["pull", 1]}]}) == {"pull"}
