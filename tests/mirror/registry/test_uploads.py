from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from mirror.errors import Misbehaved, Refused, Side, Unreachable
from mirror.registry.client import Registry
from mirror.registry.tls import TlsOptions
from mirror.settings import MIB
from tests.fakes.behaviours import answer, hang_up, with_headers
from tests.fakes.content import Given
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, says
from tests.mirror.registry.reach import (
    CANARY,
    REPOSITORY,
    blob_of,
    fault_of,
    held,
    noise,
    reach,
    shelve,
    sliced,
    somebody,
)

DATA = noise(700_000)
BLOB = blob_of(DATA)
UPLOADS = "/blobs/uploads/"


class Blot(Exception):
    """Something of the content's own."""


@pytest.fixture
def sink(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host, side=Side.DESTINATION) as registry:
        yield registry


@pytest.mark.parametrize("size", [0, 1, 65536, 3 * MIB + 7])
@pytest.mark.parametrize("relative", [True, False])
def test_a_blob_arrives_byte_by_byte_with_its_length_stated(
    sink: Registry, fake: FakeRegistry, size: int, relative: bool
) -> None:
    fake.store.relative = relative
    data = noise(size)
    sink.upload(REPOSITORY, blob_of(data), Given(map(memoryview, sliced(data))))
    put = fake.requests[-1]
    assert held(fake, blob_of(data)) == data
    assert (put.method, put.size, put.headers["content-length"]) == ("PUT", size, str(size))
    assert "transfer-encoding" not in put.headers
    assert [seen.method for seen in fake.requests] == ["POST", "PUT"]


@pytest.mark.parametrize("after", [0, 1, 65536, len(DATA) - 1])
def test_content_that_fails_in_the_middle_leaves_nothing_behind(
    sink: Registry, fake: FakeRegistry, after: int
) -> None:
    own = Blot()

    def content() -> Iterator[bytes]:
        yield DATA[:after]
        raise own

    with pytest.raises(Blot) as caught:
        sink.upload(REPOSITORY, BLOB, Given(content()))
    assert caught.value is own
    assert held(fake, BLOB) is None
    assert not fake.store.uploads
    assert fake.count("DELETE", UPLOADS) == 1


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b""], ids=["short", "long", "none"])
def test_content_that_is_not_its_promised_length_is_not_committed(
    sink: Registry, fake: FakeRegistry, data: bytes
) -> None:
    fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(data))
    assert held(fake, BLOB) is None
    assert not fake.store.uploads


def test_content_with_another_digest_is_refused_by_the_registry(
    sink: Registry, fake: FakeRegistry
) -> None:
    # Ours was right when it left, so it may arrive better next time.
    fault = fault_of(Unreachable, sink.upload, REPOSITORY, BLOB, Given(DATA[::-1]))
    assert "DIGEST_INVALID" in fault.fact
    assert held(fake, BLOB) is None


@pytest.mark.parametrize("stage", ["POST", "PUT"])
@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_registry_that_is_busy_may_be_better_next_time(
    sink: Registry, fake: FakeRegistry, stage: str, status: int
) -> None:
    fake.on(stage, UPLOADS, answer(status), nth=1)
    assert fault_of(Unreachable, sink.upload, REPOSITORY, BLOB, Given(DATA)).answered
    sink.upload(REPOSITORY, BLOB, Given(DATA))
    assert held(fake, BLOB) == DATA


def test_a_connection_dropped_during_the_upload(sink: Registry, fake: FakeRegistry) -> None:
    fake.on("PUT", UPLOADS, hang_up(), nth=1)
    fault_of(Unreachable, sink.upload, REPOSITORY, BLOB, Given(DATA))
    sink.close()
    assert not fake.store.uploads


def test_a_session_that_may_not_be_cancelled_changes_nothing(
    sink: Registry, fake: FakeRegistry
) -> None:
    fake.on("DELETE", UPLOADS, answer(401))
    fake.on("PUT", UPLOADS, answer(403, "DENIED"))
    assert "DENIED" in fault_of(Refused, sink.upload, REPOSITORY, BLOB, Given(DATA)).fact


# --- permission in the middle -----------------------------------------------------------------


def test_a_token_that_ends_during_the_upload_may_be_better_next_time(fake: FakeRegistry) -> None:
    gate = fake.require_bearer(ann=CANARY)

    def content() -> Iterator[bytes]:
        gate.expire()
        yield from sliced(DATA)

    with reach(fake.host, side=Side.DESTINATION, given=somebody()) as sink:
        assert fault_of(Unreachable, sink.upload, REPOSITORY, BLOB, Given(content())).temporary
        assert held(fake, BLOB) is None
        sink.upload(REPOSITORY, BLOB, Given(DATA))
    assert held(fake, BLOB) == DATA


def test_a_password_that_is_refused_during_the_upload_is_a_refusal(fake: FakeRegistry) -> None:
    fake.require_basic("ann", CANARY)
    fake.on("PUT", UPLOADS, answer(401, WWW_Authenticate='Basic realm="x"'))
    with reach(fake.host, side=Side.DESTINATION, given=somebody()) as sink:
        fault_of(Refused, sink.upload, REPOSITORY, BLOB, Given(DATA))


def test_pull_and_push_are_asked_for_before_the_first_byte(fake: FakeRegistry) -> None:
    fake.require_bearer(ann=CANARY)
    with reach(fake.host, side=Side.DESTINATION, given=somebody()) as sink:
        assert not sink.has_blob(REPOSITORY, BLOB)
        sink.upload(REPOSITORY, BLOB, Given(DATA))
    assert fake.count("GET", "^/token") == 1


