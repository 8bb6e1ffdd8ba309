"""bundle.json is cut apart before it is read: what passes means what JSON says that it means."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.bundle.documents import Documents
from mirror.bundle.inventory import Head, Inventory
from mirror.bundle.reader import Bundle, read_head
from mirror.errors import BundleFault
from tests.mirror.bundle.archives import archive, canonical, unpack
from tests.mirror.bundle.small import two_images

RAW = b"".join(Documents(two_images().contents).pieces("bundle.json"))
FIRST = b'{"name":"oci-layout",'


def means_what_json_says(raw: bytes) -> bool:
    """False where it is refused; fails where it is read otherwise than JSON is."""
    try:
        found = Inventory.parse(raw)
    except ValueError:
        return False
    document = json.loads(raw)
    assert canonical(document) == raw
    assert {str(digest): size for digest, size in found.blobs.items()} == document["blobs"]
    assert [
        {"name": each.name, "sha256": each.digest.hex, "size": each.size} for each in found.members
    ] == document["members"]
    assert [each.path for each in found.images] == [i["path"] for i in document["images"]]
    head = Head.parse(raw)
    assert (head.source, head.images, head.blobs) == (found.source, found.images, len(found.blobs))
    assert head.size == sum(found.blobs.values())
    return True


def test_a_sound_one() -> None:
    assert means_what_json_says(RAW)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, len(RAW)), st.integers(0, 300), st.integers(0, len(RAW)), st.integers(0, 300))
def test_pieces_that_are_copied_over_others(at: int, gone: int, source: int, size: int) -> None:
    means_what_json_says(RAW[:at] + RAW[source : source + size] + RAW[at + gone :])


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, len(RAW) - 1), st.sampled_from(b'{}[],:"0189azAZ \n\\'))
def test_a_byte_that_is_another(at: int, byte: int) -> None:
    means_what_json_says(RAW[:at] + bytes([byte]) + RAW[at + 1 :])


def moved_into_an_image(raw: bytes) -> bytes:
    """The members stand in an image, whose own list is no such thing, and there are none."""
    document = json.loads(raw)
    document["images"][0]["members"], document["members"] = document["members"], []
    return canonical(document)


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "members in an image": moved_into_an_image,
    "no comma between documents": lambda raw: raw.replace(b'},{"name":"index', b'}{"name":"index'),
    "no comma before the blobs": lambda raw: raw.replace(
        b'},{"name":"blobs', b'}{"name":"blobs', 1
    ),
    "two commas": lambda raw: raw.replace(b'},{"name":"blobs', b'},,{"name":"blobs', 1),
    "a comma at the end": lambda raw: raw.replace(b'}],"part"', b'},],"part"'),
    "a zero before a size": lambda raw: raw.replace(b'"size":', b'"size":0'),
    "a blank": lambda raw: raw.replace(FIRST, b" " + FIRST),
    "members twice": lambda raw: raw.replace(b',"part"', b',"members":[],"part"'),
    "a comma after the blobs": lambda raw: raw.replace(b'},"boms"', b',},"boms"'),
    "something before": lambda raw: b" " + raw,
    "something after": lambda raw: raw + b"\n",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_other_spellings_are_refused_by_whoever_reads_it(
    spell: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = two_images().write(tmp_path / "x.tar")
    members = unpack(path)
    bad = spell(members[0][1])
    assert bad != members[0][1]
    path.write_bytes(archive([("bundle.json", bad), *members[1:]]))
    with pytest.raises(BundleFault):
        read_head(path)
    with pytest.raises(BundleFault), Bundle(path):
        pass


def test_what_is_shown_is_what_is_verified(tmp_path: Path) -> None:
    path = two_images().write(tmp_path / "x.tar")
    head, there = read_head(path)
    with Bundle(path) as bundle:
        assert head.images == bundle.inventory.images
        assert head.blobs == len(bundle.inventory.blobs)
        assert head.length == bundle.size == there
