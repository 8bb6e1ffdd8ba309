"""Peers that only drip: they end within the timeout, and honest slow ones do not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import Side, Unreachable
from mirror.registry import upload
from mirror.registry.client import Registry
from mirror.registry.pace import Dripping, Pace
from mirror.registry.tls import TlsOptions
from mirror.settings import DIRECT_READ_FROM, LEAST_RATE, MIB
from tests.fakes.content import Given
from tests.mirror.oci.documents import steady
from tests.mirror.registry.peers import Peer, Script, drips, endless, says
from tests.mirror.registry.reach import (
    REPOSITORY,
    TAG,
    blob_of,
    fault_of,
    kinds,
    noise,
    reach,
    read,
    seeded,
)

OK = b"HTTP/1.1 200 OK\r\n"
SESSION = b"HTTP/1.1 202 OK\r\nLocation: /v2/x\r\nContent-Length: 0\r\n\r\n"
SMALL, LARGE = noise(DIRECT_READ_FROM - 1), noise(2 * MIB)
# More than the buffers of both ends hold.
HUGE = blob_of(bytes(32 * MIB))
SECONDS = 0.25


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def waits(pace: Pace, clock: Clock, seconds: float) -> None:
    with pace.waiting():
        clock.now += seconds


# --- the measure ------------------------------------------------------------------------------


def test_too_few_bytes_in_a_window_of_waiting_are_dripping() -> None:
    clock = Clock()
    pace = Pace(clock)
    waits(pace, clock, 9.9)
    pace.passed(1, 10.0)
    waits(pace, clock, 0.1)
    with pytest.raises(Dripping, match="only 2 bytes in 10 s"):
        pace.passed(1, 10.0)


def test_enough_bytes_begin_a_new_window() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(3):
        waits(pace, clock, 10.0)
        pace.passed(10 * LEAST_RATE, 10.0)
    # What was more than enough in one window is no credit for the next.
    waits(pace, clock, 10.0)
    pace.passed(1000 * LEAST_RATE, 10.0)
    waits(pace, clock, 10.0)
    with pytest.raises(Dripping):
        pace.passed(10 * LEAST_RATE - 1, 10.0)


def test_time_that_this_side_takes_is_not_held_against_the_peer() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(1000):
        clock.now += 60.0
        waits(pace, clock, 0.001)
        pace.passed(1, 10.0)


def test_a_new_request_owes_nothing_for_the_one_before() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(3):
        pace.begin()
        waits(pace, clock, 9.0)
        pace.passed(1, 10.0)


steps = st.tuples(st.floats(0.0, 5.0), st.integers(0, 3 * LEAST_RATE))


@steady
@given(st.lists(steps, min_size=1, max_size=40))
def test_a_peer_at_the_least_rate_or_above_never_drips(times: list[tuple[float, int]]) -> None:
    clock = Clock()
    pace = Pace(clock)
    for seconds, more in times:
        waits(pace, clock, seconds)
        pace.passed(int(LEAST_RATE * seconds) + 1 + more, 1.0)


@steady
@given(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=40))
def test_a_peer_below_the_least_rate_ends_in_one_window(times: list[float]) -> None:
    clock, waited = Clock(), 0.0
    pace = Pace(clock)
    with contextlib.suppress(Dripping):
        for seconds in times:
            assert waited < 10.0
            waits(pace, clock, seconds)
            waited += seconds
            pace.passed(int(LEAST_RATE * seconds / 2), 10.0)
        assert waited < 10.0 + 1e-6


# --- peers that drip --------------------------------------------------------------------------


@pytest.fixture(params=["http", "https"])
def meet(
    request: pytest.FixtureRequest, server_context: ssl.SSLContext, trust: TlsOptions
) -> Callable[[Script], contextlib.AbstractContextManager[Registry]]:
    """A client of a peer with this script, over both."""
    safe = request.param == "https"

    @contextlib.contextmanager
    def meeting(script: Script) -> Iterator[Registry]:
        with (
            Peer(script, server_context if safe else None) as peer,
            reach(
                peer.host,
                side=Side.DESTINATION,
                tls=trust if safe else None,
                timeout=SECONDS,
            ) as client,
        ):
            yield client

    return meeting


Meet = Callable[[Script], contextlib.AbstractContextManager[Registry]]


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % size


ANSWERS: dict[str, bytes] = {
    "status": b"HTTP/1.1 200 O",
    "headers": OK + b"X-A: ",
    "first-byte-of-all": b"",
    "body": OK + length(100_000),
    "body-without-length": OK + b"\r\n",
    "error": b"HTTP/1.1 500 No\r\n" + length(50_000),
}


@pytest.mark.parametrize("head", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_drips(meet: Meet, head: bytes) -> None:
    with meet(drips(head)) as client:
        fault_of(Unreachable, client.manifest, REPOSITORY, TAG)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["ordinary", "direct"])
def test_a_blob_that_drips_after_a_good_beginning(meet: Meet, data: bytes) -> None:
    script = drips(OK + length(len(data)) + data[:200_000])
    with meet(script) as client:
        fault = fault_of(Unreachable, read, client, blob_of(data))
    assert "only" in fault.fact
    assert fault.fact.endswith("s")


def after_body(size: int, then: Script) -> Script:
    """Open a session, take the whole body of what follows, and go on like another."""

    def script(connection: socket.socket) -> None:
        connection.sendall(SESSION)
        left = size
        while b"\r\n\r\n" not in (head := connection.recv(65536, socket.MSG_PEEK) or b"\r\n\r\n"):
            pass
        left += head.index(b"\r\n\r\n") + 4
        while left and (piece := connection.recv(min(left, MIB))):
            left -= len(piece)
        then(connection)

    return script


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 201 C", b"HTTP/1.1 500 No\r\n" + length(9999)])
def test_an_answer_to_an_upload_that_drips(head: bytes) -> None:
    data = noise(200_000)
    with (
        Peer(after_body(len(data), drips(head))) as peer,
        reach(peer.host, side=Side.DESTINATION, timeout=SECONDS) as sink,
    ):
        fault_of(Unreachable, sink.upload, REPOSITORY, blob_of(data), Given(data))


def test_a_peer_that_takes_an_upload_byte_by_byte(meet: Meet) -> None:
    over = threading.Event()

    def script(connection: socket.socket) -> None:
        connection.sendall(SESSION)
        while not over.wait(0.005) and connection.recv(1):
            pass

    piece = bytes(MIB)
    with meet(script) as sink:
        content = Given(piece for _ in range(32))
        fault_of(Unreachable, sink.upload, REPOSITORY, HUGE, content)
        over.set()


def test_giving_an_upload_back_to_a_peer_that_drips_ends_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The courtesy has its own, shorter time, however long the timeout is."""
    monkeypatch.setattr(upload, "CANCEL_TIMEOUT", 0.2)
    gone = threading.Event()

    def script(connection: socket.socket) -> None:
        says(SESSION)(connection)
        connection.recv(65536)
        drips(b"HTTP/1.1 204 ")(connection)
        gone.set()

    with Peer(script) as peer, reach(peer.host, timeout=60.0) as sink:
        assert not sink.mount(REPOSITORY, blob_of(SMALL), "tkg/other")
        sink.close()
        assert gone.wait(20)


