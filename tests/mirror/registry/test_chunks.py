"""Uploads that are cut, refused for their size, forgotten or lied about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mirror.errors import Full, Misbehaved, Side, Unreachable
from mirror.registry import upload
from mirror.registry.client import Registry
from mirror.settings import KIB, MIB, SMALLEST_CHUNK
from tests.fakes.behaviours import (
    Behaviour,
    Go,
    answer,
    forget,
    hang_up,
    mute,
    no_more_than,
    swallow,
    with_headers,
)
from tests.fakes.content import Given
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.peers import Peer, is_silent, says
from tests.mirror.registry.reach import (
    CANARY,
    REPOSITORY,
    blob_of,
    fault_of,
    held,
    noise,
    reach,
    sliced,
    somebody,
)

UPLOADS = "/blobs/uploads/"
DATA = noise(3 * MIB + 7)
BLOB = blob_of(DATA)


@pytest.fixture
def sink(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host, side=Side.DESTINATION) as registry:
        yield registry


def methods(fake: FakeRegistry) -> list[str]:
    return [seen.method for seen in fake.requests]


def fails(sink: Registry, data: bytes = DATA) -> Unreachable:
    """One attempt, which must fail in a way that may pass."""
    return fault_of(Unreachable, sink.upload, REPOSITORY, blob_of(data), Given(data))


def arrives(sink: Registry, fake: FakeRegistry, data: bytes = DATA) -> list[int]:
    """One attempt, which must do, and leave nothing behind; the offsets it took bytes from."""
    content = Given(data)
    sink.upload(REPOSITORY, blob_of(data), content)
    assert held(fake, blob_of(data)) == data
    assert not fake.store.uploads
    return content.opened


def limited(fake: FakeRegistry, size: int) -> None:
    """Put a proxy with a limit before the fake."""
    fake.on("*", UPLOADS, no_more_than(size))


# --- too large --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [3 * MIB, MIB, 800 * KIB, 500 * KIB, SMALLEST_CHUNK])
def test_what_is_too_large_whole_goes_in_chunks(
    sink: Registry, fake: FakeRegistry, limit: int
) -> None:
    limited(fake, limit)
    arrives(sink, fake)
    taken = [seen for seen in fake.requests if seen.method == "PATCH" and seen.status == 202]
    assert sum(seen.size for seen in taken) == len(DATA)
    ends = 0
    for seen in taken:
        assert seen.headers["content-range"] == f"{ends}-{ends + seen.size - 1}"
        assert seen.headers["content-length"] == str(seen.size)
        assert "transfer-encoding" not in seen.headers
        ends += seen.size
    assert fake.requests[-1].size == 0


def test_a_limit_far_above_a_chunk_does_not_make_them_larger(
    sink: Registry, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 100 MB is above 16: a chunk that is cut costs no more than one."""
    monkeypatch.setattr(upload, "CHUNK", 512 * KIB)
    limited(fake, 2 * MIB + 500 * KIB)
    arrives(sink, fake)
    assert max(seen.size for seen in fake.requests if seen.method == "PATCH") == 512 * KIB


@pytest.mark.parametrize("size", [600 * KIB, 300 * KIB])
def test_a_blob_that_is_little_larger_than_the_limit_goes_in_chunks_too(
    sink: Registry, fake: FakeRegistry, size: int
) -> None:
    limited(fake, SMALLEST_CHUNK)
    arrives(sink, fake, noise(size))


def test_what_was_learnt_is_used_for_the_next_blob(sink: Registry, fake: FakeRegistry) -> None:
    limited(fake, MIB)
    arrives(sink, fake)
    fake.requests.clear()
    arrives(sink, fake, noise(2 * MIB))
    assert {seen.status for seen in fake.requests} == {201, 202}
    fake.requests.clear()
    # What fits in one is sent in one.
    arrives(sink, fake, noise(100))
    assert methods(fake) == ["POST", "PUT"]


def test_a_limit_below_the_smallest_chunk_is_named_with_what_helps(
    sink: Registry, fake: FakeRegistry
) -> None:
    limited(fake, SMALLEST_CHUNK - 1)
    fault = fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(DATA))
    assert "413" in fault.fact
    assert "client_max_body_size" in fault.hint
    assert not fake.store.uploads
    assert len(fake.requests) < 20


# --- the least that a chunk may have ----------------------------------------------------------


def test_chunks_are_no_smaller_than_the_registry_allows(sink: Registry, fake: FakeRegistry) -> None:
    fake.store.least_chunk = 900 * KIB
    limited(fake, MIB)
    arrives(sink, fake)
    sizes = [seen.size for seen in fake.requests if seen.status == 202 and seen.method == "PATCH"]
    assert sizes[:-1] == [900 * KIB] * 3


