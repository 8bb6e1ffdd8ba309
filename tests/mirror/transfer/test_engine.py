"""Moving blobs: each once, the largest first, checked before the last byte is let go."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

import pytest

from mirror.errors import Full, IntegrityFault, Refused, Side, Unreachable
from mirror.events import Advanced, Event, ItemEnded, ItemStarted, Waiting
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Content, Move
from mirror.settings import PROGRESS
from mirror.transfer.engine import Tally
from mirror.transfer.schedule import largest_first
from tests.mirror.transfer.memory import Shelf, Store, blob, engine

CONTENT = b"forty-two bytes of content that are a blob"


def move(content: bytes, *targets: str, held_by: tuple[str, ...] = ()) -> Move:
    return Move(blob(content), "host/app", targets or ("air/app",), held_by)


def gone(pause: float | None = 0.0) -> Unreachable:
    return Unreachable(Side.SOURCE, "host", "cut", retry_after=pause)


def total(source: Shelf, sink: Store, moves: list[Move], *, retries: int = 0) -> Tally:
    outcomes = engine(source, sink, retries=retries).run(moves)
    return sum((o.result for o in outcomes if o.result), Tally())


def test_a_blob_arrives_whole_and_is_read_once() -> None:
    source, sink = Shelf(CONTENT), Store()
    assert total(source, sink, [move(CONTENT)]) == Tally(moved=len(CONTENT))
    assert sink.kept["air/app"] == {Digest.of(CONTENT): CONTENT}
    assert source.read_from == [(Digest.of(CONTENT), "host/app")]


@pytest.mark.parametrize("workers", [1, 8])
def test_a_hundred_blobs_each_once(workers: int) -> None:
    contents = [b"%d" % n * n for n in range(1, 101)]
    source, sink = Shelf(*contents), Store()
    engine(source, sink, workers=workers).run(move(content) for content in contents)
    assert sorted(sink.kept["air/app"].values()) == sorted(contents)
    assert len(source.read_from) == len(contents)


def test_large_blobs_first_and_always_in_the_same_order() -> None:
    contents = [b"%d" % n * (n % 7 + 1) for n in range(50)]
    expected = largest_first(move(content) for content in contents)
    random.Random(1).shuffle(contents)
    assert largest_first(move(content) for content in contents) == expected
    sizes = [each.descriptor.size for each in expected]
    assert sizes == sorted(sizes, reverse=True)
    source = Shelf(*contents)
    engine(source, Store()).run(move(content) for content in contents)
    assert [digest for digest, _origin in source.read_from] == [
        each.descriptor.digest for each in expected
    ]


def test_an_empty_blob_is_a_blob() -> None:
    source, sink = Shelf(b""), Store()
    assert total(source, sink, [move(b"")]) == Tally()
    assert ("write", "air/app", Digest.of(b"")) in sink.asked


def test_what_is_there_already_is_not_read() -> None:
    source, sink = Shelf(CONTENT), Store()
    sink.kept["air/app"][Digest.of(CONTENT)] = CONTENT
    assert total(source, sink, [move(CONTENT)]) == Tally(skipped=len(CONTENT))
    assert source.read_from == []


def test_further_places_take_it_over_from_the_first() -> None:
    source, sink = Shelf(CONTENT), Store()
    tally = total(source, sink, [move(CONTENT, "air/a", "air/b", "air/c")])
    assert tally == Tally(moved=len(CONTENT), mounted=2 * len(CONTENT))
    assert all(sink.kept[place] for place in ("air/a", "air/b", "air/c"))
    assert len(source.read_from) == 1


def test_where_a_place_already_has_it_nothing_is_sent_at_all() -> None:
    source, sink = Shelf(CONTENT), Store()
    sink.kept["air/old"][Digest.of(CONTENT)] = CONTENT
    tally = total(source, sink, [move(CONTENT, "air/new", held_by=("air/old",))])
    assert tally == Tally(mounted=len(CONTENT))
    assert source.read_from == []


def test_a_registry_that_does_not_mount_gets_it_again() -> None:
    source, sink = Shelf(CONTENT), Store(mounts=False)
    tally = total(source, sink, [move(CONTENT, "air/a", "air/b", held_by=("air/old",))])
    assert tally == Tally(moved=2 * len(CONTENT))
    assert sink.kept["air/a"] == sink.kept["air/b"] != {}


# --- promised sizes and digests ---------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 4, 42, 1000])
@pytest.mark.parametrize(
    "served",
    [b"", CONTENT[:-1], CONTENT[:-1] + b"!", b"!" + CONTENT[1:], b"!" + CONTENT * 1000],
)
def test_a_receiver_never_gets_all_of_a_blob_that_is_wrong(served: bytes, pieces: int) -> None:
    source, sink = Shelf(CONTENT), Store()
    source.contents[Digest.of(CONTENT)], source.pieces = served, pieces
    with pytest.raises(IntegrityFault) as caught:
        engine(source, sink).run([move(CONTENT)])
    assert {*sink.kept["air/app"].values()} <= {CONTENT}
    assert str(Digest.of(CONTENT)) in caught.value.member
    assert caught.value.expected != caught.value.got
    assert sink.kept["air/app"] == {}


def test_wrong_bytes_of_a_registry_are_asked_for_once_more_from_the_first() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.spoilt = 1
    assert total(source, sink, [move(CONTENT)]) == Tally(moved=len(CONTENT))
    assert source.starts == [0, 0]
    source, sink = Shelf(CONTENT), Store()
    source.spoilt = 2
    with pytest.raises(IntegrityFault):
        engine(source, sink, retries=5).run([move(CONTENT)])
    assert source.starts == [0, 0]


def test_wrong_bytes_of_a_bundle_are_not_asked_for_again() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.spoilt = 1
    with pytest.raises(IntegrityFault):
        engine(source, sink).run([replace(move(CONTENT), origin="")])
    assert source.starts == [0]


def test_what_is_wrong_is_told_with_its_image_and_where_it_came_from() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.spoilt = 2
    with pytest.raises(IntegrityFault) as caught:
        engine(source, sink).run([replace(move(CONTENT), image="host/app:v1")])
    assert caught.value.member == f"blob {Digest.of(CONTENT)} of host/app:v1"
    assert caught.value.place == "host/app"


@pytest.mark.parametrize("pieces", [1, 4, 42])
@pytest.mark.parametrize("extra", [b"x", CONTENT, CONTENT * 1000])
def test_no_byte_beyond_the_promised_ones_is_passed_on(extra: bytes, pieces: int) -> None:
    source, sink = Shelf(CONTENT), Store()
    source.contents[Digest.of(CONTENT)], source.pieces = CONTENT + extra, pieces
    told: list[Event] = []
    with suppress(IntegrityFault):
        engine(source, sink, listener=told.append).run([move(CONTENT)])
    assert any("more" in event.reason for event in told if isinstance(event, Waiting))
    assert all(CONTENT.startswith(got) for got in sink.begun.values())


# --- cuts -------------------------------------------------------------------------------------


def test_a_cut_blob_goes_on_where_it_was_cut() -> None:
    source, sink = Shelf(CONTENT), Store()
    sink.resumes, source.faults[Digest.of(CONTENT)] = True, [gone(), gone()]
    assert total(source, sink, [move(CONTENT)], retries=2) == Tally(moved=len(CONTENT))
    assert source.starts == [0, 4, 8]
    assert bytes(sink.received) == CONTENT


def test_a_sink_that_cannot_go_on_gets_all_of_it_again() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.faults[Digest.of(CONTENT)] = [gone()]
    assert total(source, sink, [move(CONTENT)], retries=1) == Tally(moved=len(CONTENT))
    assert source.starts == [0, 0]


def test_a_peer_that_gives_a_byte_and_hangs_up_is_not_humoured_for_ever() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.pieces, sink.resumes = 1, True
    source.faults[Digest.of(CONTENT)] = [gone() for _ in CONTENT]
    with pytest.raises(Unreachable):
        engine(source, sink, retries=3).run([move(CONTENT)])
    assert source.starts == [0, 1, 2, 3]


def test_attempts_that_get_on_are_not_counted() -> None:
    large = bytes(PROGRESS) * 20
    source, sink = Shelf(large), Store()
    source.pieces, sink.resumes = PROGRESS, True
    source.faults[Digest.of(large)] = [gone(None) for _ in range(20)]
    engine(source, sink, retries=1).run([move(large)])
    assert sink.kept["air/app"] == {Digest.of(large): large}
    # After the last cut nothing is left to ask for.
    assert len(source.starts) == 20


def test_the_progress_shown_is_the_progress_there_is() -> None:
    told: list[Event] = []
    source, sink = Shelf(CONTENT), Store()
    source.faults[Digest.of(CONTENT)] = [gone()]
    engine(source, sink, retries=1, listener=told.append).run([move(CONTENT)])
    assert sum(event.size for event in told if isinstance(event, Advanced)) == len(CONTENT)


def test_the_last_piece_waits_for_the_digest_of_the_whole() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.contents[Digest.of(CONTENT)] = b"!" + CONTENT[1:]
    with pytest.raises(IntegrityFault):
        engine(source, sink).run([replace(move(CONTENT), origin="")])
    held_back = len(CONTENT) % source.pieces or source.pieces
    assert len(sink.received) == len(CONTENT) - held_back


def test_an_endless_blob_ends_at_its_promised_size() -> None:
    source, sink = Shelf(CONTENT), Store()
    # A terabyte of memory if it were read to its end.
    source.contents[Digest.of(CONTENT)] = Endless()  # type: ignore[assignment]
    with pytest.raises(IntegrityFault, match="more"):
        engine(source, sink).run([replace(move(CONTENT), origin="")])
    assert len(sink.received) <= len(CONTENT)


class Endless:
    """Zero bytes without an end."""

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, part: slice) -> Endless | bytes:
        return bytes(part.stop - part.start) if part.stop else self


# --- when it goes wrong -----------------------------------------------------------------------


def test_a_cut_is_tried_again_from_the_start() -> None:
    source, sink = Shelf(CONTENT), Store()
    source.faults[Digest.of(CONTENT)] = [gone(), gone()]
    engine(source, sink, retries=2).run([move(CONTENT)])
    assert sink.kept["air/app"] == {Digest.of(CONTENT): CONTENT}
    assert len(source.read_from) == 3


def test_a_cut_after_one_place_does_not_send_it_there_again() -> None:
    source, sink = Shelf(CONTENT), Store(mounts=False)
    source.faults[Digest.of(CONTENT)] = [gone()]
    engine(source, sink, retries=1).run([move(CONTENT, "air/a", "air/b")])
    assert [what for what, place, _ in sink.asked if place == "air/a"].count("write") == 2
    assert [what for what, place, _ in sink.asked if place == "air/b"].count("write") == 1


def test_one_wrong_blob_leaves_the_others_when_it_keeps_going() -> None:
    contents = [b"%d" % n * 20 for n in range(20)]
    source, sink = Shelf(*contents), Store()
    source.contents[Digest.of(contents[7])] = b"wrong"
    outcomes = engine(source, sink, workers=3, keep_going=True).run(map(move, contents))
    failed = [o.item.descriptor.digest for o in outcomes if o.fault]
    assert failed == [Digest.of(contents[7])]
    assert len(sink.kept["air/app"]) == 19


def test_a_stop_ends_a_blob_between_two_pieces() -> None:
    source, sink, shown = Shelf(CONTENT), Store(), list[int]()
    run = engine(source, sink, listener=lambda event: stop_at_first_bytes(event))

    def stop_at_first_bytes(event: Event) -> None:
        if isinstance(event, Advanced):
            shown.append(event.size)
            run.crew.stop.set()

    assert run.run([move(CONTENT)]) == []
    assert len(sink.received) == source.pieces
    assert sink.kept["air/app"] == {}
    # Nothing is taken back: it was not in vain.
    assert all(size > 0 for size in shown)


@pytest.mark.parametrize("refusing", [["air/b"], ["air/a"], ["air/a", "air/b", "air/c"]])
def test_one_place_that_refuses_is_not_the_end_of_the_others(refusing: list[str]) -> None:
    class Choosy(Store):
        def holds(self, descriptor: Descriptor, target: str) -> bool:
            if target in refusing:
                raise Refused(Side.DESTINATION, "host", target)
            return super().holds(descriptor, target)

    places, sink = ["air/a", "air/b", "air/c"], Choosy(mounts=False)
    run = engine(Shelf(CONTENT), sink, keep_going=True)
    (outcome,) = run.run([move(CONTENT, *places)])
    reached = [place for place in places if sink.kept[place]]
    assert reached == [place for place in places if place not in refusing]
    if reached:
        assert outcome.result is not None
        assert [target for target, _fault in outcome.result.missed] == refusing
    else:
        assert isinstance(outcome.fault, Refused)
    with pytest.raises(Refused):
        engine(Shelf(CONTENT), Choosy(mounts=False)).run([move(CONTENT, *places)])


def test_a_place_without_room_is_the_end_of_the_run_though_others_had_some() -> None:
    class Small(Store):
        def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
            if target == "air/b":
                raise Full(Side.DESTINATION, "host", "no space left on device")
            super().write(descriptor, target, content)

    contents, sink = [b"%d" % n * 20 for n in range(3)], Small(mounts=False)
    moves = [move(content, "air/a", "air/b", "air/c") for content in contents]
    with pytest.raises(Full):
        engine(Shelf(*contents), sink, keep_going=True).run(moves)
    assert len(sink.kept["air/a"]) == 1
    assert not sink.kept["air/c"]


def test_the_listener_can_add_up_what_moved() -> None:
    """Bytes of an attempt in vain are taken back."""
    told: list[Event] = []
    source, sink = Shelf(CONTENT), Store()
    source.faults[Digest.of(CONTENT)] = [gone()]
    engine(source, sink, retries=1, listener=told.append).run([move(CONTENT)])
    assert sum(e.size for e in told if isinstance(e, Advanced)) == len(CONTENT)
    key = str(Digest.of(CONTENT))
    assert [e.key for e in told if isinstance(e, ItemStarted)] == [key]
    assert [(e.key, e.status) for e in told if isinstance(e, ItemEnded)] == [(key, "moved")]


@pytest.mark.parametrize("status", ["mounted", "present", "failed"])
def test_the_listener_hears_how_each_blob_ended(status: str) -> None:
    told: list[Event] = []
    source, sink = Shelf(CONTENT), Store()
    held_by = ("air/old",) if status == "mounted" else ()
    if status == "failed":
        source.contents[Digest.of(CONTENT)] = b""
    else:
        sink.kept["air/old" if held_by else "air/app"][Digest.of(CONTENT)] = CONTENT
    run = engine(source, sink, keep_going=True, listener=told.append)
    run.run([move(CONTENT, held_by=held_by)])
    assert [e.status for e in told if isinstance(e, ItemEnded)] == [status]
    assert sum(e.size for e in told if isinstance(e, Advanced)) == 0
