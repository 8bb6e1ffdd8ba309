"""Where connections really go: names that stand for other addresses, and proxies."""

from __future__ import annotations

import base64
import socket
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from mirror.errors import Misbehaved, Side, Unreachable
from mirror.registry.client import Registry
from tests.fakes.behaviours import Behaviour, Go
from tests.fakes.content import Given
from tests.fakes.ledger import Ledger
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer
from tests.mirror.registry.reach import (
    CANARY,
    IMAGE,
    REPOSITORY,
    TAG,
    World,
    blob_of,
    fault_of,
    goes_to,
    held,
    noise,
    reach,
    read,
    seeded,
    shelve,
    somebody,
    words,
)

DATA = noise(10_000)
HOME, PUBLIC, PRIVATE = "8.8.8.8", "9.9.9.9", "10.0.0.5"
FORBIDDEN = {
    "link-local": "169.254.7.7",
    "link-local-6": "fe80::1%eth0",
    "metadata": "169.254.169.254",
    "metadata-6": "fd00:ec2::254",
    "metadata-in-6": "::ffff:169.254.169.254",
    "metadata-nat64": "64:ff9b::a9fe:a9fe",
    "loopback": "127.0.0.1",
    "loopback-6": "::1",
    "loopback-6to4": "2002:7f00:1::",
    "multicast": "224.0.0.1",
    "unspecified": "0.0.0.0",  # noqa: S104 - an address to be refused, nothing is bound
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, registry_test=[[HOME]])


@pytest.fixture
def port(fake: FakeRegistry) -> str:
    return fake.host.rpartition(":")[2]


def sent_to(fake: FakeRegistry, name: str) -> None:
    """The fake sends everybody who wants a blob to this name, on its own port."""
    port = fake.host.rpartition(":")[2]
    fake.on("GET", "^/v2/.*/blobs/sha256", goes_to(f"http://{name}:{port}/elsewhere"))


def home(fake: FakeRegistry, side: Side = Side.SOURCE, *allowed: str) -> Registry:
    return reach(f"registry.test:{fake.host.rpartition(':')[2]}", side=side, allowed=allowed)


# --- names that a registry gives --------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("bad", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_a_name_for_a_forbidden_address_is_refused_before_any_connection(
    fake: FakeRegistry, world: World, bad: str, side: Side
) -> None:
    world.names["evil.test"] = [[bad]]
    sent_to(fake, "evil.test")
    with home(fake, side) as client:
        fault = fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert world.connected == [HOME]
    assert "it sends this client to evil.test" in fault.fact
    assert "address" in fault.fact


@pytest.mark.parametrize(
    "literal", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "2130706433"]
)
def test_an_address_in_place_of_a_name_is_refused_too(
    fake: FakeRegistry, world: World, literal: str
) -> None:
    sent_to(fake, literal)
    with home(fake) as client:
        fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert world.connected == [HOME]


@pytest.mark.parametrize("answers", [[PUBLIC, "169.254.1.1"], ["::1", PUBLIC]])
def test_one_bad_address_among_good_ones_is_enough(
    fake: FakeRegistry, world: World, answers: list[str]
) -> None:
    world.names["mixed.test"] = [answers]
    sent_to(fake, "mixed.test")
    with home(fake) as client:
        fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert world.connected == [HOME]


@pytest.mark.parametrize("bad", [PRIVATE, "192.168.1.1", "172.16.0.1", "fc00::1", "100.64.0.1"])
def test_a_public_source_sends_nobody_into_a_private_network(
    fake: FakeRegistry, world: World, bad: str
) -> None:
    world.names["inside.test"] = [[bad]]
    sent_to(fake, "inside.test")
    with home(fake) as client:
        fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert world.connected == [HOME]


def storage(fake: FakeRegistry, name: str) -> None:
    """The fake sends blobs to itself under another name, and serves them there."""
    port = fake.host.rpartition(":")[2]
    digest = blob_of(DATA).digest
    place = f"http://{name}:{port}/v2/{REPOSITORY}/blobs/{digest}"
    fake.on("GET", "/blobs/", goes_to(place), nth=1)


@pytest.mark.parametrize(
    ("registry", "place", "side"),
    [
        (HOME, PUBLIC, Side.SOURCE),
        (PRIVATE, "10.9.9.9", Side.SOURCE),
        (PRIVATE, PUBLIC, Side.SOURCE),
        (HOME, PRIVATE, Side.DESTINATION),
        ("127.0.0.1", "127.0.0.1", Side.SOURCE),
        ("127.0.0.1", PRIVATE, Side.SOURCE),
    ],
)
def test_storage_where_it_may_be_is_used(
    fake: FakeRegistry, world: World, registry: str, place: str, side: Side
) -> None:
    world.names |= {"registry.test": [[registry]], "storage.test": [[place]]}
    storage(fake, "storage.test")
    with home(fake, side) as client:
        assert read(client, shelve(fake, DATA)) == DATA
    assert world.connected == [registry, place]


