from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mirror.errors import IntegrityFault, Misbehaved, NotFound, Side, Unreachable
from mirror.oci.descriptor import Descriptor
from mirror.ports import Piece
from mirror.registry.client import Registry
from mirror.registry.tls import TlsOptions
from mirror.settings import DIRECT_READ_FROM, KIB, MIB
from tests.fakes.behaviours import (
    Behaviour,
    answer,
    bare,
    chunked,
    cut,
    hang_up,
    lie_about_length,
    stall,
    with_headers,
)
from tests.fakes.content import Given
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, endless
from tests.mirror.registry.reach import (
    REPOSITORY,
    beginning,
    blob_of,
    fault_of,
    held,
    kinds,
    noise,
    reach,
    read,
    shelve,
)

# Not a multiple of any buffer.
LARGE = 3 * MIB + 7
SIZES = [0, 1, 65536, DIRECT_READ_FROM - 1, DIRECT_READ_FROM, LARGE]


@pytest.fixture(params=["http", "https"])
def place(
    request: pytest.FixtureRequest, trust: TlsOptions
) -> Iterator[tuple[FakeRegistry, Registry]]:
    """The same fake and client over both."""
    fake = request.getfixturevalue("safe" if request.param == "https" else "fake")
    with reach(fake.host, tls=trust if request.param == "https" else None, timeout=0.5) as client:
        yield fake, client


@pytest.mark.parametrize("size", SIZES)
def test_a_blob_comes_whole_whatever_its_size(
    place: tuple[FakeRegistry, Registry], size: int
) -> None:
    fake, client = place
    data = noise(size)
    assert read(client, shelve(fake, data)) == data


@pytest.mark.parametrize("behave", [chunked(), bare()], ids=["chunks", "no-length"])
def test_a_large_blob_without_a_length_comes_by_the_ordinary_way(
    place: tuple[FakeRegistry, Registry], behave: Behaviour
) -> None:
    fake, client = place
    fake.on("GET", "/blobs/", behave)
    data = noise(LARGE)
    descriptor = shelve(fake, data)
    assert read(client, descriptor) == data
    assert kinds(client, descriptor) == {bytes}


def test_a_large_blob_comes_past_the_library_and_a_small_one_does_not(
    place: tuple[FakeRegistry, Registry],
) -> None:
    fake, client = place
    assert memoryview in kinds(client, shelve(fake, noise(LARGE)))
    assert kinds(client, shelve(fake, noise(DIRECT_READ_FROM - 1))) == {bytes}


def test_what_came_of_a_large_blob_before_it_stalled_is_kept(fake: FakeRegistry) -> None:
    data, part = noise(LARGE), 900 * KIB
    fake.on("GET", "/blobs/", stall(part))
    with reach(fake.host, timeout=0.5) as client:
        came, _fault = beginning(client, shelve(fake, data))
    assert came == data[:part]


@pytest.mark.parametrize("size", [100 * KIB, LARGE])
@pytest.mark.parametrize("part", [0, 70 * KIB])
@pytest.mark.parametrize(
    "behave", [cut, stall, lambda after: chunked_then(cut(after))], ids=["cut", "stall", "chunks"]
)
def test_a_blob_cut_or_stalled_in_the_middle_may_be_better_next_time(
    place: tuple[FakeRegistry, Registry], behave: object, part: int, size: int
) -> None:
    fake, client = place
    assert callable(behave)
    descriptor = shelve(fake, noise(size))
    fake.on("GET", "/blobs/", behave(part), nth=1)
    fault = fault_of(Unreachable, read, client, descriptor)
    assert fault.temporary
    assert fault.host == fake.host
    assert str(descriptor.digest) in fault.what
    assert len(read(client, descriptor)) == size


def chunked_then(behave: Behaviour) -> Behaviour:
    """Chunks, and then what `behave` does to them."""
    return lambda request, go: behave(request, lambda: chunked()(request, go))


@pytest.mark.parametrize("size", [100 * KIB, LARGE])
def test_a_body_without_a_length_that_ends_early_is_noticed(
    place: tuple[FakeRegistry, Registry], size: int
) -> None:
    fake, client = place
    whole = noise(size)
    descriptor = blob_of(whole)
    fake.store.repositories[REPOSITORY].blobs[str(descriptor.digest)] = whole[:-1]
    fake.on("GET", "/blobs/", bare())
    assert f"{size - 1} of {size}" in fault_of(Unreachable, read, client, descriptor).fact


@pytest.mark.parametrize("by", [-1, 1, 10**12])
def test_a_length_that_is_not_the_promised_one_is_refused_before_the_body(
    fake: FakeRegistry, by: int
) -> None:
    fake.on("GET", "/blobs/", lie_about_length(by))
    with reach(fake.host) as client:
        fault = fault_of(IntegrityFault, read, client, shelve(fake, noise(9)))
    assert (fault.expected, fault.got) == ("9 bytes", f"{9 + by} bytes")