# --- peers that are slow, and honest ----------------------------------------------------------


def test_a_peer_may_think_before_it_answers() -> None:
    body = seeded().raw
    thinking = threading.Event()

    def script(connection: socket.socket) -> None:
        thinking.wait(0.4)
        connection.sendall(OK)
        # What was thought before the first byte does not count as dripping after it.
        thinking.wait(0.4)
        connection.sendall(length(len(body)) + body)

    with Peer(script) as peer, reach(peer.host, timeout=0.7) as client:
        assert client.manifest(REPOSITORY, TAG) == seeded()


@pytest.mark.parametrize("data", [noise(100_000), LARGE], ids=["ordinary", "direct"])
def test_a_reader_that_takes_its_time_is_not_held_against_the_peer(data: bytes) -> None:
    ready = threading.Event()
    with (
        Peer(says(OK + length(len(data)), data)) as peer,
        reach(peer.host, timeout=0.5) as client,
        client.blob(REPOSITORY, blob_of(data)) as pieces,
    ):
        size = len(next(pieces))
        ready.wait(0.6)
        assert size + sum(len(piece) for piece in pieces) == len(data)


def test_the_large_ones_above_go_past_the_library() -> None:
    with Peer(says(OK + length(len(LARGE)), LARGE)) as peer, reach(peer.host) as client:
        assert memoryview in kinds(client, blob_of(LARGE))


def test_interim_answers_without_an_end_are_not_waited_for() -> None:
    with (
        Peer(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)) as peer,
        reach(peer.host) as client,
    ):
        fault = fault_of(Unreachable, client.manifest, REPOSITORY, TAG)
    assert "does not begin" in fault.fact
