"""Files made to deceive: every one is refused, as wrong input and not as a fault of the tool."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.bundle import format as tar
from mirror.bundle.reader import Bundle
from mirror.cli.failures import exit_code
from mirror.errors import BundleFault, InputFault
from mirror.events import silent
from mirror.oci.digest import Digest
from mirror.settings import Settings
from mirror.verify import verify_all
from tests.mirror.bundle.archives import Members, archive, listing, refused, sealed, slots, unpack
from tests.mirror.bundle.small import two_images


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return two_images().write(tmp_path / "sound.tar")


# --- after a sound bundle, and between its members --------------------------------------------


@pytest.mark.parametrize("extra", [b"\0", b"x", bytes(512), bytes(10240)])
def test_anything_after_the_end(sound: Path, extra: bytes) -> None:
    sound.write_bytes(sound.read_bytes() + extra)
    assert "end of the file" in str(refused(sound))


def test_a_second_archive_behind_the_first(sound: Path) -> None:
    sound.write_bytes(sound.read_bytes() * 2)
    refused(sound)


def test_a_second_archive_instead_of_the_end(sound: Path) -> None:
    whole = sound.read_bytes()
    sound.write_bytes(whole[:-1024] + whole)
    refused(sound)


def test_pieces_cut_out_put_in_and_copied_about_at_random(sound: Path) -> None:
    whole, dice = sound.read_bytes(), random.Random(5)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            # Half of the places are on block boundaries, where a tar's structure lies.
            unit = dice.choice((1, 512))
            start, end = sorted(dice.randrange(len(whole) // unit) * unit for _ in range(2))
            source = dice.randrange(len(whole) // unit) * unit
            new = dice.choice(
                (b"", dice.randbytes(end - start), whole[source : source + end - start])
            )
            content[start:end] = new
        if content != whole:
            sound.write_bytes(content)
            damages = verify_all([sound], Settings(concurrency=1), silent).damages
            assert {exit_code(damage.fault()) for _file, damage in damages} in ({3}, {6}, {3, 6})


def swap(members: Members) -> Members:
    return [*members[:-2], members[-1], members[-2]]


def swap_contents(members: Members) -> Members:
    (name, content), (other, others) = members[-2:]
    return [*members[:-2], (name, others), (other, content)]


def repeat(members: Members) -> Members:
    return [*members, members[-1]]


def leave_out(members: Members) -> Members:
    return members[:-1]


def shuffle(members: Members) -> Members:
    rest = members[1:]
    random.Random(1).shuffle(rest)
    return [members[0], *rest]


def head_not_first(members: Members) -> Members:
    return [*members[1:], members[0]]


def foreign(members: Members) -> Members:
    return [*members, ("readme.txt", b"hello")]


def foreign_blob(members: Members) -> Members:
    return [*members, (tar.blob_name(Digest.of(b"hello")), b"hello")]


def renamed_blob(members: Members) -> Members:
    return [*members[:-1], (tar.blob_name(Digest.of(b"other")), members[-1][1])]


def up_and_out(members: Members) -> Members:
    return [*members, ("../../etc/cron.d/x", b"* * * * * root true\n")]


CHANGES = (
    *(swap, swap_contents, repeat, leave_out, shuffle, head_not_first),
    *(foreign, foreign_blob, renamed_blob, up_and_out),
)


@pytest.mark.parametrize("change", CHANGES)
def test_members_that_are_not_those_listed(
    sound: Path, change: Callable[[Members], Members]
) -> None:
    sound.write_bytes(archive(change(unpack(sound))))
    refused(sound)


@pytest.mark.parametrize("change", CHANGES)
def test_members_that_bundle_json_lists_and_no_bundle_has(
    sound: Path, change: Callable[[Members], Members]
) -> None:
    """The attacker writes the list anew too; what images need does not move."""
    members = change(unpack(sound))
    if members[0][0] == "bundle.json":
        members[0] = ("bundle.json", listing(members))
    sound.write_bytes(archive(members))
    refused(sound)


KINDS = b"123456789KLNSVgx\0AM"


@pytest.mark.parametrize("kind", [KINDS[n : n + 1] for n in range(len(KINDS))])
def test_members_that_are_no_plain_files(sound: Path, kind: bytes) -> None:
    whole = bytearray(sound.read_bytes())
    start = next(s.start for s in slots(sound) if s.name.startswith("blobs/"))
    whole[start : start + 512] = sealed(bytes(whole[start : start + 156]), kind + bytes(355))
    sound.write_bytes(whole)
    assert isinstance(refused(sound), BundleFault)


@pytest.mark.parametrize(
    "field",
    [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"-0000000001\0", b"77777777777\0", b"1\0" + b" " * 10],
)
def test_sizes_that_no_member_has(sound: Path, field: bytes) -> None:
    whole = bytearray(sound.read_bytes())
    for slot in slots(sound)[:3]:
        old = bytes(whole[slot.start : slot.start + 512])
        forged = sealed(old[:124] + field + old[136:156], old[156:])
        sound.write_bytes(whole[: slot.start] + forged + whole[slot.start + 512 :])
        assert isinstance(refused(sound), BundleFault)


# --- what is no bundle at all -----------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"\0", bytes(512), bytes(10240), b"\x1f\x8b" + bytes(600), b"PK\3\4" * 500]
)
def test_a_file_that_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    assert isinstance(refused(path), BundleFault)


def test_a_tar_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as other:
        other.addfile(tarfile.TarInfo("bundle.json"), io.BytesIO())
    assert isinstance(refused(path), BundleFault)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_folder_or_a_pipe_is_no_bundle(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x.tar")
    with pytest.raises(InputFault, match="a bundle is a file"):
        Bundle(tmp_path / "x.tar")


def test_a_file_that_is_none_does_not_hide_the_faults_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "flipped.tar").write_bytes(bytes(1024))
    files = [tmp_path / "flipped.tar", tmp_path / "absent.tar"]
    found = verify_all(files, Settings(), silent).damages
    assert [(Path(file).name, damage.kind) for file, damage in found] == [
        ("flipped.tar", "inventory"),
        ("absent.tar", "missing"),
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match="no such bundle"):
        Bundle(tmp_path / "x.tar")


def test_faults_of_several_bundles_are_all_told_with_their_file(sound: Path) -> None:
    other = sound.with_name("other.tar")
    other.write_bytes(sound.read_bytes()[:-1])
    empty = sound.with_name("empty.tar")
    empty.write_bytes(b"")
    result = verify_all([empty, sound, other], Settings(), silent)
    assert [file for file, _damage in result.damages] == [str(empty), str(other)]
