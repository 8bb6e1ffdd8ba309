"""Writing a bundle: what is in the way, what a killed run leaves, what a second run believes."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from mirror.bundle import writer as writing
from mirror.bundle.documents import Documents
from mirror.bundle.reader import Bundle
from mirror.bundle.writer import BundleWriter, file_size, refuse_existing
from mirror.errors import IntegrityFault, MachineFault
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Move
from mirror.transfer.crew import Stopped
from mirror.transfer.passage import Passage
from scripts.world.images import make_image
from tests.fakes.content import Given
from tests.mirror.bundle.small import Small, layer, pair, small, two_images


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


def partial(output: Path) -> Path:
    return output.with_name("x.tar.partial")


def journal(output: Path) -> Path:
    return output.with_name("x.tar.journal")


def writer(output: Path, made: Small, *, force: bool = False) -> BundleWriter:
    return BundleWriter(output, made.contents, mtime=0, force=force)


def start(output: Path, made: Small, count: int) -> list[Descriptor]:
    """Leave a run behind that finished so many blobs; returns those."""
    with closing(writer(output, made)) as unfinished:
        for blob in made.fetched[:count]:
            unfinished.write(blob, "", Given(made.bytes_of[blob.digest]))
    return made.fetched[:count]


def held(output: Path, made: Small) -> list[Descriptor]:
    """What the next run would not fetch again."""
    with closing(writer(output, made)) as again:
        return [blob for blob in made.fetched if again.holds(blob)]


# --- in the way -------------------------------------------------------------------------------


def test_an_existing_file_is_refused_and_kept(output: Path) -> None:
    output.write_bytes(b"somebody's work")
    with pytest.raises(MachineFault, match="exists already"):
        writer(output, two_images())
    assert output.read_bytes() == b"somebody's work"
    assert [path.name for path in output.parent.iterdir()] == ["x.tar"]


def test_force_replaces_it_only_when_the_new_one_is_whole(output: Path) -> None:
    made = two_images()
    output.write_bytes(b"somebody's work")
    with closing(writer(output, made, force=True)) as forced:
        for blob in made.fetched:
            forced.write(blob, "", Given(made.bytes_of[blob.digest]))
        assert output.read_bytes() == b"somebody's work"
        forced.finish()
    with Bundle(output) as bundle:
        assert bundle.check()[1] == []
    assert [path.name for path in output.parent.iterdir()] == ["x.tar"]


@pytest.mark.parametrize("how", ["file", "link"])
def test_a_file_that_came_meanwhile_is_kept_and_so_is_the_work(output: Path, how: str) -> None:
    made = two_images()
    with closing(writer(output, made)) as late:
        for blob in made.fetched:
            late.write(blob, "", Given(made.bytes_of[blob.digest]))
        if how == "file":
            output.write_bytes(b"somebody's work")
        else:
            output.symlink_to("nowhere")
        with pytest.raises(MachineFault, match="exists already"):
            late.finish()
    assert output.is_symlink() or output.read_bytes() == b"somebody's work"
    assert output.is_symlink() == (how == "link")
    output.unlink()
    assert held(output, made) == made.fetched


def test_a_link_is_not_followed(output: Path) -> None:
    elsewhere = output.with_name("elsewhere")
    output.symlink_to(elsewhere)
    with pytest.raises(MachineFault, match="exists already"):
        refuse_existing(output)
    with pytest.raises(MachineFault, match="no file"):
        writer(output, two_images(), force=True)
    output.unlink()
    partial(output).symlink_to(elsewhere)
    with pytest.raises(MachineFault, match="cannot write"):
        writer(output, two_images(), force=True)
    partial(output).unlink()
    journal(output).symlink_to(elsewhere)
    with pytest.raises(MachineFault, match="cannot read"):
        writer(output, two_images(), force=True)
    assert not elsewhere.exists()


@pytest.mark.parametrize("name", ["folder", ".", "folder/.."])
def test_a_folder_is_refused_at_once_even_with_force(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(MachineFault, match="folder"):
        writer(tmp_path / name, two_images(), force=True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineFault, match="no folder"):
        writer(tmp_path / "nowhere" / "x.tar", two_images())


def test_a_second_run_on_the_same_file_is_refused_and_disturbs_nothing(output: Path) -> None:
    made = two_images()
    with closing(writer(output, made)) as first:
        for blob in made.fetched:
            first.write(blob, "", Given(made.bytes_of[blob.digest]))
        with pytest.raises(MachineFault, match="another run"):
            writer(output, made)
        first.finish()
    with Bundle(output) as bundle:
        assert bundle.check()[1] == []


_HOLD = """\
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_one_is_gone(output: Path) -> None:
    made = two_images()
    start(output, made, 1)
    command = [sys.executable, "-c", _HOLD, str(partial(output))]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(MachineFault, match="another run"):
            writer(output, made)
        other.kill()
    assert held(output, made) == made.fetched[:1]


