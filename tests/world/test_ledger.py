"""The account of credentials finds what went astray, and only that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fakes.ledger import Ledger
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, says

CANARY = "canary-7f3a"
ROOT = Path(__file__).parents[2]


def get(url: str, **options: object) -> httpx.Response:
    return httpx.get(url, trust_env=False, **options)  # type: ignore[arg-type]


def token_of(fake: FakeRegistry) -> dict[str, str]:
    token = get(f"{fake.url}/token").json()["token"]
    return {"Authorization": f"Bearer {token}"}


def test_a_password_that_reaches_another_registry_fails_the_test(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    fake.require_basic("ann", CANARY)
    with FakeRegistry() as other:
        get(f"{fake.url}/v2/", auth=("ann", CANARY))
        get(f"{other.url}/v2/", auth=("ann", CANARY))
        (leak,) = ledger.leaks()
        assert other.url in leak
        assert CANARY not in leak
    with pytest.raises(AssertionError, match="went astray: Authorization: Basic reached"):
        ledger.settle()


LEAKING = """
import httpx
from tests.fakes.simple import FakeRegistry

def test_that_looks_at_nothing():
    with FakeRegistry() as fake, FakeRegistry() as other:
        fake.require_basic("ann", "canary-7f3a")
        httpx.get(f"{other.url}/v2/", auth=("ann", "canary-7f3a"), trust_env=False)
"""


def test_a_test_that_does_not_ask_fails_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "test_leaking.py").write_text(LEAKING)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    command = [sys.executable, "-m", "pytest", "-p", "tests.fakes.proxy_fixtures", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "credentials went astray: Authorization: Basic reached" in ran.stdout
    assert "1 passed, 1 error" in ran.stdout


def test_every_test_of_the_suite_is_under_it(request: pytest.FixtureRequest) -> None:
    assert "ledger" in request.fixturenames


def test_a_fake_that_asks_only_after_the_leak_is_heard_all_the_same(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    get(f"{fake.url}/v2/", auth=("ann", CANARY))
    with FakeRegistry() as other:
        other.require_basic("ann", CANARY)
    settled_with_a_leak(ledger)


def test_a_token_belongs_to_the_registry_that_it_was_issued_for(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    fake.require_bearer()
    with FakeRegistry() as other:
        other.require_bearer()
        mine = token_of(fake)
        get(f"{fake.url}/v2/", headers=mine)
        get(f"{other.url}/v2/", headers=token_of(other))
        assert not ledger.leaks()
        get(f"{other.url}/v2/", headers=mine)
    settled_with_a_leak(ledger)


def test_another_name_of_the_same_machine_is_another_origin(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    fake.require_basic("ann", CANARY)
    get(f"{fake.url}/v2/".replace("127.0.0.1", "localhost"), auth=("ann", CANARY))
    settled_with_a_leak(ledger)


def test_a_false_host_header_hides_nothing(fake: FakeRegistry, ledger: Ledger) -> None:
    fake.require_basic("ann", CANARY)
    with FakeRegistry() as other:
        get(f"{other.url}/v2/", auth=("ann", CANARY), headers={"Host": fake.host})
    settled_with_a_leak(ledger)


@pytest.mark.parametrize(
    "leak",
    [
        {"params": {"token": CANARY}},
        {"headers": {"Cookie": f"sid={CANARY}"}},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
    ],
    ids=["query", "cookie", "under another scheme"],
)
def test_a_secret_is_found_wherever_it_rides(
    fake: FakeRegistry, ledger: Ledger, leak: dict[str, dict[str, str]]
) -> None:
    fake.require_basic("ann", CANARY)
    with FakeRegistry() as other:
        get(f"{other.url}/v2/", **leak)
    settled_with_a_leak(ledger)


def test_an_identity_token_in_a_form_is_found(fake: FakeRegistry, ledger: Ledger) -> None:
    fake.require_bearer().refresh_tokens = frozenset({CANARY})
    with FakeRegistry() as other:
        for url in (fake.url, other.url):
            httpx.post(f"{url}/token", data={"refresh_token": CANARY}, trust_env=False)
        (leak,) = ledger.leaks()
        assert other.url in leak
    settled_with_a_leak(ledger)


def test_a_peer_that_is_no_registry_is_listened_to_as_well(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    fake.require_basic("ann", CANARY)
    with Peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as peer:
        get(f"http://{peer.host}/v2/?x=y", auth=("ann", CANARY))
        (leak,) = ledger.leaks()
        assert peer.host in leak
    settled_with_a_leak(ledger)


def test_a_password_may_go_to_the_realm_that_its_registry_names(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    with FakeRegistry() as service:
        fake.require_bearer(ann=CANARY).realm = f"{service.url}/token"
        get(f"{service.url}/token", auth=("ann", CANARY))
    assert [arrival.secret for arrival in ledger.arrivals] == [CANARY]
    assert not ledger.leaks()


def test_what_a_test_permits_is_no_leak(fake: FakeRegistry, ledger: Ledger) -> None:
    with FakeRegistry() as other:
        other.require_basic("ann", CANARY)
        ledger.permit(CANARY, fake.url)
        get(f"{fake.url}/v2/", auth=("ann", CANARY))
    assert ledger.arrivals
    assert not ledger.leaks()


def test_a_settled_account_is_forgotten(fake: FakeRegistry, ledger: Ledger) -> None:
    with FakeRegistry() as other:
        other.require_basic("ann", CANARY)
        get(f"{fake.url}/v2/", auth=("ann", CANARY))
    settled_with_a_leak(ledger)
    get(f"{fake.url}/v2/", auth=("ann", CANARY))
    assert not ledger.leaks()


def settled_with_a_leak(ledger: Ledger) -> None:
    with pytest.raises(AssertionError, match="credentials went astray"):
        ledger.settle()
