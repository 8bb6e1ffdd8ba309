"""API-3: where a challenge sends people, over http and https."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.preflight.interface import Status, Verdict
from mirror.preflight.realm import sane as realm_check
from mirror.preflight.realm import trouble
from mirror.registry.challenge import Challenge
from tests.fakes.behaviours import answer
from tests.fakes.harbor import Harbor
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.strangers import examined, scene_of


@pytest.fixture(scope="module")
def server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def safe(server: ssl.SSLContext) -> Iterator[FakeRegistry]:
    with FakeRegistry(tls=server) as fake:
        yield fake


def sane(fake: FakeRegistry, realm: str, *allowed: str) -> Verdict:
    """API-3 of a registry that names this realm; {own} and {host} stand for its address.

    Nothing but /v2/ is asked: the realms of these tests are nobody's to connect to.
    """
    text = realm.replace("{own}", fake.url).replace("{host}", fake.host)
    challenge = f'Bearer realm="{text}",service="s"'
    fake.on("GET", "^/v2/", answer(401, WWW_Authenticate=challenge))
    plain = fake.url.startswith("http:")
    pairs = frozenset((fake.host, each) for each in allowed)
    with scene_of(f"{fake.host}/tkg", allowed=pairs, plain_http=plain) as scene:
        found = realm_check(scene)
        assert {seen.path for seen in fake.requests} == {"/v2/"}
        return found


def test_its_own_address_is_sane(fake: FakeRegistry, safe: FakeRegistry, harbor: Harbor) -> None:
    for one in (fake, safe):
        found = sane(one, "{own}/service/token")
        assert found.status is Status.PASS
        assert f"{one.url}/service/token" in found.summary
    assert examined(f"{harbor.host}/tkg")["API-3"].status is Status.PASS


def test_without_a_token_service_there_is_nothing_to_ask(fake: FakeRegistry) -> None:
    assert examined(f"{fake.host}/tkg")["API-3"].status is Status.SKIP
    fake.require_basic("ann", "correct horse")
    found = examined(f"{fake.host}/tkg")["API-3"]
    assert (found.status, found.unknown) == (Status.SKIP, False)


@pytest.mark.parametrize("realm", ["http://{host}/v2/token", "http://127.0.0.1:443/v2/token"])
def test_https_is_not_left_for_http_as_behind_a_proxy_that_does_not_say_so(
    safe: FakeRegistry, realm: str
) -> None:
    found = sane(safe, realm)
    assert found.status is Status.FAIL
    assert "it is asked over https, and sends clients to http://127.0.0.1:" in found.summary
    assert "X-Forwarded-Proto: https" in found.fix


@pytest.mark.parametrize(
    ("realm", "place"),
    [
        ("https://auth.corp.example/token", "auth.corp.example"),
        ("https://127.0.0.1:1/token", "127.0.0.1:1"),
        ("https://127.0.0.1/token", "127.0.0.1"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("https://[::1]:5000/token", "[::1]:5000"),
    ],
)
def test_another_address_fails_until_it_is_allowed(
    safe: FakeRegistry, realm: str, place: str
) -> None:
    found = sane(safe, realm)
    assert found.status is Status.FAIL
    assert (
        f"not at its own address {safe.host}, but at {realm.partition('/latest')[0]}"
        in found.summary
    )
    assert f"--allow-host {safe.host}={place}" in found.fix
    assert sane(safe, realm, place).status is Status.PASS


@pytest.mark.parametrize(
    ("realm", "words"),
    [
        ("", "no realm"),
        ("/service/token", "no URL of a token service: /service/token"),
        ("token", "no URL of a token service: token"),
        ("file:///etc/passwd", "no URL of a token service"),
        ("ftp://127.0.0.1/token", "no URL of a token service"),
        ("https://", "no URL of a token service"),
        ("https://[::1/token", "no URL of a token service"),
        ("https://127.0.0.1:99999/token", "no URL of a token service"),
        ("https://127.0.0.1:0/token", "no URL of a token service"),
        ("https://127.0.0.1:x/token", "no URL of a token service"),
        ("https://ann:secret@{host}/token", "has a user name in it"),
    ],
)
def test_what_is_no_place_at_all_fails(safe: FakeRegistry, realm: str, words: str) -> None:
    found = sane(safe, realm)
    assert found.status is Status.FAIL
    assert words in found.summary
    assert "secret" not in str(found)
    assert "external_url" in found.fix


def test_what_is_to_be_pasted_holds_nothing_for_a_shell(safe: FakeRegistry) -> None:
    for realm in ("https://$(reboot)/t", "https://a;reboot/t", "https://`reboot`/t"):
        found = sane(safe, realm)
        assert found.status is Status.FAIL
        assert "reboot" not in found.fix


@given(st.text(max_size=60) | st.text("htps:/[]@.%0123456789#?\\ ", max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_realm_is_judged_without_a_fault_and_without_a_request(realm: str) -> None:
    with scene_of("registry.example/tkg", plain_http=False) as scene:
        for text in (realm, f"https://{realm}", f"https://registry.example/{realm}"):
            found = trouble(scene, Challenge("bearer", {"realm": text}))
            assert found is None or (found.what and found.fix)
        assert scene.stranger.requests == 0


@pytest.mark.parametrize("realm", ["https://registry.example/t", "https://REGISTRY.example:443/t"])
def test_the_same_address_in_another_spelling_is_the_same(realm: str) -> None:
    with scene_of("registry.example/tkg", plain_http=False) as scene:
        assert trouble(scene, Challenge("bearer", {"realm": realm})) is None