def test_a_closed_writer_writes_nowhere(output: Path) -> None:
    """A worker left behind by an interrupt must not write into a file opened after it."""
    made = two_images()
    stale = writer(output, made)
    stale.close()
    victim = os.open(output.with_name("victim"), os.O_RDWR | os.O_CREAT)
    try:
        with pytest.raises(MachineFault):
            stale.write(made.fetched[0], "", Given(b"late"))
        assert os.fstat(victim).st_size == 0
    finally:
        os.close(victim)


# --- no room ----------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """64 KiB of room."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    # Lazily: a test that fails keeps its file open until its traceback is gone.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def large() -> Small:
    return small({"large:v1": make_image([layer(bytes(100_000))])})


def test_a_full_disk_is_found_before_the_first_blob(tiny_disk: Path) -> None:
    with pytest.raises(MachineFault, match="no room") as caught:
        writer(tiny_disk / "x.tar", large())
    assert "64.0 KiB are free" in caught.value.fact
    assert list(tiny_disk.iterdir()) == []


def test_a_disk_that_is_large_enough_is_used(tiny_disk: Path) -> None:
    made = two_images()
    assert file_size(made.contents) < 65536
    with Bundle(made.write(tiny_disk / "x.tar")) as bundle:
        assert bundle.check()[1] == []


_LIMITED = """\
import sys
from pathlib import Path
from mirror.errors import MachineFault
from tests.mirror.bundle.test_writer import large, writer
try:
    writer(Path(sys.argv[1]), large())
except MachineFault as fault:
    print(fault.what)
"""


def test_a_limit_on_file_sizes_is_found_before_the_first_blob(output: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(output)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
    )
    assert done.stdout == "no room for the bundle\n"
    assert list(output.parent.iterdir()) == []


def test_the_whole_file_is_reserved_at_once(output: Path) -> None:
    made = large()
    with closing(writer(output, made)) as reserving:
        assert partial(output).stat().st_size == reserving.size == file_size(made.contents)
        assert partial(output).stat().st_blocks * 512 >= reserving.size


# --- going on ---------------------------------------------------------------------------------


def test_what_was_finished_is_held_and_nothing_else(output: Path) -> None:
    made = two_images()
    assert held(output, made) == []
    assert start(output, made, 2) == held(output, made)
    assert not output.exists()


def test_going_on_gives_the_same_bytes(output: Path) -> None:
    made = two_images()
    undisturbed = made.write(output.with_name("other.tar")).read_bytes()
    start(output, made, 2)
    with closing(writer(output, made)) as again:
        for blob in made.fetched[2:]:
            again.write(blob, "", Given(made.bytes_of[blob.digest]))
        again.finish()
    assert output.read_bytes() == undisturbed
    assert not journal(output).exists()


def test_a_torn_last_line_counts_for_nothing_and_spoils_no_other(output: Path) -> None:
    made = two_images()
    first, second = start(output, made, 2)
    whole = journal(output).read_bytes()
    for length in range(len(whole) - 1, whole.rfind(b"\n", 0, -1), -1):
        journal(output).write_bytes(whole[:length])
        assert held(output, made) == [first]
    # What is written after a torn line is a line of its own.
    journal(output).write_bytes(whole[:-5])
    with closing(writer(output, made)) as again:
        again.write(second, "", Given(made.bytes_of[second.digest]))
    assert held(output, made) == [first, second]


def test_a_line_with_a_wrong_check_counts_for_nothing(output: Path) -> None:
    made = two_images()
    first, _second = start(output, made, 2)
    lines = journal(output).read_bytes().splitlines(keepends=True)
    wrong = lines[-1][:-2] + (b"0" if lines[-1][-2:-1] != b"0" else b"1") + b"\n"
    journal(output).write_bytes(b"".join([*lines[:-1], wrong]))
    assert held(output, made) == [first]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n\n", b"a journal of something else\n"])
def test_a_foreign_journal_counts_for_nothing(output: Path, content: bytes) -> None:
    made = two_images()
    start(output, made, 2)
    journal(output).write_bytes(content)
    assert held(output, made) == []


def test_a_journal_line_for_bytes_that_were_lost_is_not_believed(output: Path) -> None:
    """A power cut may keep the journal's line and lose the blob's bytes."""
    made = two_images()
    first, second = start(output, made, 2)
    content = partial(output).read_bytes()
    at = content.index(made.bytes_of[first.digest])
    with partial(output).open("r+b") as file:
        file.seek(at)
        file.write(bytes(first.size))
    assert held(output, made) == [second]


