"""How many ranges of a large blob are fetched at a time where nobody said how many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from math import inf

import pytest

from mirror.registry import download
from mirror.registry.client import Registry
from mirror.settings import KIB, MOST_RANGES, RANGE_LOOK
from tests.fakes.behaviours import Go, cut
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import beginning, noise, reach, read, shelve
from tests.mirror.registry.test_ranges import no_lanes, spans

PIECE, LEAST, TRIAL = 64 * KIB, 32 * KIB, 16 * KIB


@pytest.fixture
def client(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setattr(download, "RANGE_PIECE", PIECE)
    monkeypatch.setattr(download, "RANGE_LEAST", LEAST)
    monkeypatch.setattr(download, "RANGE_TRIAL", TRIAL)
    with reach(fake.host, ranges=0) as registry:
        yield registry
    assert no_lanes()


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a connection gets here, it is called little."""
    monkeypatch.setattr(download, "THIN", inf)
    monkeypatch.setattr(download, "BUSY", inf)


@pytest.fixture
def thick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "THIN", 0)


def offsets(span: str) -> range:
    """What "bytes=0-9" asks for."""
    first, _, last = span.removeprefix("bytes=").partition("-")
    return range(int(first), int(last) + 1)


def test_on_a_thin_link_all_of_it_comes_in_ranges(
    client: Registry, fake: FakeRegistry, thin: None
) -> None:
    data = noise(3 * MOST_RANGES * PIECE + 1)
    assert read(client, shelve(fake, data)) == data
    assert offsets(spans(fake)[0]) == range(TRIAL)
    found = sorted(map(offsets, spans(fake)), key=lambda span: span.start)
    assert [each.stop for each in found] == [*(each.start for each in found[1:]), len(data)]


def test_ranges_are_smaller_towards_the_end(
    client: Registry, fake: FakeRegistry, thin: None
) -> None:
    """A last large one would leave all other connections idle."""
    data = noise(20 * PIECE)
    assert read(client, shelve(fake, data)) == data
    found = sorted(map(offsets, spans(fake)), key=lambda span: span.start)
    sizes = [*map(len, found[1:])]
    assert sizes[:12] == [PIECE] * 12
    assert sizes == sorted(sizes, reverse=True)
    assert set(sizes[-4:-1]) == {LEAST}


def test_room_that_others_leave_while_a_range_is_waited_for_is_used(
    client: Registry, fake: FakeRegistry, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, third = [2], threading.Event()

    def full(_request: Request, go: Go) -> Reply:
        room[0] = 0
        return go()

    def slow(_request: Request, go: Go) -> Reply:
        room[0] = 1
        assert third.wait(10)
        return go()

    def awaited(_request: Request, go: Go) -> Reply:
        third.set()
        return go()

    for number, behaviour in enumerate((full, slow, awaited), 1):
        fake.on("GET", "blobs", behaviour, nth=number)
    monkeypatch.setattr(type(client.connection), "spare", property(lambda _wire: room[0]))
    data = noise(9 * PIECE)
    assert read(client, shelve(fake, data)) == data


def test_a_link_that_gives_one_connection_enough_is_looked_at_once(
    client: Registry, fake: FakeRegistry, thick: None
) -> None:
    data, other = noise(9 * PIECE), noise(8 * PIECE)
    assert read(client, shelve(fake, data)) == data
    assert read(client, shelve(fake, other)) == other
    assert spans(fake) == [f"bytes=0-{TRIAL - 1}", f"bytes={TRIAL}-{9 * PIECE - 1}", ""]


def test_a_machine_that_is_busy_is_not_taken_for_a_thin_link(
    client: Registry, fake: FakeRegistry, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "BUSY", 0)
    data = noise(9 * PIECE)
    assert read(client, shelve(fake, data)) == data
    assert spans(fake) == [f"bytes=0-{TRIAL - 1}", f"bytes={TRIAL}-{9 * PIECE - 1}"]


def test_a_machine_that_was_busy_for_a_while_sees_a_thin_link_later(
    client: Registry, fake: FakeRegistry, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, other = noise(9 * PIECE), noise(10 * PIECE)
    with monkeypatch.context() as busy:
        busy.setattr(download, "BUSY", 0)
        assert read(client, shelve(fake, data)) == data
    assert read(client, shelve(fake, other)) == other
    assert len(spans(fake)) == 2 + 1 + 13


def test_a_small_blob_is_fetched_whole_on_any_link(
    client: Registry, fake: FakeRegistry, thin: None
) -> None:
    data = noise(2 * PIECE)
    assert read(client, shelve(fake, data)) == data
    assert spans(fake) == [""]


def test_a_registry_without_ranges_gives_all_of_it_at_once(
    client: Registry, fake: FakeRegistry, thin: None
) -> None:
    fake.store.ranges = False
    data = noise(9 * PIECE)
    assert read(client, shelve(fake, data)) == data
    assert read(client, shelve(fake, data)) == data
    assert spans(fake) == [f"bytes=0-{TRIAL - 1}", "", ""]


def test_a_first_range_that_was_cut_says_nothing_about_the_link(
    client: Registry, fake: FakeRegistry, thin: None
) -> None:
    data = noise(9 * PIECE)
    descriptor = shelve(fake, data)
    fake.on("GET", "/blobs/", cut(1000), nth=1)
    came, _fault = beginning(client, descriptor)
    assert came == data[: len(came)]
    assert len(fake.requests) == 1
    assert read(client, descriptor, len(came)) == data[len(came) :]


def test_a_first_range_that_is_held_up_has_few_others_kept_behind_it(
    client: Registry, fake: FakeRegistry, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each of sixteen blobs that would be half a gigabyte."""
    monkeypatch.setattr(client._downloads, "_ahead", threading.Semaphore(2))
    begun, more = threading.Semaphore(0), list[bool]()

    def held(request: Request, go: Go) -> Reply:
        start = offsets(request.headers["range"]).start
        if start == TRIAL:
            # Two more are begun, and then it is seen that no third one is.
            assert all(begun.acquire(timeout=10) for _ in range(2))
            more.append(begun.acquire(timeout=10 * RANGE_LOOK))
        elif start:
            begun.release()
        return go()

    fake.on("GET", "blobs", held)
    data = noise(9 * PIECE)
    assert read(client, shelve(fake, data)) == data
    assert more == [False]
    fake.rules.clear()
    assert read(client, shelve(fake, data[1:])) == data[1:]


def test_ranges_leave_room_at_the_gate_for_others(
    client: Registry, fake: FakeRegistry, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(client.connection), "spare", property(lambda _wire: 0))
    data = noise(9 * PIECE)
    assert read(client, shelve(fake, data)) == data
    assert spans(fake) == [""]