# --- where the registry sends the upload ------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "{other}/v2/x/blobs/uploads/1",
        "http://localhost:{port}/v2/x/blobs/uploads/1",
        "http://user:pw@127.0.0.1:{port}/v2/x/blobs/uploads/1",
        "https://127.0.0.1:{port}/v2/x/blobs/uploads/1",
        "//localhost:{port}/v2/x/blobs/uploads/1",
        "file:///etc/passwd",
        "",
        # httpx makes no URL of more than 64 Ki characters, the digest included.
        "/" + "a" * 70_000,
        "/v2/x?_s=" + "a" * 65_480,
    ],
    ids=lambda text: text[:40],
)
def test_an_upload_goes_nowhere_but_to_the_registry(fake: FakeRegistry, location: str) -> None:
    fake.require_bearer(ann=CANARY)
    to = Side.DESTINATION
    with FakeRegistry() as other, reach(fake.host, side=to, given=somebody()) as sink:
        port = urlsplit(fake.url).port
        rule = with_headers(Location=location.format(other=other.url, port=port))
        fake.on("POST", UPLOADS, rule, nth={2, 3})
        fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(DATA))
        assert not other.requests
    assert not fake.count("PUT", "")


def test_an_upload_does_not_step_down_from_tls(
    server_context: ssl.SSLContext, trust: TlsOptions, fake: FakeRegistry
) -> None:
    with FakeRegistry(tls=server_context) as safe, reach(safe.host, tls=trust) as sink:
        fake_place = with_headers(Location=f"{fake.url}/v2/x{UPLOADS}1")
        own_place = with_headers(Location=f"http://{safe.host}/v2/x{UPLOADS}1")
        safe.on("POST", UPLOADS, fake_place, nth=1)
        safe.on("POST", UPLOADS, own_place, nth=2)
        for _ in range(2):
            fault = fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(DATA))
            assert "steps down" in fault.fact
    assert not fake.requests


@pytest.mark.parametrize("query", ["_state=AbC%3d%3D", "_state=a+b&c=%20", "s='~|[]^`{}&&d", ""])
def test_the_state_in_the_location_is_sent_back_to_the_byte(
    sink: Registry, fake: FakeRegistry, query: str
) -> None:
    place = f"/v2/{REPOSITORY}{UPLOADS}1" + (f"?{query}" if query else "")
    fake.on("POST", UPLOADS, with_headers(Location=place))
    fake.on("PUT", UPLOADS, answer(201))
    sink.upload(REPOSITORY, BLOB, Given(DATA))
    joint = "&" if query else "?"
    assert fake.requests[-1].path == f"{place}{joint}digest={BLOB.digest}"


# --- mounting ---------------------------------------------------------------------------------


def test_a_mount_moves_no_byte(sink: Registry, fake: FakeRegistry) -> None:
    descriptor = shelve(fake, DATA, "tkg/base")
    assert sink.mount(REPOSITORY, descriptor, "tkg/base")
    assert held(fake, descriptor) == DATA
    assert [seen.size for seen in fake.requests] == [0]
    assert f"mount={str(BLOB.digest).replace(':', '%3A')}" in fake.requests[0].path


def test_a_registry_that_opens_an_upload_instead_gets_the_blob_there(
    sink: Registry, fake: FakeRegistry
) -> None:
    assert not sink.mount(REPOSITORY, BLOB, "tkg/absent")
    sink.upload(REPOSITORY, BLOB, Given(DATA))
    assert held(fake, BLOB) == DATA
    assert [seen.method for seen in fake.requests] == ["POST", "PUT"]


def test_an_upload_that_nobody_goes_on_with_is_given_back(
    sink: Registry, fake: FakeRegistry
) -> None:
    assert not sink.mount(REPOSITORY, BLOB, "tkg/absent")
    sink.close()
    assert not fake.store.uploads


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_mount_that_is_refused_means_upload_it(
    sink: Registry, fake: FakeRegistry, status: int
) -> None:
    fake.on("POST", UPLOADS, answer(status))
    assert not sink.mount(REPOSITORY, BLOB, "tkg/base")


def test_a_mount_that_fails_is_a_fault(sink: Registry, fake: FakeRegistry) -> None:
    fake.on("POST", UPLOADS, answer(503))
    fault_of(Unreachable, sink.mount, REPOSITORY, BLOB, "tkg/base")


def test_a_mount_asks_for_the_right_to_read_its_origin(fake: FakeRegistry) -> None:
    shelve(fake, DATA, "tkg/base")
    fake.require_bearer(ann=CANARY)
    with reach(fake.host, side=Side.DESTINATION, given=somebody()) as sink:
        assert sink.mount(REPOSITORY, BLOB, "tkg/base")
    (token,) = [seen.path for seen in fake.requests if seen.path.startswith("/token")]
    assert "tkg%2Fbase%3Apull" in token


# --- answers that come before the question is over ---------------------------------------------


def test_an_answer_while_the_body_is_still_sent_is_heard() -> None:
    def script(connection: socket.socket) -> None:
        says(b"HTTP/1.1 202 OK\r\nLocation: /v2/x\r\nContent-Length: 0\r\n\r\n")(connection)
        connection.recv(1)
        says(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n")(connection)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(MIB):
            pass

    with Peer(script) as peer, reach(peer.host) as sink:
        fault = fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(DATA))
    assert "413" in fault.fact