def test_a_least_chunk_above_the_limit_is_a_refusal_and_no_endless_search(
    sink: Registry, fake: FakeRegistry
) -> None:
    fake.store.least_chunk = 2 * MIB
    limited(fake, MIB)
    fault = fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(DATA))
    assert "client_max_body_size" in fault.hint
    assert len(fake.requests) < 20


@pytest.mark.parametrize("stated", ["-1", "many", "9" * 50, "1.5", "²", ""])
def test_a_least_chunk_that_is_no_number_is_none(
    sink: Registry, fake: FakeRegistry, stated: str
) -> None:
    fake.on("POST", UPLOADS, with_headers(OCI_Chunk_Min_Length=stated.encode().decode("latin-1")))
    limited(fake, MIB)
    arrives(sink, fake)


# --- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [2, 3, 65536, MIB, len(DATA) - 1, len(DATA)])
def test_after_a_cut_only_what_is_missing_is_sent(
    sink: Registry, fake: FakeRegistry, kept: int
) -> None:
    fake.on("PUT", UPLOADS, swallow(fake.store, kept), nth=1)
    assert not fails(sink).answered
    assert arrives(sink, fake) == [kept]
    assert methods(fake) == ["POST", "PUT", "GET", "PUT"]
    assert fake.requests[-1].size == len(DATA) - kept


@pytest.mark.parametrize("kept", [0, 1])
def test_a_range_that_may_mean_nothing_is_not_gone_on_from(
    sink: Registry, fake: FakeRegistry, kept: int
) -> None:
    fake.on("PUT", UPLOADS, swallow(fake.store, kept), nth=1)
    fails(sink)
    assert arrives(sink, fake) == [0]
    assert methods(fake) == ["POST", "PUT", "GET", "DELETE", "POST", "PUT"]


LIES: dict[str, Behaviour] = {
    "beyond-what-was-sent": with_headers(Range=f"0-{len(DATA)}"),
    "huge": with_headers(Range="0-" + "9" * 30),
    "garbage": with_headers(Range="all of it"),
    "not-from-the-start": with_headers(Range="5-99"),
    "negative": with_headers(Range="0--5"),
    "none": with_headers(Range=""),
    "forgotten": answer(404, "BLOB_UPLOAD_UNKNOWN"),
    "not-known-here": answer(405),
    "busy": answer(503),
    "broken": answer(500),
    "not-allowed": answer(403, "DENIED"),
    "whole": answer(200),
    "without-location": with_headers(Location=""),
    "cut": hang_up(),
}


# Those after which the next answer may be better.
PASSING = [LIES["busy"], LIES["broken"], LIES["cut"]]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_without_a_word_on_how_far_it_is_the_blob_is_sent_anew(
    sink: Registry, fake: FakeRegistry, lie: Behaviour
) -> None:
    fake.on("PUT", UPLOADS, swallow(fake.store, MIB), nth=1)
    fake.on("GET", UPLOADS, lie)
    fails(sink)
    if lie is LIES["forgotten"]:
        fake.store.uploads.clear()
    if lie in PASSING:
        fails(sink)
    assert arrives(sink, fake) == [0]


@pytest.mark.parametrize("lie", PASSING)
def test_a_registry_that_is_busy_for_a_moment_is_asked_once_more_how_far_it_is(
    sink: Registry, fake: FakeRegistry, lie: Behaviour
) -> None:
    fake.on("PUT", UPLOADS, swallow(fake.store, MIB), nth=1)
    fake.on("GET", UPLOADS, lie, nth=1)
    for _ in range(2):
        fails(sink)
    assert arrives(sink, fake) == [MIB]


@pytest.mark.parametrize("stage", ["GET", "PATCH"])
def test_in_the_middle_of_an_upload_no_other_host_is_believed(
    sink: Registry, fake: FakeRegistry, stage: str
) -> None:
    limited(fake, MIB)
    fake.on("PATCH", UPLOADS, hang_up(), nth=2)
    with FakeRegistry() as other:
        fake.on(stage, UPLOADS, with_headers(Location=f"{other.url}/v2/x{UPLOADS}1"), nth=1)
        if stage == "GET":
            fails(sink)
            arrives(sink, fake)
        else:
            fault = fault_of(Misbehaved, sink.upload, REPOSITORY, BLOB, Given(DATA))
            assert "not itself" in fault.fact
        assert not other.requests
    assert not fake.store.uploads