@pytest.mark.parametrize(
    "change", ["other images", "other time", "longer", "shorter", "no journal"]
)
def test_what_belongs_to_other_work_is_emptied(output: Path, change: str) -> None:
    made = two_images()
    start(output, made, len(made.fetched))
    size = partial(output).stat().st_size
    mtime = 0
    if change == "other images":
        made = small(
            {"lamp:v2": pair()["lamp:v1"], "crane/agent:v2_example.1": pair().popitem()[1]}
        )
    elif change == "other time":
        mtime = 1
    elif change == "no journal":
        journal(output).unlink()
    else:
        os.truncate(partial(output), size + (512 if change == "longer" else -512))
    with closing(BundleWriter(output, made.contents, mtime=mtime)) as again:
        assert not any(again.holds(blob) for blob in made.fetched)
        content = partial(output).read_bytes()
        assert all(made.bytes_of[blob.digest] not in content for blob in made.fetched)


def test_a_blob_that_failed_half_way_is_not_in_the_journal(output: Path) -> None:
    made = two_images()
    blob = made.fetched[0]
    wrong = bytes([made.bytes_of[blob.digest][0] ^ 1]) + made.bytes_of[blob.digest][1:]
    with closing(writer(output, made)) as failing:
        move = Move(blob, "", ("",))
        read = lambda start: nullcontext(iter([wrong[start:9], wrong[9:]]))  # noqa: E731
        content = Passage(move, "the source", read, lambda _position: None)
        with pytest.raises(IntegrityFault):
            failing.write(blob, "", content)
    assert held(output, made) == []


# --- going on in the middle of a blob ---------------------------------------------------------


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Small:
    """A blob of 100,000 bytes, of which every 10,000 are marked."""
    monkeypatch.setattr(writing, "MARK_EVERY", 10_000)
    return small({"large:v1": make_image([layer(random.Random(1).randbytes(100_000))])})


def biggest(made: Small) -> tuple[Descriptor, bytes]:
    blob = max(made.fetched, key=lambda each: each.size)
    return blob, made.bytes_of[blob.digest]


class Cut(Exception):
    """A connection that ended."""


def broken_off(data: bytes, after: int, end: Exception | None = None) -> Iterator[bytes]:
    for at in range(0, after, 700):
        yield data[at : min(at + 700, after)]
    raise end or Cut


def leave(output: Path, made: Small, after: int) -> None:
    """A run that is killed when so many bytes of the large blob have come."""
    blob, data = biggest(made)
    with closing(writer(output, made)) as unfinished, pytest.raises(Cut):
        unfinished.write(blob, "", Given(broken_off(data, after)))


def go_on(output: Path, made: Small) -> Given:
    """The next run, to its end; what it asked for of the large blob."""
    large_blob, data = biggest(made)
    content = Given(data)
    with closing(writer(output, made)) as again:
        for blob in made.fetched:
            given = content if blob == large_blob else Given(made.bytes_of[blob.digest])
            again.write(blob, "", given)
        again.finish()
    with Bundle(output) as bundle:
        assert bundle.check()[1] == []
    return content


def forge(output: Path, made: Small, said: str) -> None:
    """Add a line with a right check to the journal; {} is the large blob."""
    line = said.format(biggest(made)[0].digest.hex).encode()
    with journal(output).open("ab") as file:
        file.write(b"%s %08x\n" % (line, zlib.crc32(line)))


@pytest.mark.parametrize("after", [9_999, 10_000, 55_000, 99_999])
def test_the_next_run_goes_on_at_the_last_mark(output: Path, marked: Small, after: int) -> None:
    leave(output, marked, after)
    content = go_on(output, marked)
    (start,) = content.opened
    # A mark is made where a piece ends.
    assert start <= after
    assert after - start < 10_000 + 700
    assert content.recalled == biggest(marked)[1][:start]
    assert bool(start) == (after >= 10_000)


def test_a_run_that_was_stopped_in_order_loses_no_byte(output: Path, marked: Small) -> None:
    blob, data = biggest(marked)
    with closing(writer(output, marked)) as ending, pytest.raises(Stopped):
        ending.write(blob, "", Given(broken_off(data, 12_345, Stopped())))
    content = go_on(output, marked)
    assert (content.opened, content.recalled) == ([12_345], data[:12_345])


def test_the_same_run_goes_on_at_the_last_byte(output: Path, marked: Small) -> None:
    blob, data = biggest(marked)
    with closing(writer(output, marked)) as going:
        with pytest.raises(Cut):
            going.write(blob, "", Given(broken_off(data, 12_345)))
        content = Given(data)
        going.write(blob, "", content)
    assert (content.opened, content.recalled) == ([12_345], b"")
    assert held(output, marked) == [blob]


