"""Bundles of some platforms, and with foreign layers: as strict as those that have everything."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.bundle.contents import Contents, sorted_images
from mirror.bundle.documents import Documents
from mirror.bundle.reader import Bundle
from mirror.errors import BundleFault, Fault
from mirror.events import silent
from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.settings import Settings
from mirror.verify import verify_all
from scripts.world.images import Image
from tests.fakes.windows import attestation, base_of, child, image, index, windows
from tests.mirror.bundle.archives import Members, archive, canonical, listing, refused, unpack
from tests.mirror.bundle.small import HOST, Small, carry, graph_of, small, two_images

PLATFORMS = ("linux/amd64", "linux/arm/v7", "linux/arm64", "windows/amd64")
Document = dict[str, Any]


def several() -> dict[str, Image]:
    """An index of four platforms and an attestation, one of two, and an image without an index."""
    images = [image(name, name.partition("/")[0]) for name in PLATFORMS]
    entries = map(child, images, PLATFORMS)
    return {
        "lamp:v1": index(*entries, attestation(images[0])),
        "pause:v1": windows("pause"),
        "plain:v1": image("plain", "windows"),
    }


def bundle_of(images: dict[str, Image], *platforms: str, foreign: Sequence[Digest] = ()) -> Small:
    """What a create with these platforms would write, with these foreign layers."""
    wanted = [Platform.parse(text) for text in platforms]
    carried = [
        carry(name, each)._replace(graph=graph_of(each, wanted).carrying(foreign))
        for name, each in images.items()
    ]
    contents = Contents(f"{HOST}/tkg", (), sorted_images(carried), platforms)
    bytes_of = {
        Digest.parse(digest): blob.read()
        for each in images.values()
        for digest, blob in each.everything().items()
    }
    return Small(contents, bytes_of)


BASE = Digest.parse(base_of("pause").digest)


def read(path: Path) -> Contents:
    with Bundle(path) as bundle:
        return bundle.contents()


def heads(contents: Contents) -> list[tuple[str, set[Digest], frozenset[Digest]]]:
    return [
        (i.reference, {m.digest for m in i.graph.manifests}, i.graph.carried)
        for i in contents.images
    ]


@settings(deadline=None, max_examples=32, suppress_health_check=list(HealthCheck))
@given(st.sets(st.sampled_from(PLATFORMS)), st.booleans())
def test_what_was_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, chosen: set[str], foreign: bool
) -> None:
    images = several()
    if chosen and not chosen & {"linux/amd64", "windows/amd64"}:
        # Nothing would be left of this one.
        del images["pause:v1"]
    made = bundle_of(images, *sorted(chosen), foreign=[BASE] if foreign else [])
    path = made.write(tmp_path_factory.mktemp("bundle") / "x.tar")
    assert verify_all([path], Settings(concurrency=1), silent).damages == ()
    found = read(path)
    assert Documents(found).inventory == Documents(made.contents).inventory
    assert found.platforms == tuple(sorted(chosen))
    assert heads(found) == heads(made.contents)
    named = json.loads(unpack(path)[0][1]).get("platforms", [])
    assert named == sorted(chosen)


@pytest.mark.parametrize("platforms", [(), ("linux/amd64",)])
@pytest.mark.parametrize("foreign", [(), (BASE,)])
def test_an_index_keeps_its_bytes_and_the_layout_names_it(
    tmp_path: Path, platforms: tuple[str, ...], foreign: tuple[Digest, ...]
) -> None:
    images = several()
    held = dict(unpack(bundle_of(images, *platforms, foreign=foreign).write(tmp_path / "x.tar")))
    for entry in json.loads(held["index.json"])["manifests"]:
        name = entry["annotations"]["io.containerd.image.name"].rpartition("/")[2]
        assert entry["digest"] == images[name].manifest.digest
        assert held[f"blobs/sha256/{entry['digest'][7:]}"] == images[name].manifest.read()
    assert (f"blobs/sha256/{BASE.hex}" in held) is (bool(foreign) and not platforms)


def test_a_bundle_of_all_platforms_says_nothing_of_platforms(tmp_path: Path) -> None:
    document = json.loads(unpack(two_images().write(tmp_path / "x.tar"))[0][1])
    assert "platforms" not in document


# --- foreign layers ---------------------------------------------------------------------------


def test_a_foreign_layer_that_one_image_brings_is_carried_by_all_that_name_it(
    tmp_path: Path,
) -> None:
    """Its source may have it in the repository of one image, and not in that of the other."""
    base = base_of("shared")
    two = {"a:v1": image("a", "windows", base), "b:v1": image("b", "windows", base)}
    digest = Digest.parse(base.digest)
    made = bundle_of(two)
    one, other = made.contents.images
    mixed = replace(made.contents, images=(one._replace(graph=one.graph.carrying([digest])), other))
    path = Small(mixed, made.bytes_of).write(tmp_path / "x.tar")
    assert [i.graph.carried for i in read(path).images] == [{digest}, {digest}]


def test_a_layer_that_is_foreign_here_and_ordinary_there_is_carried_by_both(
    tmp_path: Path,
) -> None:
    base = base_of("shared")
    plain = replace(base, media_type="application/vnd.docker.image.rootfs.diff.tar.gzip")
    images = {"a:v1": image("a", "windows", base), "b:v1": image("b", "linux", plain, urls=False)}
    path = bundle_of(images).write(tmp_path / "x.tar")
    digest = Digest.parse(base.digest)
    assert [digest in {b.digest for b in i.graph.blobs} for i in read(path).images] == [True, True]


def test_two_sizes_of_a_foreign_layer_are_damage_where_it_is_carried(tmp_path: Path) -> None:
    base = base_of("shared")
    images = {
        "a:v1": image("a", "windows", base),
        "b:v1": image("b", "windows", replace(base, size=base.size + 1)),
    }
    assert read(bundle_of(images).write(tmp_path / "left.tar"))
    path = bundle_of(images, foreign=[Digest.parse(base.digest)]).write(tmp_path / "x.tar")
    assert "size" in {d.kind for _f, d in verify_all([path], Settings(), silent).damages}
    refused(path)


def test_a_foreign_layer_that_no_image_names_is_still_none_of_the_bundles(tmp_path: Path) -> None:
    path = bundle_of(several(), foreign=[BASE]).write(tmp_path / "x.tar")
    stray = base_of("of no image")
    members = [*unpack(path), (f"blobs/sha256/{stray.digest[7:]}", stray.read())]
    path.write_bytes(archive([(members[0][0], listing(members)), *members[1:]]))
    assert "none needs" in refused(path).fact


def test_wrong_bytes_in_a_foreign_layer_are_found(tmp_path: Path) -> None:
    path = bundle_of(several(), foreign=[BASE]).write(tmp_path / "x.tar")
    content = bytearray(path.read_bytes())
    content[content.index(b"the base layer")] ^= 1
    path.write_bytes(content)
    ((_file, damage),) = verify_all([path], Settings(), silent).damages
    assert (damage.kind, damage.digest) == ("content", BASE)


# --- lies about platforms ---------------------------------------------------------------------


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A bundle for two of the four platforms."""
    return bundle_of(several(), "linux/amd64", "windows/amd64").write(tmp_path / "sparse.tar")


