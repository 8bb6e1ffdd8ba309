"""Bundles and folders made to deceive, case by case: nothing of them reaches a real registry.

Each docstring begins with the case's own words. Cases kept elsewhere:

    every truncation, every bit          bundle/test_damage
    every kind and every size of member  bundle/test_hostile
    what bundle.json may not say         bundle/test_lies
    an output that is there, or a link   test_create
                                         .test_what_stands_there_is_refused_before_anybody_is_asked
    a second run on one output           test_interrupt
                                         .test_a_second_run_on_one_output_is_told_who_was_first
"""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.world.registry import Registry
from tests.fakes.proxy import FaultProxy
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import run
from tests.flows.faulty import APP, create, push, visible
from tests.flows.faulty import bundle as bundle
from tests.mirror.bundle import test_hostile as hostile
from tests.mirror.bundle.archives import Members, archive, listing, sealed, slots, unpack

Change = Callable[[Path, bytes], bytes]


def framed(change: Callable[[Members], Members]) -> Change:
    """The members changed, and framed again as a bundle frames them."""
    return lambda path, _whole: archive(change(unpack(path)))


def listed_anew(change: Callable[[Members], Members]) -> Change:
    """The same, with an inventory that the attacker wrote anew."""

    def changed(path: Path, _whole: bytes) -> bytes:
        members = change(unpack(path))
        return archive([("bundle.json", listing(members)), *members[1:]])

    return changed


def another_index(members: Members) -> Members:
    return [(n, c.replace(b"app", b"ape") if n == "index.json" else c) for n, c in members]


def with_a_signature(members: Members) -> Members:
    """As a signed bundle of a later version has it, behind the inventory."""
    return [members[0], ("bundle.json.sig", b"signature"), *members[1:]]


def after_a_block(count: int) -> Change:
    return lambda _path, whole: whole[: len(whole) // 512 * count // 10 * 512]


def with_header(kind: bytes) -> Change:
    """One header's type changed, its checksum right."""

    def changed(path: Path, whole: bytes) -> bytes:
        at = next(s.start for s in slots(path) if s.name.startswith("blobs/"))
        block = sealed(whole[at : at + 156], kind + whole[at + 157 : at + 512])
        return whole[:at] + block + whole[at + 512 :]

    return changed


def with_pax_size(_path: Path, whole: bytes) -> bytes:
    """A member whose size a pax header overrides: readers differ about what is the next one."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as other:
        member = tarfile.TarInfo("bundle.json")
        member.pax_headers = {"size": "1"}
        other.addfile(member, io.BytesIO())
    return made.getvalue()[:1536] + whole


def one_bit_of_the_second_header(path: Path, whole: bytes) -> bytes:
    at = slots(path)[1].start
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def zeros_in_the_middle(path: Path, whole: bytes) -> bytes:
    at = slots(path)[3].start
    return whole[:at] + bytes(1024) + whole[at:]


CHANGES: dict[str, Change] = {
    "one flipped bit in the 2nd header": one_bit_of_the_second_header,
    "truncated at a member boundary": lambda path, whole: whole[: slots(path)[-1].start],
    "truncated inside data": lambda _path, whole: whole[: len(whole) // 2 + 7],
    **{f"truncated after {n} tenths": after_a_block(n) for n in (0, 1, 5, 9)},
    "zero block in the middle": zeros_in_the_middle,
    "second archive appended": lambda _path, whole: whole * 2,
    "appended garbage": lambda _path, whole: whole + b"x",
    "duplicate member name": framed(hostile.repeat),
    "pax size override": with_pax_size,
    **{f"type {kind!r}": with_header(kind) for kind in (b"1", b"2", b"x", b"g", b"L", b"S")},
    "swapped index.json": framed(another_index),
    "swapped index.json, listed anew": listed_anew(another_index),
    "extra blob": framed(hostile.foreign_blob),
    "extra blob, listed anew": listed_anew(hostile.foreign_blob),
    "blob renamed": framed(hostile.renamed_blob),
    "blob renamed, listed anew": listed_anew(hostile.renamed_blob),
    "a path out of it": framed(hostile.up_and_out),
    # No version of ours can check a signature yet, and none is taken for good unchecked.
    "signed by whoever": framed(with_a_signature),
    "signed by whoever, listed anew": listed_anew(with_a_signature),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_bundle_made_to_deceive_never_reaches_a_registry(
    registry: Registry, proxy: FaultProxy, bundle: Path, tmp_path: Path, change: Change
) -> None:
    """Bundle: every row of C3, swapped index.json, extra blob, blob renamed, appended garbage."""
    path = tmp_path / "x.tar"
    path.write_bytes(change(bundle, bundle.read_bytes()))
    ran = push(path, proxy)
    assert ran.code in (3, 6), ran.err
    assert "the bundle file" in ran.err or "carried these bytes" in ran.err
    assert proxy.records == []
    assert run("bundle", "verify", path).code in (3, 6)


@pytest.mark.parametrize("seed", range(3))
def test_wrong_bytes_of_a_layer_show_no_tag(
    registry: Registry, proxy: FaultProxy, bundle: Path, tmp_path: Path, seed: int
) -> None:
    """C3: re-hash while uploading. A layer is read only then, and nothing of it is committed."""
    path, layer = tmp_path / "x.tar", APP.blobs[1]
    whole = bytearray(bundle.read_bytes())
    slot = next(s for s in slots(bundle) if s.name.endswith(layer.digest.partition(":")[2]))
    whole[slot.start + 512 + random.Random(seed).randrange(layer.size)] ^= 0x10
    path.write_bytes(whole)
    ran = push(path, proxy, "-j", 1)
    assert ran.code == 6, ran.err
    assert layer.digest in ran.err
    assert 201 not in [r.status for r in proxy.found("PUT", f"digest={layer.digest}")]
    assert visible(registry.url) == {}


# --- where a bundle is written ------------------------------------------------------------------

BESIDE = ["x.tar.partial", "x.tar.journal"]


@pytest.mark.parametrize("name", BESIDE)
def test_a_link_beside_the_output_is_not_written_through(
    fake: FakeRegistry, tmp_path: Path, name: str
) -> None:
    """Symlinked output path: refuse; what it points at stays as it is."""
    fake.add("tkg/app", "v1", APP)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / name).symlink_to(victim)
    ran = create(fake, tmp_path / "x.tar", images={"app:v1": APP})
    assert ran.code == 9, ran.err
    assert str(tmp_path / name) in ran.err
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_no_file_beside_the_output_is_refused(
    fake: FakeRegistry, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """Output in a directory where others write: a pipe put there holds nothing up."""
    fake.add("tkg/app", "v1", APP)
    make(tmp_path / name)
    ran = create(fake, tmp_path / "x.tar", images={"app:v1": APP})
    assert ran.code == 9, ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "x.tar").exists()
