"""Downloads that go on after a cut: with the right bytes, or from the beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mirror.errors import IntegrityFault, Misbehaved, NotFound, Unreachable
from mirror.oci.descriptor import Descriptor
from mirror.registry.client import Registry
from mirror.settings import DIRECT_READ_FROM, KIB, MIB
from tests.fakes.behaviours import answer, chunked, cut, with_headers
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import (
    REPOSITORY,
    beginning,
    blob_of,
    fault_of,
    goes_to,
    noise,
    reach,
    read,
    shelve,
)

# The rest of the first is below the size from which the HTTP library is passed by.
SIZES = [300 * KIB, 2 * MIB + 7]
START = 100 * KIB + 1


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host) as registry:
        yield registry


@pytest.fixture(params=SIZES, ids=["ordinary", "direct"])
def data(request: pytest.FixtureRequest) -> bytes:
    return noise(request.param)


def asked(fake: FakeRegistry) -> list[tuple[str, str]]:
    """Range and If-Range of every request for a blob."""
    return [
        (seen.headers.get("range", ""), seen.headers.get("if-range", ""))
        for seen in fake.requests
        if "/blobs/" in seen.path
    ]


def begun(client: Registry, fake: FakeRegistry, descriptor: Descriptor) -> int:
    """Cut a download, and say how many bytes came."""
    fake.on("GET", "/blobs/", cut(START), nth=1)
    got, _fault = beginning(client, descriptor)
    fake.rules.clear()
    assert len(got) == START
    return len(got)


# --- where the registry can -------------------------------------------------------------------


def test_after_a_cut_only_the_rest_is_sent(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor = shelve(fake, data)
    start = begun(client, fake, descriptor)
    assert read(client, descriptor, start) == data[start:]
    span, condition = asked(fake)[-1]
    assert span == f"bytes={start}-{len(data) - 1}"
    assert condition == f'"{descriptor.digest}"'
    assert fake.requests[-1].status == 206


def test_a_new_client_goes_on_too_without_a_condition(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor = shelve(fake, data)
    assert read(client, descriptor, START) == data[START:]
    assert asked(fake) == [(f"bytes={START}-{len(data) - 1}", "")]


@pytest.mark.parametrize("start", [1, 65536, DIRECT_READ_FROM, -2, -1])
def test_any_offset(client: Registry, fake: FakeRegistry, data: bytes, start: int) -> None:
    start = start % len(data)
    assert read(client, shelve(fake, data), start) == data[start:]


def test_a_cut_in_the_rest_can_go_on_again(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor, got = shelve(fake, data), b""
    for _ in range(3):
        fake.on("GET", "/blobs/", cut(50 * KIB), nth=1)
        got += beginning(client, descriptor, len(got))[0]
        fake.rules.clear()
    assert len(got) == 150 * KIB
    assert got + read(client, descriptor, len(got)) == data


def test_the_rest_comes_by_way_of_a_redirect(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor = shelve(fake, data)
    place = f"/v2/{REPOSITORY}/blobs/{descriptor.digest}?there"
    fake.on("GET", "/blobs/", goes_to(place), nth=1)
    assert read(client, descriptor, START) == data[START:]
    assert asked(fake)[0] == asked(fake)[1]


def test_the_rest_in_chunks_without_a_length(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    fake.on("GET", "/blobs/", chunked())
    assert read(client, shelve(fake, data), START) == data[START:]


@pytest.mark.parametrize("stated", ["bytes {0}-{1}/*", "Bytes {0}-{1}/{2}", " bytes {0}-{1}/{2} "])
def test_other_ways_to_state_the_right_range(
    client: Registry, fake: FakeRegistry, data: bytes, stated: str
) -> None:
    text = stated.format(START, len(data) - 1, len(data))
    fake.on("GET", "/blobs/", with_headers(Content_Range=text))
    assert read(client, shelve(fake, data), START) == data[START:]
    assert len(fake.requests) == 1


# --- where it cannot, or says it wrongly ------------------------------------------------------


def test_a_registry_without_ranges_sends_all_of_it_again(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    fake.store.ranges = False
    assert read(client, shelve(fake, data), START) == data[START:]
    assert [seen.status for seen in fake.requests] == [200]


def test_another_etag_means_all_of_it_again(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor = shelve(fake, data)
    start = begun(client, fake, descriptor)
    fake.store.edition = "-2"
    assert read(client, descriptor, start) == data[start:]
    assert fake.requests[-1].status == 200
    # The new one is what counts from now on.
    assert read(client, descriptor, start) == data[start:]
    assert asked(fake)[-1][1] == f'"{descriptor.digest}-2"'
    assert fake.requests[-1].status == 206


@pytest.mark.parametrize("tag", ['W/"1"', "1", "", '"' + "x" * 500 + '"', '"\xe9"'])
def test_an_etag_that_is_no_strong_one_is_not_sent_back(
    client: Registry, fake: FakeRegistry, data: bytes, tag: str
) -> None:
    fake.on("GET", "/blobs/", with_headers(ETag=tag))
    descriptor = shelve(fake, data)
    assert read(client, descriptor) == data
    assert read(client, descriptor, START) == data[START:]
    assert asked(fake)[-1][1] == ""


WRONG = {
    "start": "bytes {start_less}-{last}/{size}",
    "end": "bytes {start}-{last_less}/{size}",
    "beyond": "bytes {start}-{size}/{size}",
    "total": "bytes {start}-{last}/{last}",
    "unit": "octets {start}-{last}/{size}",
    "unknown": "bytes */{size}",
    "list": "bytes {start}-{last}/{size}, 0-0/{size}",
    "nothing": "",
    "garbage": "\xff\xfe",
    "huge": "bytes {start}-{last}/" + "9" * 5000,
}


@pytest.mark.parametrize("stated", WRONG.values(), ids=WRONG.keys())
def test_a_range_that_is_stated_wrong_is_not_believed(
    client: Registry, fake: FakeRegistry, data: bytes, stated: str
) -> None:
    last = len(data) - 1
    text = stated.format(
        start=START, start_less=START - 1, last=last, last_less=last - 1, size=len(data)
    )
    fake.on("GET", "/blobs/", with_headers(Content_Range=text), nth=1)
    descriptor = shelve(fake, data)
    assert read(client, descriptor, START) == data[START:]
    assert [seen.status for seen in fake.requests] == [206, 200]
    # Such a registry is asked for no range again.
    assert read(client, descriptor, START) == data[START:]
    assert asked(fake)[-1] == ("", "")


def test_a_part_that_does_not_say_which_is_not_believed(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor = shelve(fake, data)
    fake.on("GET", "/blobs/", lambda _request, _go: Reply(206, {}, data[START:]), nth=1)
    assert read(client, descriptor, START) == data[START:]
    assert len(fake.requests) == 2


def test_416_means_all_of_it_again(client: Registry, fake: FakeRegistry, data: bytes) -> None:
    fake.on("GET", "/blobs/", answer(416), nth=1)
    assert read(client, shelve(fake, data), START) == data[START:]
    assert asked(fake)[-1] == ("", "")


def test_a_blob_that_is_shorter_there_than_promised_is_named(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    descriptor = blob_of(data)
    blobs = fake.store.repositories[REPOSITORY].blobs
    blobs[str(descriptor.digest)] = data[: START - 1]
    fault = fault_of(IntegrityFault, read, client, descriptor, START)
    assert (fault.expected, fault.got) == (f"{len(data)} bytes", f"{START - 1} bytes")


def test_a_part_that_nobody_asked_for_is_refused(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    stated = f"bytes 0-{len(data) - 1}/{len(data)}"
    fake.on("GET", "/blobs/", lambda _request, _go: Reply(206, {"Content-Range": stated}, data))
    assert "206" in fault_of(Misbehaved, read, client, shelve(fake, data)).fact


def test_a_part_of_another_length_than_its_range_is_refused(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    stated = f"bytes {START}-{len(data) - 1}/{len(data)}"
    short = Reply(206, {"Content-Range": stated}, data[START:-1])
    fake.on("GET", "/blobs/", lambda _request, _go: short)
    fault_of(IntegrityFault, read, client, shelve(fake, data), START)


def test_a_part_that_is_encoded_is_refused(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    fake.on("GET", "/blobs/", with_headers(Content_Encoding="gzip"))
    assert "encoded" in fault_of(Misbehaved, read, client, shelve(fake, data), START).fact


def test_faults_are_what_they_are_without_a_range(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    fault_of(NotFound, read, client, blob_of(data), START)
    fake.on("GET", "/blobs/", answer(503, Retry_After="7"))
    assert fault_of(Unreachable, read, client, shelve(fake, data), START).retry_after == 7
    assert fake.count("GET", "/blobs/") == 2


def test_a_repeated_cut_without_ranges_gets_nowhere_and_says_so(
    client: Registry, fake: FakeRegistry, data: bytes
) -> None:
    fake.store.ranges = False
    fake.on("GET", "/blobs/", cut(START))
    descriptor = shelve(fake, data)
    assert beginning(client, descriptor, START)[0] == b""
