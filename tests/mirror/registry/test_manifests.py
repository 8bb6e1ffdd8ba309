from __future__ import annotations

import gzip
import json
import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from mirror.errors import (
    Incomplete,
    IntegrityFault,
    Misbehaved,
    NotFound,
    Refused,
    Side,
    Unreachable,
)
from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.registry.client import Registry
from mirror.settings import MAX_MANIFEST
from tests.fakes.behaviours import answer, chunked, flip_byte, lie_about_length, with_headers
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.oci.documents import image
from tests.mirror.registry.peers import Peer, endless, says
from tests.mirror.registry.reach import (
    IMAGE,
    REPOSITORY,
    TAG,
    fault_of,
    reach,
    seeded,
    words,
)

OTHER = Digest.of(b"other")


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    fake.add(REPOSITORY, TAG, IMAGE)
    with reach(fake.host) as registry:
        yield registry


def test_a_manifest_by_tag_and_by_digest_is_the_same_bytes(client: Registry) -> None:
    by_tag = client.manifest(REPOSITORY, TAG)
    assert by_tag.raw == IMAGE.manifest.read()
    assert client.manifest(REPOSITORY, by_tag.digest) == by_tag


def test_all_four_types_are_asked_for_by_name(client: Registry, fake: FakeRegistry) -> None:
    client.manifest(REPOSITORY, TAG)
    accepted = fake.requests[-1].headers["accept"].split(", ")
    assert set(accepted) == mediatypes.MANIFESTS


def test_another_manifest_than_the_digest_names_is_refused(
    client: Registry, fake: FakeRegistry
) -> None:
    fake.on("GET", "/manifests/", flip_byte())
    fault = fault_of(IntegrityFault, client.manifest, REPOSITORY, seeded().digest)
    assert fault.expected == str(seeded().digest)
    assert fault.place == fake.host


def test_a_digest_header_that_lies_is_refused(client: Registry, fake: FakeRegistry) -> None:
    fake.on("GET", "/manifests/", with_headers(Docker_Content_Digest=str(OTHER)))
    assert fault_of(IntegrityFault, client.manifest, REPOSITORY, TAG).expected == str(OTHER)


@pytest.mark.parametrize("stated", ["", f"sha512:{'0' * 128}", "garbage"])
def test_a_digest_header_that_says_nothing_is_no_fault(
    client: Registry, fake: FakeRegistry, stated: str
) -> None:
    fake.on("GET", "/manifests/", with_headers(Docker_Content_Digest=stated))
    assert client.manifest(REPOSITORY, TAG) == seeded()


def test_chunks_are_fine(client: Registry, fake: FakeRegistry) -> None:
    fake.on("GET", "/manifests/", chunked())
    assert client.manifest(REPOSITORY, TAG) == seeded()


def test_a_manifest_as_large_as_allowed_is_read_and_one_byte_more_is_not(
    fake: FakeRegistry,
) -> None:
    raw = json.dumps(image()).encode()
    largest = raw + b" " * (MAX_MANIFEST - len(raw))
    headers = {"Content_Type": mediatypes.OCI_MANIFEST}
    fake.on("GET", "/manifests/fits", answer(200, body=largest, **headers))
    fake.on("GET", "/manifests/more", answer(200, body=largest + b" ", **headers))
    with reach(fake.host) as client:
        assert client.manifest(REPOSITORY, "fits").raw == largest
        assert str(MAX_MANIFEST) in fault_of(Misbehaved, client.manifest, REPOSITORY, "more").fact


def test_a_manifest_without_end_is_given_up_in_bounded_memory() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    with Peer(endless(head, chunk)) as peer, reach(peer.host) as client:
        tracemalloc.start()
        try:
            fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)
            assert tracemalloc.get_traced_memory()[1] < 4 * MAX_MANIFEST
        finally:
            tracemalloc.stop()


def test_an_encoded_manifest_is_refused_unopened(client: Registry, fake: FakeRegistry) -> None:
    bomb = gzip.compress(b" " * 10**7)
    fake.on("GET", "/manifests/", answer(200, body=bomb, Content_Encoding="gzip"))
    assert "encoded" in fault_of(Misbehaved, client.manifest, REPOSITORY, TAG).fact


def test_a_body_cut_in_the_middle_may_be_better_next_time(
    client: Registry, fake: FakeRegistry
) -> None:
    fake.on("GET", "/manifests/", lie_about_length(5))
    assert fault_of(Unreachable, client.manifest, REPOSITORY, TAG).temporary


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"{}", b"[" * 10_000, b'{"schemaVersion":2,"schemaVersion":2}', b"\xff\xfe"],
)
def test_what_is_no_manifest_is_the_registrys_fault(fake: FakeRegistry, raw: bytes) -> None:
    fake.on("GET", "/manifests/", answer(200, body=raw, Content_Type=mediatypes.OCI_MANIFEST))
    with reach(fake.host) as client:
        fault_of(Misbehaved, client.manifest, REPOSITORY, TAG)


def test_a_manifest_that_writes_to_the_terminal_is_quoted_clean(fake: FakeRegistry) -> None:
    raw = json.dumps(image(mediaType="\x1b[2Jevil\u202e")).encode()
    fake.on("GET", "/manifests/", answer(200, body=raw))
    with reach(fake.host) as client:
        fact = words(fault_of(Misbehaved, client.manifest, REPOSITORY, TAG))
    assert "evil" in fact
    assert "\x1b" not in fact
    assert "\u202e" not in fact


