from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from mirror.errors import Side
from mirror.registry.access import Access
from mirror.registry.remote import Project, Registries
from scripts.world.registry import Registry as RealRegistry
from tests.fakes.content import Given
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import (
    IMAGE,
    REPOSITORY,
    TAG,
    blob_of,
    held,
    noise,
    reach,
    seeded,
    shelve,
)

ACCESS = Access(Side.SOURCE, plain_http=True)


def test_each_host_is_connected_to_once(fake: FakeRegistry) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    with FakeRegistry() as other, Registries(ACCESS) as source:
        other.add(REPOSITORY, TAG, IMAGE)
        for host in (fake.host, other.host, fake.host):
            assert source.manifest(host, REPOSITORY, TAG) == seeded()
        assert source.at(fake.host) is source.at(fake.host)
        assert source.requests == 3


def test_requests_are_counted_while_hosts_are_added() -> None:
    with Registries(ACCESS) as source, ThreadPoolExecutor(8) as crew:
        counts = [crew.submit(lambda: source.requests) for _ in range(50)]
        known = list(crew.map(lambda n: source.at(f"127.0.0.1:{n}"), range(1, 300)))
        assert {one.result() for one in counts} == {0}
        assert len({id(one) for one in known}) == 299


def test_an_origin_is_a_host_and_a_repository(fake: FakeRegistry) -> None:
    descriptor = shelve(fake, noise(9), "a/b/c")
    with Registries(ACCESS) as source, source.read(descriptor, f"{fake.host}/a/b/c") as pieces:
        assert b"".join(map(bytes, pieces)) == noise(9)


def test_a_project_takes_blobs_and_mounts_them(fake: FakeRegistry) -> None:
    data = noise(100_000)
    descriptor = blob_of(data)
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry)
        assert not sink.holds(descriptor, "p/a")
        sink.write(descriptor, "p/a", Given(data))
        assert sink.holds(descriptor, "p/a")
        assert sink.mount(descriptor, "p/b", "p/a")
    assert held(fake, descriptor, "p/b") == data


def test_the_real_registry_takes_and_gives_a_whole_image(registry: RealRegistry) -> None:
    host = registry.url.removeprefix("http://")
    data = noise(3 << 20)
    with reach(host, side=Side.DESTINATION) as client:
        for blob in IMAGE.blobs:
            content = blob.read()
            client.upload(REPOSITORY, blob_of(content), Given(content))
        client.put_manifest(REPOSITORY, TAG, seeded())
        assert client.manifest(REPOSITORY, TAG) == seeded()
        assert client.tagged(REPOSITORY, TAG) == seeded().digest
        assert client.tags(REPOSITORY) == [TAG]
        client.upload(REPOSITORY, blob_of(data), Given(data))
        assert client.mount("tkg/other", blob_of(data), REPOSITORY)
        with client.blob("tkg/other", blob_of(data)) as pieces:
            assert b"".join(map(bytes, pieces)) == data
