"""Ranges side by side: in order, in bounds, and never the bytes of another range."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from mirror.errors import IntegrityFault, Misbehaved
from mirror.registry import download
from mirror.registry.client import Registry
from mirror.settings import KIB, MIB
from tests.fakes.behaviours import Behaviour, Go, answer, chunked, cut, flip_byte, with_headers
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, endless
from tests.mirror.registry.reach import (
    REPOSITORY,
    beginning,
    blob_of,
    fault_of,
    noise,
    reach,
    read,
    shelve,
)

LANES = 4


@pytest.fixture(params=[64 * KIB, MIB], ids=["ordinary", "direct"])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Smaller ranges than in truth: one of a MiB goes past the HTTP library as a larger does."""
    monkeypatch.setattr(download, "RANGE_PIECE", request.param)
    size: int = request.param
    return size


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host, ranges=LANES) as registry:
        yield registry


def spans(fake: FakeRegistry) -> list[str]:
    return [seen.headers.get("range", "") for seen in fake.requests]


def no_lanes() -> bool:
    """True once the ranges that were under way have come to their end, each in its time."""
    for thread in threading.enumerate():
        if thread.name.startswith("range"):
            thread.join(20)
    return not any(thread.name.startswith("range") for thread in threading.enumerate())


# --- in order ---------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [1, 0, -1])
def test_the_bytes_come_in_order_each_once(
    client: Registry, fake: FakeRegistry, piece: int, more: int
) -> None:
    data = noise(6 * piece + more)
    assert read(client, shelve(fake, data)) == data
    starts = sorted(int(span[6:].partition("-")[0]) for span in spans(fake))
    assert starts == list(range(0, len(data), piece))
    assert no_lanes()


