"""Layers that are looked into: every archive that has hurt somebody is refused with a reason."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci.unpack import files_in
from mirror.settings import (
    MAX_GZIP_MEMBERS,
    MAX_TAR_ENTRIES,
    MAX_TAR_EXTENSION,
    MAX_UNPACKED,
    MIB,
)
from tests.mirror.oci.documents import steady

NAME, TEXT = "tkg-bom-v1.6.0.yaml", b"release:\n  version: v1.6.0\n"
END = bytes(1024)
LIMIT = MIB


def read(layer: bytes | Iterable[bytes], wanted: str = "") -> list[tuple[str, bytes]]:
    """The files of a layer, all of them or the one that is wanted."""
    pieces = [layer] if isinstance(layer, bytes) else layer
    return list(files_in(pieces, wanted=lambda name: not wanted or name == wanted, limit=LIMIT))


def refusal(layer: bytes | Iterable[bytes], wanted: str = "") -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read(layer, wanted)
    assert type(caught.value) is ValueError
    return str(caught.value)


def entry(
    name: str = NAME, data: bytes = TEXT, kind: bytes = tarfile.REGTYPE, **fields: object
) -> bytes:
    """One member with its padding; ``size`` and others may lie."""
    header = tarfile.TarInfo(name)
    header.size, header.type = len(data), kind
    for field, value in fields.items():
        setattr(header, field, value)
    return header.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def sized(size: int, name: str = NAME) -> bytes:
    """A header with this size, in base-256 where octal digits cannot say it."""
    return entry(name, b"", size=size)


def pax(kind: bytes = tarfile.XHDTYPE, **records: str) -> bytes:
    return entry("pax", b"".join(record(k, v) for k, v in records.items()), kind)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    size = len(body)
    while len(str(size)) + len(body) != size:
        size = len(str(size)) + len(body)
    return str(size).encode() + body


LAYER = entry() + END


@pytest.mark.parametrize(
    "layer",
    [
        LAYER,
        gzip.compress(LAYER),
        gzip.compress(LAYER[:100]) + gzip.compress(b"") + gzip.compress(LAYER[100:]),
        entry("./" + NAME) + END,
        entry("/" + NAME) + END,
        entry(".//./" + NAME) + END,
        entry("./", b"", tarfile.DIRTYPE) + LAYER,
        entry(kind=tarfile.AREGTYPE) + END,
        pax(path=NAME, mtime="1.5") + entry("other") + END,
        pax(size=str(len(TEXT))) + entry(size=0) + END,
        pax(tarfile.XGLTYPE, comment="a commit") + LAYER,
        entry("L", NAME.encode() + b"\0", tarfile.GNUTYPE_LONGNAME) + entry("other") + END,
        entry("K", b"target\0", tarfile.GNUTYPE_LONGLINK) + LAYER,
        entry() + bytes(512),
        LAYER + bytes(8192),
    ],
)
def test_every_honest_spelling_of_a_layer_gives_its_file(layer: bytes) -> None:
    assert read(layer) == [(NAME, TEXT)]
    assert read(layer[at : at + 1] for at in range(len(layer))) == [(NAME, TEXT)]


@given(
    st.dictionaries(
        st.text(st.sampled_from("abc/.-_é"), min_size=1, max_size=140).filter(
            lambda name: all(part not in ("", ".", "..") for part in name.split("/"))
        ),
        st.binary(max_size=1500),
        max_size=5,
    ),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    st.booleans(),
    st.integers(1, 3000),
)
@steady
def test_what_was_packed_is_what_comes_out(
    files: dict[str, bytes], form: int, packed: bool, step: int
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    layer = gzip.compress(buffer.getvalue()) if packed else buffer.getvalue()
    pieces = (layer[at : at + step] for at in range(0, len(layer), step))
    assert read(pieces) == list(files.items())


@given(st.binary(max_size=2000))
@steady
def test_noise_is_refused_or_empty_and_never_something_else(noise: bytes) -> None:
    for layer in (noise, gzip.compress(noise), LAYER + noise, b"\x1f\x8b" + noise):
        try:
            files = read(layer)
        except ValueError:
            continue
        assert files in ([], [(NAME, TEXT)])


def test_no_flipped_bit_in_a_header_ends_anything_silently() -> None:
    whole = entry("first", b"1") + entry() + END
    # What pads the checksum is covered by no sum: a first digit of 0 that becomes a blank, the 0
    # byte behind the last one too, and whatever the blank behind that becomes.
    padding = {1188, 1237, *range(1240, 1248)}
    for bit in range(8 * 512):
        broken = bytearray(whole)
        broken[1024 + bit // 8] ^= 1 << bit % 8
        if bit in padding:
            assert read(bytes(broken)) == read(whole)
        else:
            assert "header" in refusal(bytes(broken)), bit


@given(st.integers(0, len(LAYER) - 1025))
@steady
def test_a_layer_cut_anywhere_is_not_taken_for_a_whole_one(size: int) -> None:
    assert "ends in the middle" in refusal(LAYER[:size])
    packed = gzip.compress(LAYER)
    cut = packed[: size * len(packed) // len(LAYER)]
    assert "in the middle" in refusal(cut)


@pytest.mark.parametrize("size", [-1, -512, -513, -(2**62), 2**62, MAX_UNPACKED])
@pytest.mark.parametrize("wanted", ["", "another"])
def test_a_size_that_hangs_or_loops_in_tarfile_is_refused(size: int, wanted: str) -> None:
    assert str(size) in refusal(sized(size) + TEXT + END, wanted)


@pytest.mark.parametrize("size", [-1, -512, 2**62, MAX_TAR_EXTENSION + 1])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extension_header_of_such_a_size_too(size: int, kind: bytes) -> None:
    assert str(size) in refusal(entry("x", b"", kind, size=size) + LAYER)


@pytest.mark.parametrize("size", ["-1", "1e3", "9" * 400, "", "٣"])
def test_a_pax_size_that_is_no_size(size: str) -> None:
    assert "a size of" in refusal(pax(size=size) + LAYER)


def test_a_pax_size_does_not_swallow_the_next_member() -> None:
    # tarfile takes 512 bytes more and never sees what Go's reader sees.
    layer = pax(size=str(len(TEXT) + 512)) + entry("a") + entry() + END
    with pytest.raises(ValueError, match="header"):
        read(layer)


@pytest.mark.parametrize(
    "data", [b"x", b"5 a=b", b"99 a=b\n", b"6 a=b\n\n", b"3 =\n", b"0 a=b\n", b"6 ab\n\n"]
)
def test_a_damaged_extension_header(data: bytes) -> None:
    assert "damaged extension" in refusal(entry("x", data, tarfile.XHDTYPE) + LAYER)


def test_an_extension_header_takes_no_more_memory_than_its_bytes() -> None:
    """Of 95,000 records none is wanted; all of them kept took 17 MB, in each of the workers."""
    data = b"".join(b"11 %06d=\n" % number for number in range(95_000))
    layer = entry("x", data, tarfile.XHDTYPE) + LAYER
    tracemalloc.start()
    try:
        assert read(layer) == [(NAME, TEXT)]
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_TAR_EXTENSION
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("records", [{"path": "../../etc/passwd"}, {"size": "1"}])
def test_a_global_header_renames_and_resizes_nothing(records: dict[str, str]) -> None:
    assert "global header" in refusal(pax(tarfile.XGLTYPE, **records) + LAYER)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "/../x"])
def test_a_name_that_climbs_is_refused_wherever_it_stands(name: str) -> None:
    assert "'..'" in refusal(entry(name) + LAYER, NAME)
    assert "'..'" in refusal(pax(path=name) + entry("a") + LAYER, NAME)


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        b"Z",
    ],
)
def test_a_link_or_device_under_a_wanted_name_is_refused_and_elsewhere_passed(
    kind: bytes,
) -> None:
    assert "not a file" in refusal(entry(NAME, b"", kind, linkname="/etc/passwd") + END)
    aside = entry("aside", b"", kind, linkname="/etc/passwd")
    assert read(aside + LAYER, NAME) == [(NAME, TEXT)]


def test_a_link_has_no_data_whatever_its_header_says() -> None:
    link = entry("aside", b"", tarfile.LNKTYPE, size=512, linkname=NAME)
    assert read(link + LAYER, NAME) == [(NAME, TEXT)]


def test_a_sparse_file_is_refused() -> None:
    assert "sparse" in refusal(entry("aside", b"", tarfile.GNUTYPE_SPARSE) + LAYER, NAME)
    sparse = entry("x", record("GNU.sparse.name", NAME), tarfile.XHDTYPE)
    assert "sparse" in refusal(sparse + entry("aside") + LAYER, NAME)


def test_a_wanted_name_twice_is_refused_in_whatever_spelling() -> None:
    for again in (NAME, "./" + NAME, "//" + NAME):
        assert "twice" in refusal(entry() + entry(again, b"other") + END)


def test_what_follows_the_end_of_the_archive_is_not_overlooked() -> None:
    for hidden in (b"x", entry("hidden")):
        assert "follows the end" in refusal(LAYER + hidden)
        assert "follows the end" in refusal(gzip.compress(LAYER) + gzip.compress(hidden))
    assert "follows the end" in refusal(entry() + bytes(512) + entry("hidden") + END)


def test_a_file_larger_than_the_caller_allows() -> None:
    layer = entry(data=bytes(LIMIT)) + END
    assert read(layer) == [(NAME, bytes(LIMIT))]
    assert str(LIMIT) in refusal(entry(data=bytes(LIMIT + 1)) + END)


def test_a_bomb_is_given_up_before_it_is_unpacked() -> None:
    packed = gzip.compress(entry("bomb", bytes(8 * MIB)) + LAYER, 9)
    assert "times its size" in refusal(packed, NAME)
    assert "at most" in refusal(gzip.compress(sized(2 * MAX_UNPACKED, "bomb")), NAME)


def test_no_more_than_the_limit_is_unpacked_in_all() -> None:
    large = entry("large", bytes(MAX_UNPACKED - 2 * MIB))
    noise = entry("noise", zlib.compress(struct.pack(">60000I", *range(60000)), 0) * 12)
    assert "at most" in refusal(large + noise + END, NAME)


def test_too_many_entries_are_given_up() -> None:
    one = entry("many", b"")
    assert str(MAX_TAR_ENTRIES) in refusal([one] * (MAX_TAR_ENTRIES + 1), NAME)
    extension = pax(comment="x")
    assert str(MAX_TAR_ENTRIES) in refusal([extension] * (MAX_TAR_ENTRIES + 1), NAME)


def test_too_many_gzip_members_are_given_up() -> None:
    empty = gzip.compress(b"")
    assert "gzip members" in refusal([empty] * (MAX_GZIP_MEMBERS + 2))


@pytest.mark.parametrize("at", [-1, -5, 20, 40])
def test_damaged_gzip_is_refused(at: int) -> None:
    packed = bytearray(gzip.compress(LAYER))
    packed[at] ^= 0xFF
    assert "gzip" in refusal(bytes(packed))


def test_what_is_neither_tar_nor_gzip_is_named() -> None:
    assert "zstd" in refusal(b"\x28\xb5\x2f\xfd" + bytes(100))
    assert "header" in refusal(b"release: v1.6.0\n" * 40)
    assert "in the middle" in refusal(b"")


def test_a_fault_of_the_source_passes_through() -> None:
    def pieces() -> Iterable[bytes]:
        yield LAYER[:700]
        raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        read(pieces())
