from __future__ import annotations

import pytest

from mirror.errors import InputFault, RegistryFault, Unreachable
from mirror.registry.tls import TlsOptions
from tests.fakes.behaviours import answer
from tests.fakes.ledger import Ledger
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, tunnels_to
from tests.mirror.registry.reach import (
    CANARY,
    IMAGE,
    REPOSITORY,
    TAG,
    fault_of,
    kinds,
    noise,
    reach,
    read,
    seeded,
    shelve,
    somebody,
    words,
)

# Never looked up: only a proxy can take a request there.
AWAY = "registry.invalid"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    monkeypatch.setenv(name, fake.url)
    with reach(AWAY) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
    assert fake.requests[0].path.startswith(f"http://{AWAY}/v2/")


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "{host}", "other,127.0.0.1"])
def test_no_proxy_is_heeded(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    with Peer(lambda connection: connection.close()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        monkeypatch.setenv("NO_PROXY", exempt.format(host=fake.host))
        with reach(fake.host) as client:
            assert client.manifest(REPOSITORY, TAG) == seeded()
        assert not proxy.seen


def test_tls_goes_through_the_proxy_unopened(
    safe: FakeRegistry, monkeypatch: pytest.MonkeyPatch, trust: TlsOptions, ledger: Ledger
) -> None:
    data = noise(3 << 20)
    descriptor = shelve(safe, data)
    safe.require_basic("ann", CANARY)
    ledger.permit(CANARY, "https://localhost:1")
    with Peer(tunnels_to(safe.host)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.host}")
        with reach("localhost:1", tls=trust, given=somebody()) as client:
            assert read(client, descriptor) == data
            assert memoryview in kinds(client, descriptor)
        assert proxy.seen[0].startswith(b"CONNECT localhost:1 ")
        assert CANARY.encode() not in b"".join(proxy.seen)


def test_a_tunnel_serves_one_request_after_the_other(
    safe: FakeRegistry, monkeypatch: pytest.MonkeyPatch, trust: TlsOptions
) -> None:
    descriptor = shelve(safe, noise(100), REPOSITORY)
    with Peer(tunnels_to(safe.host)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.host}")
        with reach("localhost:1", tls=trust) as client:
            for _ in range(3):
                assert client.has_blob(REPOSITORY, descriptor)
                assert read(client, descriptor) == noise(100)
        assert len(proxy.seen) == 1


def test_a_proxys_password_goes_to_the_proxy_alone(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{CANARY}@{fake.host}")
    fake.on("GET", "/v2/", answer(407))
    with reach(AWAY) as client, pytest.raises(RegistryFault) as caught:
        client.manifest(REPOSITORY, TAG)
    assert CANARY not in words(caught.value)
    assert "proxy-authorization" in fake.requests[0].headers


def test_a_proxy_that_is_away_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(lambda connection: connection.close()) as gone:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{gone.host}")
        with reach(AWAY, tls=TlsOptions()) as client:
            fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
    with reach(AWAY, tls=TlsOptions()) as client:
        fault = fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
    # Else somebody looks at a registry that was never asked.
    assert "HTTPS_PROXY" in fault.fact


@pytest.mark.parametrize(
    "address",
    [
        "socks5://127.0.0.1:1",
        "ftp://me:canary-7f3a@127.0.0.1",
        "http://me:canary-7f3a@[::1",
        "http://x:y",
    ],
)
def test_a_proxy_that_is_none_is_this_machines_matter_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", address)
    with reach(AWAY) as client:
        fault_of(InputFault, client.manifest, REPOSITORY, TAG)