# --- tags -------------------------------------------------------------------------------------


def test_a_tag_is_looked_up_by_one_head(client: Registry, fake: FakeRegistry) -> None:
    assert client.tagged(REPOSITORY, TAG) == seeded().digest
    assert [seen.method for seen in fake.requests] == ["HEAD"]


@pytest.mark.parametrize("stated", ["", "garbage", f"sha512:{'0' * 128}"])
def test_without_a_digest_header_the_bytes_are_fetched_and_hashed(
    client: Registry, fake: FakeRegistry, stated: str
) -> None:
    fake.on("*", "/manifests/", with_headers(Docker_Content_Digest=stated))
    assert client.tagged(REPOSITORY, TAG) == seeded().digest
    assert [seen.method for seen in fake.requests] == ["HEAD", "GET"]


def test_a_tag_that_is_not_there_is_none_and_a_refusal_is_a_fault(
    client: Registry, fake: FakeRegistry
) -> None:
    assert client.tagged(REPOSITORY, "absent") is None
    fake.on("HEAD", "/manifests/", answer(403))
    fault_of(Refused, client.tagged, REPOSITORY, TAG)


def test_a_missing_manifest_is_not_found(client: Registry, fake: FakeRegistry) -> None:
    fault = fault_of(NotFound, client.manifest, REPOSITORY, "absent")
    assert f"{fake.host}/{REPOSITORY}:absent" in fault.what
    assert "MANIFEST_UNKNOWN" in fault.fact


# --- putting ----------------------------------------------------------------------------------


def test_a_manifest_is_put_byte_by_byte_under_its_own_type(
    client: Registry, fake: FakeRegistry
) -> None:
    found = seeded()
    fake.store.repositories["tkg/copy"].blobs |= fake.store.repositories[REPOSITORY].blobs
    client.put_manifest("tkg/copy", found.digest, found)
    client.put_manifest("tkg/copy", "v1", found)
    place = fake.store.repositories["tkg/copy"]
    assert place.manifests == {str(found.digest): (found.media_type, found.raw)}
    assert place.tags == {"v1": str(found.digest)}
    assert fake.requests[-1].headers["content-length"] == str(len(found.raw))


def test_an_immutable_tag_is_a_refusal_and_a_missing_blob_misbehaviour(fake: FakeRegistry) -> None:
    with reach(fake.host, side=Side.DESTINATION) as client:
        fault = fault_of(Incomplete, client.put_manifest, REPOSITORY, TAG, seeded())
        assert "MANIFEST_BLOB_UNKNOWN" in fault.fact
        fake.on("PUT", "/manifests/", answer(412, "PRECONDITION"))
        assert (
            fault_of(Refused, client.put_manifest, REPOSITORY, TAG, seeded()).side == "destination"
        )


# --- error answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"Content-Encoding": "gzip"}, gzip.compress(b"x")),
        Reply(404, {}, b"short", length=500),
        Reply(404, {}, b"x" * 200_000),
        Reply(404, {}, b"x", stall_after=1),
    ],
    ids=["encoded", "cut", "long", "stalled"],
)
def test_the_status_counts_whatever_became_of_the_words(fake: FakeRegistry, reply: Reply) -> None:
    fake.on("GET", "/manifests/", lambda _request, _go: reply)
    with reach(fake.host, timeout=0.3) as client:
        assert "answered 404" in fault_of(NotFound, client.manifest, REPOSITORY, TAG).fact


def test_an_encoded_refusal_does_not_keep_the_client_from_logging_in(fake: FakeRegistry) -> None:
    fake.add(REPOSITORY, TAG, IMAGE)
    fake.require_bearer()
    fake.on("GET", "/manifests/", with_headers(Content_Encoding="gzip"), nth=1)
    with reach(fake.host) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()


# --- the connection itself --------------------------------------------------------------------


def test_requests_are_counted_and_share_one_connection() -> None:
    body = b'{"schemaVersion":2,"manifests":[]}'
    type_ = mediatypes.OCI_INDEX.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (type_, len(body))

    def script(connection: socket.socket) -> None:
        says(head)(connection)
        while request := connection.recv(65536):
            says(head, b"" if request.startswith(b"HEAD") else body)(connection)

    with Peer(script) as peer, reach(peer.host) as client:
        fallback = client.tagged(REPOSITORY, TAG)
        assert fallback == Digest.of(body)
        assert client.manifest(REPOSITORY, TAG) == Manifest.parse(body)
        assert client.requests == 3
        assert len(peer.seen) == 1


def test_cookies_are_not_sent_back(client: Registry, fake: FakeRegistry) -> None:
    fake.on("*", "/v2/", with_headers(Set_Cookie="sid=1; Path=/"))
    client.manifest(REPOSITORY, TAG)
    client.manifest(REPOSITORY, TAG)
    assert not fake.leaked()
    assert fake.requests[-1].headers["accept-encoding"] == "identity"
    assert fake.requests[-1].headers["user-agent"].startswith("tkg-mirror/")