def test_what_was_checked_is_what_is_connected_to(fake: FakeRegistry, world: World) -> None:
    """DNS rebinding: the second answer of the same name is another one."""
    world.names["rebound.test"] = [[PUBLIC], ["127.0.0.1"]]
    storage(fake, "rebound.test")
    with home(fake) as client:
        assert read(client, shelve(fake, DATA)) == DATA
    assert world.connected == [HOME, PUBLIC]


def test_a_name_is_checked_again_for_every_connection(fake: FakeRegistry, world: World) -> None:
    world.names["rebound.test"] = [[PUBLIC], ["127.0.0.1"]]
    descriptor = shelve(fake, DATA)
    for _ in range(2):
        storage(fake, "rebound.test")
    with home(fake) as client:
        assert read(client, descriptor) == DATA
    fake.rules.clear()
    storage(fake, "rebound.test")
    with home(fake) as client:
        fault_of(Misbehaved, read, client, descriptor)
    assert world.connected == [HOME, PUBLIC, HOME]


# --- names that the operator gave -------------------------------------------------------------


def test_the_second_address_is_used_where_the_first_does_not_answer(
    fake: FakeRegistry, world: World
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    world.names["registry.test"] = [["2001:db8::1", "2001:db8::1", HOME, PUBLIC]]
    world.dead = {"2001:db8::1"}
    with home(fake) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
    assert world.connected == ["2001:db8::1", HOME]


def test_no_address_that_answers_is_unreachable(fake: FakeRegistry, world: World) -> None:
    world.names["registry.test"] = [[HOME, PUBLIC]]
    world.dead = {HOME, PUBLIC}
    with home(fake) as client:
        fault = fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
    assert world.connected == [HOME, PUBLIC]
    assert "registry.test" in fault.fact


@pytest.mark.parametrize("answers", [[["10.0.0.5"]], [[]]])
def test_a_resolver_that_answers_oddly_is_survived(
    fake: FakeRegistry, world: World, answers: list[list[str]]
) -> None:
    world.names["registry.test"] = answers
    world.dead = {"10.0.0.5"}
    with home(fake) as client:
        fault_of(Unreachable, client.manifest, REPOSITORY, TAG)


def test_a_resolver_that_fails_may_be_better_next_time(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_asked: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with monkeypatch.context() as patch, reach("registry.test") as client:
        patch.setattr(socket, "getaddrinfo", fail)
        assert "Temporary" in fault_of(Unreachable, client.manifest, REPOSITORY, TAG).fact


@pytest.mark.parametrize("place", ["127.0.0.1", "10.0.0.5", "169.254.1.1"])
def test_the_registry_itself_may_be_anywhere(fake: FakeRegistry, world: World, place: str) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    world.names["registry.test"] = [[place]]
    with home(fake) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()


def test_a_registry_whose_name_is_of_another_script_may_be_anywhere(
    fake: FakeRegistry, world: World, port: str
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    world.names["xn--bcher-kva.test"] = [["10.0.0.5"]]
    with reach(f"xn--bcher-kva.test:{port}") as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
    assert world.connected == ["10.0.0.5"]


@pytest.mark.parametrize("name", ["storage.test", "xn--bcher-kva.test"])
def test_a_host_that_was_allowed_may_be_anywhere(
    fake: FakeRegistry, world: World, port: str, name: str
) -> None:
    world.names[name] = [[PRIVATE]]
    storage(fake, name)
    with home(fake, Side.SOURCE, f"{name}:{port}") as client:
        assert read(client, shelve(fake, DATA)) == DATA
    assert world.connected == [HOME, PRIVATE]


def test_an_allowed_host_in_a_private_network_opens_that_to_no_other(
    fake: FakeRegistry, world: World, port: str
) -> None:
    """What is asked is where the registry is, not where an allowed host is."""
    world.names |= {"storage.test": [[PRIVATE]], "inside.test": [["10.1.1.1"]]}
    storage(fake, "storage.test")
    with home(fake, Side.SOURCE, f"storage.test:{port}") as client:
        assert read(client, shelve(fake, DATA)) == DATA
        fake.rules.clear()
        sent_to(fake, "inside.test")
        fault_of(Misbehaved, read, client, blob_of(DATA))
    assert "10.1.1.1" not in world.connected


def test_a_public_allowed_host_closes_nothing_to_a_private_registry(
    fake: FakeRegistry, world: World, port: str
) -> None:
    world.names |= {"registry.test": [[PRIVATE]], "cdn.test": [[PUBLIC]]}
    world.names["inside.test"] = [["10.1.1.1"]]
    storage(fake, "cdn.test")
    with home(fake, Side.SOURCE, f"cdn.test:{port}") as client:
        assert read(client, shelve(fake, DATA)) == DATA
        fake.rules.clear()
        storage(fake, "inside.test")
        assert read(client, blob_of(DATA)) == DATA


@pytest.mark.parametrize("place", ["127.0.0.1", "169.254.169.254"])
def test_a_token_service_of_another_name_is_refused_unless_it_was_allowed(
    fake: FakeRegistry, world: World, port: str, place: str, ledger: Ledger
) -> None:
    ledger.end([ledger.alias(f"http://registry.test:{port}", fake.url)])
    fake.add(REPOSITORY, TAG, IMAGE)
    world.names["tokens.test"] = [[place]]
    gate = fake.require_bearer(ann=CANARY)
    gate.realm = f"http://tokens.test:{port}/token"
    host = f"registry.test:{port}"
    with reach(host, given=somebody()) as client:
        fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)
    assert world.connected == [HOME]
    with reach(host, given=somebody(), allowed=[f"tokens.test:{port}"]) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()


# --- uploads elsewhere ------------------------------------------------------------------------


def points_at(base: str) -> Behaviour:
    """Open an upload, and give its place on another host."""

    def behave(_request: Request, go: Go) -> Reply:
        reply = go()
        place = urlsplit(reply.headers.get("Location", ""))
        moved = {"Location": f"{base}{place.path}?{place.query}"}
        return replace(reply, headers={**reply.headers, **moved}) if place.path else reply

    return behave


def test_an_upload_to_an_allowed_host_carries_the_bytes_and_no_token(fake: FakeRegistry) -> None:
    fake.require_bearer(ann=CANARY)
    with FakeRegistry() as other:
        other.store.uploads = fake.store.uploads
        other.store.repositories = fake.store.repositories

        fake.on("POST", "/blobs/uploads/", points_at(other.url))
        with reach(
            fake.host, side=Side.DESTINATION, given=somebody(), allowed=[other.host]
        ) as sink:
            sink.upload(REPOSITORY, blob_of(DATA), Given(DATA))
        assert held(other, blob_of(DATA)) == DATA
        assert [seen.method for seen in other.requests] == ["PUT"]
        assert not other.leaked()


# --- proxies ----------------------------------------------------------------------------------


def test_behind_a_proxy_no_name_is_looked_up_here(
    fake: FakeRegistry, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy resolves, and may be the only one that can."""
    fake.add(REPOSITORY, TAG, IMAGE)
    world.names = {}
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    with reach("registry.invalid") as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
    assert world.connected == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["me", "me%40there"])
def test_a_proxy_gets_its_credentials_and_the_registry_does_not(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    monkeypatch.setenv("HTTP_PROXY", f"http://{name}:{CANARY}@{fake.host}")
    with reach("registry.invalid") as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()
    sent = fake.requests[0].headers
    told = base64.b64decode(sent["proxy-authorization"].removeprefix("Basic ")).decode()
    assert told == f"{name.replace('%40', '@')}:{CANARY}"
    assert "authorization" not in sent


@pytest.mark.parametrize(
    ("exempt", "direct"),
    [
        ("registry.test", True),
        (".test", True),
        ("test", True),
        ("registry.test:{port}", True),
        ("registry.test:1", False),
        ("other.test,registry.test", True),
        ("gistry.test", False),
        ("", False),
    ],
)
def test_no_proxy_as_the_standard_library_reads_it(
    fake: FakeRegistry,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    port: str,
    exempt: str,
    direct: bool,
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    with Peer(lambda connection: connection.close()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        monkeypatch.setenv("NO_PROXY", exempt.format(port=port))
        with home(fake) as client:
            if direct:
                assert client.manifest(REPOSITORY, TAG) == seeded()
            else:
                fault = fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
                assert proxy.host not in words(fault)
        assert bool(proxy.seen) != direct


def test_past_the_proxy_addresses_are_checked_again(
    fake: FakeRegistry, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.names["evil.test"] = [["169.254.169.254"]]
    sent_to(fake, "evil.test")
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    monkeypatch.setenv("NO_PROXY", "evil.test")
    with home(fake) as client:
        fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert world.connected == ["127.0.0.1"]
