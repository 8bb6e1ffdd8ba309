from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from mirror.errors import Side
from mirror.registry import connection
from mirror.registry.access import Access
from mirror.registry.remote import Project, Registries
from scripts.world.registry import Registry as RealRegistry
from tests.fakes.behaviours import Go, answer, with_headers
from tests.fakes.content import Given
from tests.fakes.message import Reply, Request
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


def filled(sink: Project, repository: str, *contents: bytes) -> None:
    """Bring blobs to a repository as a push does: look first."""
    for content in contents:
        if not sink.holds(blob_of(content), repository):
            sink.write(blob_of(content), repository, Given(content))


def asked(fake: FakeRegistry) -> list[str]:
    """The requests so far, in the order of their coming, a mount by that word."""
    found = []
    for seen in fake.requests:
        found.append("MOUNT" if "mount=" in seen.path else seen.method)
    fake.requests.clear()
    return found


def test_a_blob_that_is_not_there_costs_no_request_to_learn_so(fake: FakeRegistry) -> None:
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry)
        filled(sink, "p/a", noise(1))
        # The first one is looked for, and asked for once more: is it mounted from where it is?
        assert asked(fake) == ["HEAD", "POST", "PUT", "MOUNT", "HEAD"]
        filled(sink, "p/b", noise(2), noise(3))
        assert asked(fake) == ["MOUNT", "PUT", "HEAD"] * 2
        filled(sink, "p/b", noise(2))
        assert asked(fake) == ["MOUNT", "HEAD"]
    assert held(fake, blob_of(noise(3)), "p/b") == noise(3)


def test_where_nothing_is_mounted_blobs_are_looked_for(fake: FakeRegistry) -> None:
    """The sessions that are opened in its place are given back: one a run."""
    fake.store.mounts = False
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry)
        filled(sink, "p/a", noise(1), noise(2))
        assert asked(fake) == [
            "HEAD",
            "POST",
            "PUT",
            "MOUNT",
            "HEAD",
            "HEAD",
            "POST",
            "PUT",
            "HEAD",
        ]
    assert asked(fake) == ["DELETE"]


def only_a_word(request: Request, go: Go) -> Reply:
    """Say 201 to every mount, and take nothing over."""
    return Reply(201) if "mount" in request.query else go()


def test_a_mount_that_only_says_so_is_not_believed(fake: FakeRegistry) -> None:
    fake.on("POST", "/blobs/uploads/", only_a_word)
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry)
        filled(sink, "p/a", noise(1), noise(2))
    assert held(fake, blob_of(noise(2)), "p/a") == noise(2)


@pytest.mark.parametrize("vouched", [False, True], ids=["takes any manifest", "looks itself"])
def test_a_mount_from_another_repository_is_believed_only_where_the_registry_looks_itself(
    fake: FakeRegistry, *, vouched: bool
) -> None:
    fake.on("POST", "/blobs/uploads/", only_a_word)
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry, vouched=vouched)
        assert sink.mount(blob_of(noise(1)), "p/b", "p/a") is vouched
    assert asked(fake) == ["MOUNT", *([] if vouched else ["HEAD", "GET"])]


def test_a_blob_of_another_size_is_sent_anew(fake: FakeRegistry) -> None:
    """Harbor keeps a blob that came without a length with size 0, and mounts it too."""
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry)
        filled(sink, "p/a", noise(1), noise(2))
        fake.on("HEAD", blob_of(noise(2)).digest.hex, answer(200, body=b""), nth=1)
        assert not sink.holds(blob_of(noise(2)), "p/a")


def test_an_upload_under_way_is_gone_on_with_and_no_other_is_begun(fake: FakeRegistry) -> None:
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry)
        filled(sink, "p/a", noise(1))
        assert not sink.holds(blob_of(noise(2)), "p/a")
        asked(fake)
        assert not sink.holds(blob_of(noise(2)), "p/a")
        assert asked(fake) == ["HEAD"]
        sink.write(blob_of(noise(2)), "p/a", Given(noise(2)))
        assert asked(fake) == ["PUT", "HEAD"]


@pytest.mark.parametrize("named", [True, False], ids=["digest named", "no digest"])
def test_a_registry_that_looks_itself_is_not_asked_after_an_upload(
    fake: FakeRegistry, *, named: bool
) -> None:
    """Unless its answer does not say under which digest it has the blob."""
    if not named:
        fake.on("PUT", "/blobs/uploads/", with_headers(Docker_Content_Digest=""))
    with reach(fake.host, side=Side.DESTINATION) as registry:
        sink = Project(registry, vouched=True)
        filled(sink, "p/a", noise(1))
        asked(fake)
        filled(sink, "p/a", noise(2))
        assert asked(fake) == ["MOUNT", "PUT", *([] if named else ["HEAD"])]


def test_distribution_opens_the_upload_in_answer_to_the_mount(registry: RealRegistry) -> None:
    with reach(registry.host, side=Side.DESTINATION) as client:
        sink = Project(client)
        filled(sink, "p/a", noise(1), noise(2))
        filled(sink, "p/a", noise(2))
    told = [(line.method, line.status) for line in registry.requests()][-5:]
    assert told == [("POST", 202), ("PUT", 201), ("HEAD", 200), ("POST", 201), ("HEAD", 200)]


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


def test_the_quickest_answer_of_the_nearest_is_known(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 5.0, 10.0, 10.5, 20.0, 23.0, 30.0, 30.25])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(connection, "time", clock)
    fake.add(REPOSITORY, TAG, IMAGE)
    with FakeRegistry() as other, Registries(ACCESS) as source:
        other.add(REPOSITORY, TAG, IMAGE)
        found = [source.quickest]
        for host in (fake.host, fake.host, fake.host, other.host):
            source.manifest(host, REPOSITORY, TAG)
            found.append(source.quickest)
        assert found == [0.0, 5.0, 0.5, 0.5, 0.25]
        assert source.at(fake.host).quickest == 0.5