def test_a_body_without_end_is_passed_on_in_bounded_pieces() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    with Peer(endless(head, chunk)) as peer, reach(peer.host) as client:
        tracemalloc.start()
        try:
            with client.blob(REPOSITORY, blob_of(b"small")) as pieces:
                sizes = [len(next(pieces)) for _ in range(200)]
            assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        finally:
            tracemalloc.stop()
    # More than promised is passed on: whoever counts is behind this.
    assert sum(sizes) > 5


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-unknown", "identity, gzip"])
def test_an_encoded_blob_is_refused(fake: FakeRegistry, encoding: str) -> None:
    data = gzip.compress(b"x")
    fake.on("GET", "/blobs/", with_headers(Content_Encoding=encoding))
    with reach(fake.host) as client:
        assert "encoded" in fault_of(Misbehaved, read, client, shelve(fake, data)).fact


def test_a_blob_that_is_absent_or_not_given_now(fake: FakeRegistry) -> None:
    with reach(fake.host) as client:
        fault_of(NotFound, read, client, blob_of(b"x"))
        fake.on("GET", "/blobs/", answer(503, Retry_After="3"))
        assert fault_of(Unreachable, read, client, blob_of(b"x")).retry_after == 3


def test_a_reader_that_leaves_early_harms_nobody(fake: FakeRegistry) -> None:
    descriptor = shelve(fake, noise(LARGE))
    with reach(fake.host) as client:
        with client.blob(REPOSITORY, descriptor) as pieces:
            next(pieces)
        with client.blob(REPOSITORY, descriptor):
            pass
        assert len(read(client, descriptor)) == LARGE


class Blot(Exception):
    """Something of the reader's own."""


class Copied(Given):
    """Content that comes out of a registry."""

    def __init__(self, source: Registry, descriptor: Descriptor) -> None:
        super().__init__(b"")
        self._source, self._descriptor = source, descriptor

    @contextmanager
    def open(self, start: int) -> Iterator[Iterator[Piece]]:
        with self._source.blob(REPOSITORY, self._descriptor, start) as pieces:
            yield pieces


def test_the_readers_own_faults_pass_through(fake: FakeRegistry) -> None:
    descriptor = shelve(fake, noise(LARGE))
    for own in (Blot(), UnicodeDecodeError("utf-8", b"", 0, 0, "of the reader")):
        with (
            reach(fake.host) as client,
            pytest.raises(type(own)) as caught,
            client.blob(REPOSITORY, descriptor),
        ):
            raise own
        assert caught.value is own


@pytest.mark.parametrize("size", [200 * KIB, LARGE])
@pytest.mark.parametrize("behave", [cut(70 * KIB), stall(70 * KIB)], ids=["cut", "stall"])
def test_in_a_copy_the_side_that_failed_is_blamed(
    fake: FakeRegistry, behave: Behaviour, size: int
) -> None:
    descriptor = shelve(fake, noise(size))
    fake.on("GET", "/blobs/", behave)
    with (
        FakeRegistry() as target,
        reach(fake.host, timeout=0.5) as source,
        reach(target.host, side=Side.DESTINATION) as sink,
    ):

        def copy() -> None:
            sink.upload("tkg/copy", descriptor, Copied(source, descriptor))

        fault = fault_of(Unreachable, copy)
        assert (fault.side, fault.host) == (Side.SOURCE, fake.host)
        fake.rules.clear()
        target.on("PUT", "/blobs/uploads/", hang_up())
        fault = fault_of(Unreachable, copy)
        assert (fault.side, fault.host) == (Side.DESTINATION, target.host)
        assert held(target, descriptor, "tkg/copy") is None


# --- looking ----------------------------------------------------------------------------------


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host) as registry:
        yield registry


def test_a_blob_is_looked_up_with_its_size(client: Registry, fake: FakeRegistry) -> None:
    descriptor = shelve(fake, b"seven b")
    assert client.has_blob(REPOSITORY, descriptor)
    assert not client.has_blob(REPOSITORY, blob_of(b"other"))
    assert not client.has_blob("tkg/other", descriptor)
    # Harbor keeps a blob that came without a length as one of size 0.
    assert not client.has_blob(REPOSITORY, Descriptor("x", descriptor.digest, 8))


@pytest.mark.parametrize("status", [500, 401, 403, 400])
def test_a_look_that_fails_is_not_taken_for_absence(
    client: Registry, fake: FakeRegistry, status: int
) -> None:
    fake.on("HEAD", "/blobs/", answer(status))
    with pytest.raises(Exception, match=str(status)):
        client.has_blob(REPOSITORY, blob_of(b"x"))