def test_wrong_bytes_before_a_mark_are_found_out_and_fetched_from_zero(
    output: Path, marked: Small
) -> None:
    """A power cut may keep the journal's line and lose the bytes."""
    leave(output, marked, 60_000)
    blob, data = biggest(marked)
    with partial(output).open("r+b") as file:
        file.seek(partial(output).read_bytes().index(data[:700]) + 5_000)
        file.write(bytes(700))
    starts: list[int] = []

    def read(start: int) -> nullcontext[Iterator[bytes]]:
        starts.append(start)
        return nullcontext(iter([data[start:]]))

    content = Passage(Move(blob, "", ("",)), "the source", read, lambda _position: None)
    with closing(writer(output, marked)) as again:
        with pytest.raises(IntegrityFault):
            again.write(blob, "", content)
        again.write(blob, "", content)
    assert starts[0] > 0
    assert starts[1] == 0
    assert held(output, marked) == [blob]


def test_after_wrong_bytes_no_run_goes_on_from_them(output: Path, marked: Small) -> None:
    leave(output, marked, 60_000)
    blob, data = biggest(marked)
    wrong = Move(blob, "", ("",))
    read = lambda start: nullcontext(iter([bytes(len(data) - start)]))  # noqa: E731
    content = Passage(wrong, "the source", read, lambda _position: None)
    with closing(writer(output, marked)) as again, pytest.raises(IntegrityFault):
        again.write(blob, "", content)
    assert go_on(output, marked).opened == [0]


def test_a_torn_mark_counts_for_nothing_and_the_one_before_it_does(
    output: Path, marked: Small
) -> None:
    leave(output, marked, 60_000)
    whole = journal(output).read_bytes()
    journal(output).write_bytes(whole[:-3])
    (start,) = go_on(output, marked).opened
    assert 40_000 <= start < 60_000


@pytest.mark.parametrize(
    "said",
    [
        "{} -5",
        "{} -99999999",
        "{} 0",
        "{} +5",
        "{} 5_0",
        "{} 007",
        "{} 5 5",
        "{}  5",
        "{} ",
        "5",
        "",
        "{} 1e3",
        "{} ²",
        "{} " + "9" * 5000,
        "{0}{0} 5",
        "../{} 5",
    ],
)
def test_a_mark_that_cannot_be_counts_for_nothing(output: Path, marked: Small, said: str) -> None:
    leave(output, marked, 9_000)
    forge(output, marked, "{} 5000")
    forge(output, marked, said)
    (start,) = go_on(output, marked).opened
    assert start in (0, 5000)


@pytest.mark.parametrize("size", [100_000, 100_001, 10**15])
def test_a_mark_at_the_end_or_beyond_it_is_looked_at_and_no_further(
    output: Path, marked: Small, size: int
) -> None:
    leave(output, marked, 9_000)
    forge(output, marked, f"{{}} {size}")
    blob, data = biggest(marked)
    read = lambda start: nullcontext(iter([data[start:]]))  # noqa: E731
    content = Passage(Move(blob, "", ("",)), "the source", read, lambda _position: None)
    with closing(writer(output, marked)) as again:
        with pytest.raises(IntegrityFault):
            again.write(blob, "", content)
        again.write(blob, "", content)
    go_on(output, marked)


def test_a_mark_of_a_blob_that_is_not_in_the_bundle_is_nothing(output: Path, marked: Small) -> None:
    leave(output, marked, 9_000)
    forge(output, marked, Digest.of(b"unknown").hex + " 5000")
    assert go_on(output, marked).opened == [0]


def test_the_journal_and_the_lock_go_with_the_last_step(output: Path) -> None:
    made = two_images()
    made.write(output)
    assert [path.name for path in output.parent.iterdir()] == ["x.tar"]
    with output.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_unknown_blobs_are_not_held(output: Path) -> None:
    with closing(writer(output, two_images())) as fresh:
        assert not fresh.holds(Descriptor("", Digest.of(b"unknown"), 7))


def test_padding_that_was_changed_between_two_runs_is_zero_again(output: Path) -> None:
    made = two_images()
    undisturbed = made.write(output.with_name("other.tar")).read_bytes()
    start(output, made, 2)
    spoilt = bytearray(partial(output).read_bytes())
    for at in (len(spoilt) - 1, len(spoilt) - 700, 512 + Documents(made.contents).inventory.size):
        spoilt[at] = 0x55
    partial(output).write_bytes(spoilt)
    with closing(writer(output, made)) as again:
        for blob in made.fetched[2:]:
            again.write(blob, "", Given(made.bytes_of[blob.digest]))
        again.finish()
    assert output.read_bytes() == undisturbed