def test_another_place_for_the_rest_is_used(sink: Registry, fake: FakeRegistry) -> None:
    def moved(_request: Request, go: Go) -> Reply:
        reply = go()
        return replace(
            reply, headers={**reply.headers, "Location": reply.headers["Location"] + "&x=1"}
        )

    fake.on("PUT", UPLOADS, swallow(fake.store, MIB), nth=1)
    fake.on("GET", UPLOADS, moved)
    fails(sink)
    assert arrives(sink, fake) == [MIB]
    assert "&x=1&digest=" in fake.requests[-1].path


def test_after_two_cuts_of_the_whole_it_goes_in_chunks(
    sink: Registry, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some proxies cut what is too long for them instead of saying so."""
    monkeypatch.setattr(upload, "CHUNK", MIB)
    fake.on("GET", UPLOADS, forget(fake.store))
    fake.on("PUT", UPLOADS, hang_up(), nth={1, 2})
    for _ in range(2):
        fails(sink)
    assert arrives(sink, fake) == [0]
    assert [seen.size for seen in fake.requests if seen.method == "PATCH"] == [MIB] * 3 + [7]


def test_one_cut_or_a_registry_that_answers_is_no_reason_for_chunks(
    sink: Registry, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK", MIB)
    fake.on("GET", UPLOADS, forget(fake.store))
    fake.on("PUT", UPLOADS, hang_up(), nth=1)
    fake.on("PUT", UPLOADS, answer(503), nth={2, 3})
    for _ in range(3):
        fails(sink)
    arrives(sink, fake)
    assert "PATCH" not in methods(fake)


# --- chunks that go wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [with_headers(Range="0-5"), with_headers(Range=f"0-{2 * MIB}"), answer(416), mute(), hang_up()],
    ids=["less", "more", "416", "answer-lost", "cut"],
)
@pytest.mark.parametrize("nth", [1, 2, 4])
def test_after_a_chunk_in_doubt_the_registry_is_asked(
    sink: Registry, fake: FakeRegistry, nth: int, wrong: Behaviour
) -> None:
    limited(fake, MIB)
    # The first request that carries bytes is the whole blob, and refused.
    fake.on("PATCH", UPLOADS, wrong, nth=nth)
    fails(sink)
    (start,) = arrives(sink, fake)
    assert methods(fake).count("GET") == 1
    assert start % (len(DATA) // 4) == 0


@pytest.mark.parametrize("stated", ["", "0-0", "nonsense"])
def test_a_chunk_that_is_taken_without_a_word_on_how_much_is_taken(
    sink: Registry, fake: FakeRegistry, stated: str
) -> None:
    limited(fake, MIB)
    fake.on("PATCH", UPLOADS, with_headers(Range=stated))
    if stated == "0-0":
        assert "1 bytes" in fails(sink).fact
    else:
        arrives(sink, fake)


@pytest.mark.parametrize("stage", ["PATCH", "PUT"])
def test_an_upload_that_is_forgotten_in_the_middle_begins_anew(
    sink: Registry, fake: FakeRegistry, stage: str
) -> None:
    limited(fake, MIB)
    fake.on(stage, UPLOADS, forget(fake.store), nth=2)
    assert "forgotten" in fails(sink).fact
    assert arrives(sink, fake) == [0]


def test_a_commit_whose_answer_is_lost_is_found_out_or_done_again(
    sink: Registry, fake: FakeRegistry
) -> None:
    fake.on("PUT", UPLOADS, mute(), nth=1)
    fails(sink)
    assert sink.has_blob(REPOSITORY, BLOB)
    assert arrives(sink, fake) == [0]


@pytest.mark.parametrize("limit", [MIB, 4 * MIB], ids=["chunks", "whole"])
def test_bytes_that_are_spoilt_on_their_way_are_sent_anew(
    sink: Registry, fake: FakeRegistry, limit: int
) -> None:
    """The session keeps what it has: going on in it would fail for ever."""

    def spoil(request: Request, _go: Go) -> Reply:
        return fake.store.answer(replace(request, body=b"!" + request.body[1:]))

    limited(fake, limit)
    fake.on("PATCH" if limit == MIB else "PUT", UPLOADS, spoil, nth=1)
    assert "DIGEST_INVALID" in fails(sink).fact
    assert arrives(sink, fake) == [0]


def test_a_token_that_ends_between_two_chunks_costs_one_chunk(fake: FakeRegistry) -> None:
    gate = fake.require_bearer(ann=CANARY)
    limited(fake, MIB)

    def content() -> Iterator[bytes]:
        for number, piece in enumerate(sliced(DATA, 100 * KIB)):
            if number == 10:
                gate.expire()
            yield piece

    with reach(fake.host, side=Side.DESTINATION, given=somebody()) as sink:
        arrives(sink, fake, noise(2 * MIB))
        fault = fault_of(Unreachable, sink.upload, REPOSITORY, BLOB, Given(content()))
        assert fault.answered
        assert "token" in fault.fact
        (start,) = arrives(sink, fake)
    # Of 512 KiB each: one was taken, the next one was refused.
    assert start == 512 * KIB


# --- sessions that a mount opened -------------------------------------------------------------


def test_a_refused_mount_does_not_throw_away_what_was_sent(
    sink: Registry, fake: FakeRegistry
) -> None:
    """Each attempt asks for a mount first, and each refusal opens a session."""
    fake.on("PUT", UPLOADS, swallow(fake.store, MIB), nth=1)
    assert not sink.mount(REPOSITORY, BLOB, "tkg/other")
    fails(sink)
    assert not sink.mount(REPOSITORY, BLOB, "tkg/other")
    assert arrives(sink, fake) == [MIB]


def test_two_refused_mounts_leave_one_session(sink: Registry, fake: FakeRegistry) -> None:
    for _ in range(2):
        assert not sink.mount(REPOSITORY, BLOB, "tkg/other")
    assert len(fake.store.uploads) == 1
    arrives(sink, fake)


# --- giving back ------------------------------------------------------------------------------


def test_sessions_that_nobody_goes_on_with_are_given_back(
    sink: Registry, fake: FakeRegistry
) -> None:
    fake.on("PUT", UPLOADS, swallow(fake.store, MIB))
    for size in (MIB + 1, MIB + 2, MIB + 3):
        fails(sink, noise(size))
    assert len(fake.store.uploads) == 3
    sink.close()
    assert not fake.store.uploads


def test_one_that_says_nothing_is_not_asked_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CANCEL_TIMEOUT", 0.1)
    session = (
        b"HTTP/1.1 202 OK\r\nLocation: /v2/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    opened = iter([says(session)] * 5)
    with Peer(lambda connection: next(opened, is_silent)(connection)) as peer:
        with reach(peer.host, side=Side.DESTINATION, timeout=60.0) as sink:
            for number in range(5):
                assert not sink.mount(REPOSITORY, blob_of(b"%d" % number), "tkg/other")
        asked = [first for first in peer.seen if first.startswith(b"DELETE")]
    assert len(asked) == 1


# --- a disk or a quota that is full -----------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 504, 507])
def test_the_same_error_after_two_whole_uploads_is_the_last(
    sink: Registry, fake: FakeRegistry, status: int
) -> None:
    fake.on("PUT", UPLOADS, answer(status))
    fails(sink)
    # Another blob's first failure is no second one: a proxy's restart meets all workers at once.
    other = noise(1000)
    fault_of(Unreachable, sink.upload, REPOSITORY, blob_of(other), Given(other))
    fault = fault_of(Full, sink.upload, REPOSITORY, BLOB, Given(DATA))
    assert str(status) in fault.fact
    assert "disk" in fault.hint
    assert not fault.temporary


def test_two_errors_that_differ_are_not(sink: Registry, fake: FakeRegistry) -> None:
    fake.on("PUT", UPLOADS, answer(500, "UNKNOWN"), nth={1, 3})
    fake.on("PUT", UPLOADS, answer(502, "UNKNOWN"), nth={2, 4})
    for _ in range(4):
        fails(sink)
    arrives(sink, fake)


def test_two_errors_with_a_success_between_are_not(sink: Registry, fake: FakeRegistry) -> None:
    fake.on("PUT", UPLOADS, answer(500), nth={1, 3})
    fails(sink)
    sink.upload(REPOSITORY, blob_of(b"another"), Given(b"another"))
    fails(sink)
    arrives(sink, fake)


@pytest.mark.parametrize(
    "busy", [answer(500, Retry_After="0"), answer(503), answer(503, Retry_After="0"), answer(429)]
)
def test_a_registry_that_will_be_better_is_not_full(
    sink: Registry, fake: FakeRegistry, busy: Behaviour
) -> None:
    fake.on("PUT", UPLOADS, busy, nth=range(1, 5))
    for _ in range(4):
        assert fails(sink).answered
    arrives(sink, fake)


def test_an_error_before_the_last_byte_is_not_counted(sink: Registry, fake: FakeRegistry) -> None:
    limited(fake, MIB)
    fake.on("PATCH", UPLOADS, answer(500), nth={1, 3})
    for _ in range(2):
        fails(sink)
    arrives(sink, fake)