def test_answers_in_another_order_change_nothing(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    """The first range answers only after the last one of those asked for with it."""
    data, last = noise(4 * piece), threading.Event()

    def behave(request: Request, go: Go) -> Reply:
        span = request.headers["range"]
        if span.startswith(f"bytes={3 * piece}-"):
            last.set()
        elif span.startswith("bytes=0-"):
            assert last.wait(20)
        return go()

    fake.on("GET", "/blobs/", behave)
    assert read(client, shelve(fake, data)) == data


def test_they_begin_where_an_attempt_was_cut(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data = noise(5 * piece)
    assert read(client, shelve(fake, data), piece // 2 + 1) == data[piece // 2 + 1 :]
    assert f"bytes={piece // 2 + 1}-{piece + piece // 2}" in spans(fake)


def test_a_small_blob_or_a_small_rest_is_fetched_whole(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data = noise(2 * piece)
    assert read(client, shelve(fake, data)) == data
    longer = noise(3 * piece)
    assert read(client, shelve(fake, longer), piece) == longer[piece:]
    assert spans(fake) == ["", f"bytes={piece}-{3 * piece - 1}"]


def test_all_ask_for_the_same_edition(client: Registry, fake: FakeRegistry, piece: int) -> None:
    data = noise(8 * piece)
    descriptor = shelve(fake, data)
    assert read(client, descriptor) == data
    conditions = [seen.headers.get("if-range", "") for seen in fake.requests]
    # The first ones go before any answer says which it is, and may arrive after later ones.
    assert 0 < conditions.count("") <= LANES
    assert set(conditions) == {"", f'"{descriptor.digest}"'}


# --- in bounds --------------------------------------------------------------------------------


def test_no_more_is_asked_for_than_lanes_hold(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data = noise(10 * piece)
    with client.blob(REPOSITORY, shelve(fake, data)) as pieces:
        for taken, part in enumerate(pieces, 1):
            assert len(part) == piece
            assert len(fake.requests) <= taken - 1 + LANES


def test_memory_is_bounded_by_the_lanes(client: Registry, fake: FakeRegistry, piece: int) -> None:
    data = bytes(24 * piece)
    descriptor = shelve(fake, data)
    read(client, shelve(fake, noise(10)))
    tracemalloc.start()
    try:
        with client.blob(REPOSITORY, descriptor) as pieces:
            assert sum(map(len, pieces)) == len(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Ours, the fake's own copies of as many ranges, and each connection's buffers.
    assert peak < 3 * LANES * piece + LANES * 2 * MIB


def test_a_range_without_end_is_cut_off_at_its_size(piece: int) -> None:
    """It is held until its turn comes: without a bound here it would fill the memory."""
    size = 6 * piece
    stated = b"Content-Range: bytes 0-%d/%d\r\n" % (piece - 1, size)
    head = b"HTTP/1.1 206 Part\r\n" + stated + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    with Peer(endless(head, chunk)) as peer, reach(peer.host, ranges=LANES) as client:
        fault = fault_of(Misbehaved, read, client, blob_of(bytes(size)))
    assert "more than the range" in fault.fact


def test_a_range_of_another_length_is_refused(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data = noise(6 * piece)
    fake.on("GET", "/blobs/", _short)
    fault_of(IntegrityFault, read, client, shelve(fake, data))


def _short(_request: Request, go: Go) -> Reply:
    reply = go()
    return Reply(reply.status, reply.headers, reply.body[:-1])


def test_an_encoded_range_is_refused(client: Registry, fake: FakeRegistry, piece: int) -> None:
    fake.on("GET", "/blobs/", with_headers(Content_Encoding="gzip"))
    assert "encoded" in fault_of(Misbehaved, read, client, shelve(fake, noise(6 * piece))).fact


# --- cuts and refusals ------------------------------------------------------------------------


@pytest.mark.parametrize("behave", [cut(1000), answer(503)])
@pytest.mark.parametrize("nth", [1, 3, 6])
def test_a_failure_in_one_range_ends_them_after_right_bytes(
    client: Registry, fake: FakeRegistry, piece: int, nth: int, behave: Behaviour
) -> None:
    data = noise(7 * piece)
    descriptor = shelve(fake, data)
    fake.on("GET", "/blobs/", behave, nth=nth)
    got, _fault = beginning(client, descriptor)
    assert got == data[: len(got)]
    assert len(got) < len(data)
    assert got + read(client, descriptor, len(got)) == data
    assert no_lanes()


@pytest.mark.parametrize("nth", [1, 3, 6])
def test_what_came_before_a_cut_is_handed_on(
    client: Registry, fake: FakeRegistry, piece: int, nth: int
) -> None:
    data = noise(7 * piece)
    rule = fake.on("GET", "/blobs/", lambda asked, go: _cut_at(asked, go, (nth - 1) * piece))
    got, _fault = beginning(client, shelve(fake, data))
    assert got == data[: (nth - 1) * piece + 1000]
    fake.rules.remove(rule)
    assert got + read(client, shelve(fake, data), len(got)) == data


def _cut_at(request: Request, go: Go, begin: int) -> Reply:
    ours = request.headers["range"].startswith(f"bytes={begin}-")
    return cut(1000)(request, go) if ours else go()


def test_a_link_that_is_cut_within_every_range_gets_on(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data, got = noise(4 * piece), b""
    descriptor = shelve(fake, data)
    rule = fake.on("GET", "/blobs/", cut(piece - 1))
    for attempt in range(1, 3):
        got += beginning(client, descriptor, len(got))[0]
        assert got == data[: attempt * (piece - 1)]
    fake.rules.remove(rule)
    assert got + read(client, descriptor, len(got)) == data


def test_ranges_in_chunks_without_a_length(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data = noise(5 * piece)
    fake.on("GET", "/blobs/", chunked())
    assert read(client, shelve(fake, data)) == data


def test_wrong_bytes_in_one_range_are_passed_on_for_the_check_behind(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data = noise(5 * piece)
    fake.on("GET", "/blobs/", flip_byte(), nth=2)
    got = read(client, shelve(fake, data))
    assert len(got) == len(data)
    assert got != data


def no_ranges(request: Request, go: Go) -> Reply:
    reply = go()
    return Reply(206, {"Content-Range": "bytes 0-9/10"}, reply.body)


@pytest.mark.parametrize("how", ["200", "416", "206"])
def test_a_registry_without_ranges_gives_all_of_it_at_once(
    client: Registry, fake: FakeRegistry, piece: int, how: str
) -> None:
    data = noise(5 * piece)
    descriptor = shelve(fake, data)
    if how == "200":
        fake.store.ranges = False
    else:
        wrong = answer(416) if how == "416" else no_ranges
        fake.on(
            "GET",
            "/blobs/",
            lambda asked, go: wrong(asked, go) if "range" in asked.headers else go(),
        )
    assert read(client, descriptor) == data
    assert no_lanes()
    asked = len(fake.requests)
    assert spans(fake).count("") == 1
    assert asked <= LANES + 1
    assert read(client, descriptor) == data
    assert spans(fake)[asked:] == [""]


def test_an_edition_that_changes_between_two_ranges_is_not_mixed(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    data, asked = noise(12 * piece), threading.Semaphore(2 * LANES)

    def behave(_request: Request, go: Go) -> Reply:
        if not asked.acquire(blocking=False):
            fake.store.edition = "-2"
        return go()

    fake.on("GET", "/blobs/", behave)
    assert read(client, shelve(fake, data)) == data
    assert "" in spans(fake)


# --- readers ----------------------------------------------------------------------------------


def test_a_reader_that_leaves_early_leaves_nothing_running(
    client: Registry, fake: FakeRegistry, piece: int
) -> None:
    descriptor = shelve(fake, noise(20 * piece))
    with client.blob(REPOSITORY, descriptor) as pieces:
        next(pieces)
    # No new one begins, and what was under way comes to its end.
    assert no_lanes()
    assert not list(pieces)
    assert len(fake.requests) <= 2 * LANES


@pytest.mark.parametrize("failing", [False, True], ids=["the reader left", "it failed"])
def test_ranges_that_have_not_begun_are_not_asked_for_any_more(
    client: Registry,
    fake: FakeRegistry,
    piece: int,
    failing: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, run = threading.Event(), threading.Thread.run

    def late(thread: threading.Thread) -> None:
        if thread.name.startswith("range-") and thread.name != "range-0":
            assert over.wait(20)
        run(thread)

    monkeypatch.setattr(threading.Thread, "run", late)
    descriptor = shelve(fake, noise(20 * piece))
    if failing:
        fake.on("GET", "/blobs/", cut(1000))
        beginning(client, descriptor)
    else:
        with client.blob(REPOSITORY, descriptor) as pieces:
            next(pieces)
    over.set()
    assert no_lanes()
    assert spans(fake) == [f"bytes=0-{piece - 1}"]
