from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from mirror.errors import IntegrityFault, Misbehaved, Refused, Unreachable
from mirror.registry.client import Registry
from mirror.registry.tls import TlsOptions
from mirror.settings import MAX_REDIRECTS
from tests.fakes.behaviours import answer, flip_byte, redirect, with_headers
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, says
from tests.mirror.registry.reach import (
    CANARY,
    IMAGE,
    REPOSITORY,
    TAG,
    blob_of,
    fault_of,
    goes_to,
    noise,
    reach,
    read,
    seeded,
    shelve,
    somebody,
    words,
)

DATA = noise(100_000)


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    """Logged in, so that there is something to leak."""
    fake.require_bearer(ann=CANARY)
    with reach(fake.host, given=somebody()) as registry:
        yield registry


@pytest.fixture
def other(fake: FakeRegistry) -> Iterator[FakeRegistry]:
    """The storage behind the registry, on a port of its own: another origin."""
    with FakeRegistry() as running:
        running.store.repositories = fake.store.repositories
        yield running


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_storage_elsewhere_gets_no_authorization_and_no_cookie(
    client: Registry, fake: FakeRegistry, other: FakeRegistry, status: int
) -> None:
    descriptor = shelve(fake, DATA)
    fake.on("GET", "/blobs/", with_headers(Set_Cookie="sid=1; Path=/"))
    fake.on("GET", "/blobs/", redirect(other.url, status))
    assert read(client, descriptor) == DATA
    assert not other.leaked()
    assert [seen.method for seen in other.requests] == ["GET"]
    assert "X-Signature=0123" in other.requests[0].path


def test_another_name_of_the_same_machine_is_another_origin(
    client: Registry, fake: FakeRegistry
) -> None:
    descriptor = shelve(fake, DATA)
    gate, fake.gate = fake.gate, None
    port = fake.host.rpartition(":")[2]
    fake.on("GET", "/blobs/", goes_to(f"http://localhost:{port}/v2/elsewhere"), nth=1)
    fake.gate = gate
    # A store that refuses may only find its signed URL too old: the next attempt gets a new one.
    fault = fault_of(Unreachable, read, client, descriptor)
    assert f"localhost:{port} answered 401" in fault.fact
    assert fault.host == fake.host
    (seen,) = [seen for seen in fake.requests if seen.path == "/v2/elsewhere"]
    assert "authorization" not in seen.headers


def test_the_registry_itself_gets_its_token_again(client: Registry, fake: FakeRegistry) -> None:
    descriptor = shelve(fake, DATA)
    again = f"/v2/{REPOSITORY}/blobs/{descriptor.digest}?again"
    # The first answer is the demand for a token.
    fake.on("GET", "/blobs/", goes_to(again), nth=2)
    assert read(client, descriptor) == DATA
    assert fake.requests[-1].path == again
    assert "authorization" in fake.requests[-1].headers


def test_back_from_elsewhere_there_is_no_token(
    client: Registry, fake: FakeRegistry, other: FakeRegistry
) -> None:
    descriptor = shelve(fake, DATA)
    fake.on("GET", "/blobs/", redirect(other.url), nth=2)
    other.on("GET", "/blobs/", goes_to(f"{fake.url}/v2/{REPOSITORY}/blobs/back"))
    fault_of(Refused, read, client, descriptor)
    assert "authorization" not in fake.requests[-1].headers


def test_a_manifest_and_a_look_follow_too(
    client: Registry, fake: FakeRegistry, other: FakeRegistry
) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    descriptor = shelve(fake, DATA)
    fake.on("*", "/(manifests|blobs)/", redirect(other.url))
    assert client.manifest(REPOSITORY, TAG) == seeded()
    assert client.has_blob(REPOSITORY, descriptor)
    assert not other.leaked()
    assert "application/vnd.oci" in other.requests[0].headers["accept"]


@pytest.mark.parametrize("hops", [MAX_REDIRECTS, MAX_REDIRECTS + 1])
def test_redirects_are_counted(fake: FakeRegistry, hops: int) -> None:
    descriptor = shelve(fake, DATA)
    fake.on("GET", "/blobs/", redirect(fake.url), nth=range(1, hops + 1))
    with reach(fake.host) as client:
        if hops <= MAX_REDIRECTS - 1:
            assert read(client, descriptor) == DATA
        else:
            fault_of(Misbehaved, read, client, descriptor)
    assert len(fake.requests) <= MAX_REDIRECTS + 1


def test_a_loop_ends(fake: FakeRegistry, other: FakeRegistry) -> None:
    fake.on("GET", "/blobs/", redirect(other.url))
    other.on("GET", "/blobs/", redirect(fake.url))
    with reach(fake.host) as client:
        fault = fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert "redirects" in fault.fact


@pytest.mark.parametrize(
    "location",
    [
        "",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/",
        "javascript:alert(1)",
        "http://user:canary@127.0.0.1/",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://" + "a" * 70 + "/",
        "http://a..b/",
        "http://\x80/",
        "http://xn--/",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_places_that_cannot_be_are_refused(fake: FakeRegistry, location: str) -> None:
    fake.on("GET", "/blobs/", goes_to(location))
    with reach(fake.host) as client:
        fault = fault_of(Misbehaved, read, client, shelve(fake, DATA))
    assert "canary" not in words(fault)


def test_no_step_down_from_tls(
    server_context: ssl.SSLContext, trust: TlsOptions, fake: FakeRegistry
) -> None:
    with FakeRegistry(tls=server_context) as safe, reach(safe.host, tls=trust) as client:
        safe.on("GET", "/blobs/", redirect(fake.url))
        assert "steps down" in fault_of(Misbehaved, read, client, shelve(safe, DATA)).fact
    assert not fake.requests


def test_wrong_bytes_from_storage_are_found(fake: FakeRegistry, other: FakeRegistry) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    fake.on("GET", "/manifests/", redirect(other.url))
    other.on("GET", "/manifests/", flip_byte())
    with reach(fake.host) as client:
        fault_of(IntegrityFault, client.manifest, REPOSITORY, seeded().digest)


def test_storage_that_is_busy_or_away_may_be_better_next_time(
    fake: FakeRegistry, other: FakeRegistry
) -> None:
    descriptor = shelve(fake, DATA)
    fake.on("GET", "/blobs/", redirect(other.url))
    other.on("GET", "/blobs/", answer(503))
    with reach(fake.host) as client:
        fault_of(Unreachable, read, client, descriptor)
        fake.rules.clear()
        with Peer(says()) as gone:
            fake.on("GET", "/blobs/", redirect(f"http://{gone.host}"))
            fault_of(Unreachable, read, client, descriptor)
        fault = fault_of(Unreachable, read, client, descriptor)
    assert "X-Signature" not in words(fault)


def test_what_carries_a_body_is_not_redirected(
    client: Registry, fake: FakeRegistry, other: FakeRegistry
) -> None:
    fake.on("*", "/v2/", redirect(other.url))
    fault_of(Misbehaved, client.put_manifest, REPOSITORY, TAG, seeded())
    fault_of(Misbehaved, client.upload, REPOSITORY, blob_of(DATA), iter([DATA]))
    fault_of(Misbehaved, client.mount, REPOSITORY, blob_of(DATA), "tkg/base")
    assert not other.requests