def relisted(path: Path, members: Members) -> Fault:
    path.write_bytes(archive([(members[0][0], listing(members)), *members[1:]]))
    return refused(path)


def blob_of(made: Image) -> tuple[str, bytes]:
    return f"blobs/sha256/{made.manifest.digest[7:]}", made.manifest.read()


def test_a_child_that_matches_and_is_not_there(sparse: Path) -> None:
    name, _content = blob_of(several()["lamp:v1"].children[0])
    fault = relisted(sparse, [each for each in unpack(sparse) if each[0] != name])
    assert isinstance(fault, BundleFault)
    assert fault.member == name


def test_a_child_that_does_not_match_and_is_there(sparse: Path) -> None:
    name, content = blob_of(several()["lamp:v1"].children[1])
    fault = relisted(sparse, [*unpack(sparse), (name, content)])
    assert isinstance(fault, BundleFault)
    assert (fault.member, fault.got) == (name, "a blob none needs")


def names(value: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        document["platforms"] = value

    return change


def no_names(document: Document) -> None:
    del document["platforms"]


LIES = {
    "other platforms": names(["linux/arm64", "linux/s390x"]),
    "one less": names(["linux/amd64"]),
    "one more": names(["linux/amd64", "linux/arm64", "windows/amd64"]),
    "one more that no index has": names(["linux/amd64", "linux/s390x", "windows/amd64"]),
    "another order": names(["windows/amd64", "linux/amd64"]),
    "one twice": names(["linux/amd64", "linux/amd64", "windows/amd64"]),
    "with a variant": names(["linux/amd64/v1", "windows/amd64"]),
    "none at all": names([]),
    "null": names(None),
    "a text": names("linux/amd64"),
    "objects": names([{"os": "linux", "architecture": "amd64"}]),
    "upper case": names(["Linux/amd64", "windows/amd64"]),
    "thousands": names([f"linux/a{n:05}" for n in range(20_000)]),
    "not named": no_names,
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_platforms_that_are_not_those_of_the_bundle(
    sparse: Path, lie: Callable[[Document], None]
) -> None:
    members = unpack(sparse)
    document = json.loads(members[0][1])
    lie(document)
    sparse.write_bytes(archive([(members[0][0], canonical(document)), *members[1:]]))
    assert isinstance(refused(sparse), Fault)


@pytest.mark.parametrize("value", [[], ["linux/amd64"], None])
def test_platforms_put_into_a_bundle_that_has_all(tmp_path: Path, value: object) -> None:
    path = two_images().write(tmp_path / "x.tar")
    members = unpack(path)
    document = {**json.loads(members[0][1]), "platforms": value}
    path.write_bytes(archive([(members[0][0], canonical(document)), *members[1:]]))
    refused(path)


def test_a_bundle_whose_index_would_be_empty(tmp_path: Path) -> None:
    path = small({"lamp:v1": several()["lamp:v1"]}).write(tmp_path / "x.tar")
    members = unpack(path)
    document = {**json.loads(members[0][1]), "platforms": ["plan9/386"]}
    path.write_bytes(archive([(members[0][0], canonical(document)), *members[1:]]))
    assert "no image for plan9/386" in refused(path).fact


# --- every bit, every length ------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """As small as may be: an index of which half is left out, and a foreign layer."""
    made = bundle_of({"pause:v1": windows("pause")}, "windows/amd64", foreign=[BASE])
    return made.write(tmp_path / "whole.tar")


def test_no_flipped_bit_is_accepted(whole: Path) -> None:
    content, dice = whole.read_bytes(), random.Random(8)
    for at in range(0, len(content), 41):
        changed = bytearray(content)
        changed[at] ^= 1 << dice.randrange(8)
        whole.write_bytes(changed)
        assert verify_all([whole], Settings(concurrency=1), silent).damages, at


def test_no_flipped_bit_of_bundle_json_is_accepted(whole: Path) -> None:
    content, dice = whole.read_bytes(), random.Random(9)
    for at in range(512, 512 + len(unpack(whole)[0][1]), 4):
        changed = bytearray(content)
        changed[at] ^= 1 << dice.randrange(8)
        whole.write_bytes(changed)
        with pytest.raises(Fault):
            read(whole)


def test_no_length_but_the_whole_is_accepted(whole: Path) -> None:
    content = whole.read_bytes()
    for length in range(0, len(content), 41):
        whole.write_bytes(content[:length])
        with pytest.raises(Fault):
            read(whole)
