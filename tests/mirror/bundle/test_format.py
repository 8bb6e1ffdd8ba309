"""A bundle's tar as other programs read it."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from mirror.bundle import format as tar
from mirror.bundle.documents import Documents
from mirror.bundle.reader import Bundle
from mirror.bundle.slots import Key, lay_out
from mirror.bundle.writer import source_date
from mirror.errors import UsageFault
from mirror.oci.digest import Digest
from scripts.world.images import OCI, Blob, Layer, make_image
from tests.mirror.bundle.small import layer, small, spans, two_images

GIB = 1 << 30
NAME = tar.blob_name(Digest("ab" * 32))
SIZES = (0, 1, 511, 512, 513, 8 * GIB - 1, 8 * GIB, 8 * GIB + 1, 2**53)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mtime", [0, 1_700_000_000, 8**11 - 1])
def test_a_header_is_what_tarfile_would_write_and_read(size: int, mtime: int) -> None:
    block = tar.header(NAME, size, mtime)
    read = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    assert (read.name, read.size, read.mtime, read.type) == (NAME, size, mtime, tarfile.REGTYPE)
    assert (read.mode, read.uid, read.gid, read.uname, read.gname) == (0o644, 0, 0, "", "")
    if size < 8 * GIB:
        info = tarfile.TarInfo(NAME)
        info.size, info.mtime = size, mtime
        # tarfile fills the two device numbers of a plain file with zero digits.
        theirs = info.tobuf(tarfile.USTAR_FORMAT)
        assert (block[:148], block[156:329]) == (theirs[:148], theirs[156:329])


@pytest.mark.parametrize("size", SIZES)
def test_gnu_tar_reads_every_size(size: int, tmp_path: Path) -> None:
    path = tmp_path / "one.tar"
    with path.open("wb") as file:
        file.write(tar.header(NAME, size, 0))
        # Sparse: nothing of it takes room. 2**53 bytes are more than some file systems hold.
        if size < 16 * GIB:
            file.truncate(512 + size + tar.padding(size) + 1024)
    listed = subprocess.run(["tar", "tvf", path], capture_output=True, text=True, check=False)
    assert listed.stdout.split()[2] == str(size)


def test_the_first_header_says_its_size_and_time_and_nothing_else() -> None:
    assert tar.first_header(tar.header(tar.INVENTORY, 77, 5)) == (77, 5)
    assert tar.first_header(tar.header(tar.LAYOUT, 77, 5)) is None
    assert tar.first_header(tar.header(tar.INVENTORY, 8 * GIB, 0)) is None
    assert tar.first_header(b"") is None
    assert tar.first_header(bytes(512)) is None


def test_slots_lie_end_to_end_on_blocks() -> None:
    sizes = [0, 1, 512, 513, 9 * GIB + 7]
    slots, total = lay_out((f"m{n}", size) for n, size in enumerate(sizes))
    assert [slot.start for slot in slots] == [0, 512, 1536, 2560, 4096]
    assert all(slot.start % 512 == 0 for slot in slots)
    assert total == slots[-1].end + 1024 == 4096 + 512 + 9 * GIB + 512 + 1024


def test_two_readers_find_the_members_where_the_bundle_says(tmp_path: Path) -> None:
    path = two_images().write(tmp_path / "x.tar", mtime=86400)
    expected = [
        (span.member, span.start, span.end - span.start)
        for span in spans(path)
        if span.part == "content"
    ]
    with tarfile.open(path, "r:") as archive:
        found = [(m.name, m.offset_data, m.size) for m in archive.getmembers()]
    assert found == expected
    listed = subprocess.run(
        ["tar", "--utc", "-tvRf", path], capture_output=True, text=True, check=True
    )
    assert listed.stderr == ""
    rows = [line.split() for line in listed.stdout.splitlines()[: len(expected)]]
    # block N: -rw-r--r-- 0/0 SIZE DATE TIME NAME
    assert [(r[7], int(r[1][:-1]) * 512 + 512, int(r[4])) for r in rows] == expected
    assert {(r[2], r[3], r[5]) for r in rows} == {("-rw-r--r--", "0/0", "1970-01-02")}


def test_a_layer_above_8_gib_hides_nothing_behind_it(tmp_path: Path) -> None:
    """The file has its full length and takes no room, being sparse; the layer is never read."""
    size, digest = 9 * GIB + 1, f"sha256:{'0' * 64}"
    huge = Layer(Blob(OCI.layer, digest, size, lambda: ()), digest)
    made = small({"lamp:v1": make_image([huge, layer(b"another")])}).contents
    documents = Documents(made)
    members = [documents.inventory, *documents.members]
    slots, length = lay_out((member.key, member.size) for member in members)
    known: dict[Key, bytes] = {digest: m.raw for digest, m in made.manifests.items()}
    for name in (tar.INVENTORY, *tar.DOCUMENTS):
        known[name] = b"".join(documents.pieces(name))
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        for slot in slots:
            file.seek(slot.start)
            file.write(tar.header(slot.name, slot.size, 0) + known.get(slot.key, b""))
        file.truncate(length)
    with Bundle(path) as bundle:
        assert max(blob.size for blob in bundle.contents().blobs) == size
    names = [slot.name for slot in slots]
    assert names.index(f"blobs/sha256/{'0' * 64}") == len(names) - 2
    with tarfile.open(path, "r:") as archive:
        assert [(m.name, m.size) for m in archive] == [(s.name, s.size) for s in slots]
    listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines() == names


def test_every_member_is_listed_with_its_digest(tmp_path: Path) -> None:
    path = two_images().write(tmp_path / "x.tar")
    with Bundle(path) as bundle, tarfile.open(path, "r:") as archive:
        for listed in bundle.inventory.members:
            member = archive.extractfile(listed.name)
            assert member is not None
            content = member.read()
            assert (len(content), Digest.of(content)) == (listed.size, listed.digest)


@pytest.mark.parametrize("text", ["0", "1700000000", "8589934591"])
def test_source_date_epoch_is_every_members_time(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    path = two_images().write(tmp_path / "x.tar", mtime=source_date())
    with tarfile.open(path, "r:") as archive:
        assert {member.mtime for member in archive} == {int(text)}
    with Bundle(path) as bundle:
        assert bundle.check()[1] == []


@pytest.mark.parametrize("text", ["-1", "1.5", "0x10", "8589934592", "9999999999", "१", "1e9"])
def test_a_time_that_no_header_holds_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(UsageFault, match="number of seconds"):
        source_date()
