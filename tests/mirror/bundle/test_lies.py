"""A bundle.json, or a manifest, that says what is not so: sizes, paths, kinds, contents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirror.bundle import format as tar
from mirror.bundle.reader import Bundle
from mirror.bundle.slots import lay_out
from mirror.errors import BundleFault
from mirror.oci.digest import Digest
from scripts.world.images import OCI, Blob, Image, make_image, make_index
from tests.mirror.bundle.archives import GIB, archive, canonical, listing, refused, unpack
from tests.mirror.bundle.small import layer, pair, small, two_images

Document = dict[str, Any]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return two_images().write(tmp_path / "sound.tar")


@pytest.mark.parametrize("size", [GIB, 8 * GIB - 1])
def test_a_bundle_json_of_gigabytes_is_not_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.tar"
    with path.open("wb") as file:
        file.write(tar.header(tar.INVENTORY, size, 0))
        file.truncate(512 + size)  # sparse: it takes no room
    assert "more than" in str(refused(path).fact)


def test_a_document_of_gigabytes_is_not_read(sound: Path) -> None:
    """All headers are right and the file has that length; it takes no room, being sparse."""
    members = [(name, len(content), content) for name, content in unpack(sound)[1:]]
    members[2] = ("manifest.json", 40 * GIB, members[2][2])
    document = json.loads(unpack(sound)[0][1])
    document["members"][2]["size"] = 40 * GIB
    head = canonical(document)
    members.insert(0, ("bundle.json", len(head), head))
    places, length = lay_out((name, size) for name, size, _content in members)
    with sound.open("wb") as file:
        for slot, (_name, _size, content) in zip(places, members, strict=True):
            file.seek(slot.start)
            file.write(tar.header(slot.name, slot.size, 0) + content)
        file.truncate(length)
    with Bundle(sound) as bundle:
        assert [damage.kind for damage in bundle.check()[1]] == ["inventory"]


def test_a_manifest_of_gigabytes_is_not_read(sound: Path) -> None:
    members = unpack(sound)
    document = json.loads(members[0][1])
    digest, size = document["images"][0]["digest"], 30 * GIB
    document["images"][0]["size"] = document["blobs"][digest] = size
    for member in document["members"]:
        member["size"] = size if digest.endswith(member["sha256"]) else member["size"]
    head = canonical(document)
    sizes = [(member["name"], member["size"]) for member in document["members"]]
    places, length = lay_out([("bundle.json", len(head)), *sizes])
    contents = {**dict(members), "bundle.json": head}
    with sound.open("wb") as file:
        for slot in places:
            file.seek(slot.start)
            file.write(tar.header(slot.name, slot.size, 0) + contents[slot.name])
        file.truncate(length)
    with pytest.raises(BundleFault, match="at most"), Bundle(sound) as bundle:
        bundle.contents()


def set_size(size: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        digest = "sha256:" + document["members"][-1]["sha256"]
        document["members"][-1]["size"] = document["blobs"][digest] = size

    return change


def set_every_size(document: Document) -> None:
    # Beyond 2**63 together: no offset of a file is that large.
    for member in document["members"][3:]:
        member["size"] = document["blobs"]["sha256:" + member["sha256"]] = 2**53
    for number in range(1100):
        digest = Digest.of(b"%d" % number)
        document["blobs"][str(digest)] = 2**53
        member = {"name": tar.blob_name(digest), "sha256": digest.hex, "size": 2**53}
        document["members"].append(member)


def set_field(*path: str | int, to: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


def nothing_at_all(document: Document) -> None:
    document.clear()


def drop_images(document: Document) -> None:
    document["images"] = []


LIES: dict[str, Callable[[Document], None]] = {
    "negative size": set_size(-1),
    "huge size": set_size(2**53),
    "size beyond json": set_size(2**53 + 1),
    "size beyond int64": set_size(2**70),
    "size a float": set_size(14.0),
    "size true": set_size(True),
    "size a text": set_size("14"),
    "offsets beyond any file": set_every_size,
    "empty": nothing_at_all,
    "no images": drop_images,
    "unknown key": set_field("extra", to=1),
    "other schema": set_field("schema", to="tkg-mirror/bundle/v2"),
    "second part": set_field("part", "number", to=2),
    "part true": set_field("part", to={"number": True, "of": True}),
    "base": set_field("base", to="sha256:0"),
    "source a number": set_field("source", to=1),
    "other source": set_field("source", to="evil.example.com/tkg"),
    "boms deep": set_field("boms", to=[[[[]]]]),
    "boms an object": set_field("boms", to={}),
    "bom without digest": set_field("boms", 0, "sha256", to="0"),
    "bom of another release": set_field("boms", 0, "release", to="v9"),
    "image a text": set_field("images", 0, to="x"),
    "image of no kind": set_field("images", 0, "kind", to="tarball"),
    "image of another kind": set_field("images", 0, "kind", to="bom"),
    "image of another type": set_field("images", 0, "mediaType", to=OCI.index),
    "image of no manifest type": set_field("images", 0, "mediaType", to=OCI.layer),
    "image elsewhere": set_field("images", 0, "path", to="crane/agent2"),
    "image with another tag": set_field("images", 0, "tag", to="v9"),
    "image of another digest": set_field("images", 0, "digest", to=f"sha256:{'0' * 64}"),
    "image of another size": set_field("images", 0, "size", to=1),
    "image with members": set_field("images", 0, "members", to=[{}]),
    "traversal in a path": set_field("images", 0, "path", to="../../admin"),
    "query in a path": set_field("images", 0, "path", to="a?x=y"),
    "absolute path": set_field("images", 0, "path", to="/etc/passwd"),
    "traversal in a tag": set_field("images", 0, "tag", to="../x"),
    "newline in a reference": set_field("images", 0, "reference", to="a.example.com/b:c\nX: y"),
    "terminal in a reference": set_field("images", 0, "reference", to="a.example.com/b:\x1b[2J"),
    "member twice": set_field("members", 1, "name", to="oci-layout"),
    "member outside": set_field("members", -1, "name", to="../../root/.ssh/authorized_keys"),
    "member absolute": set_field("members", -1, "name", to="/etc/passwd"),
    "member a number": set_field("members", -1, "name", to=7),
    "member's digest a list": set_field("members", -1, "sha256", to=[]),
    "member's digest in capitals": set_field("members", -1, "sha256", to="A" * 64),
    "digest of another kind": set_field("blobs", f"sha512:{'0' * 128}", to=1),
    "surrogates": set_field("source", to="\ud800"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_bundle_json_may_not_say(sound: Path, lie: Callable[[Document], None]) -> None:
    members = unpack(sound)
    document = json.loads(members[0][1])
    lie(document)
    sound.write_bytes(archive([("bundle.json", canonical(document)), *members[1:]]))
    assert "\x1b" not in str(refused(sound).fact)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xef\xbb\xbf{}",
        '{"schema":"tkg-mirror/bundle/v1"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"schema":"tkg-mirror/bundle/v1","schema":"tkg-mirror/bundle/v1"}',
        b'{"schema":NaN}',
        b'{"schema":' + b"9" * 5000 + b"}",
        b"\x80\x81",
    ],
)
def test_bundle_json_that_is_none(sound: Path, raw: bytes) -> None:
    sound.write_bytes(archive([("bundle.json", raw), *unpack(sound)[1:]]))
    refused(sound)


@pytest.mark.parametrize("spaces", [b" ", b"\n"])
def test_bundle_json_in_another_spelling(sound: Path, spaces: bytes) -> None:
    members = unpack(sound)
    sound.write_bytes(archive([("bundle.json", members[0][1] + spaces), *members[1:]]))
    assert "canonical" in str(refused(sound))


# --- manifests that lie -----------------------------------------------------------------------


def test_an_index_with_a_child_that_is_not_there(tmp_path: Path) -> None:
    whole = pair()["lamp:v1"]
    path = small({"lamp:v1": whole}).write(tmp_path / "x.tar")
    child = whole.children[0].manifest.digest[7:]
    members = [m for m in unpack(path) if not m[0].endswith(child)]
    members[0] = ("bundle.json", listing(members))
    path.write_bytes(archive(members))
    fault = refused(path)
    assert isinstance(fault, BundleFault)
    assert fault.member.endswith(child)


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    made = small({"lamp:v1": pair()["lamp:v1"]})
    path = made.write(tmp_path / "x.tar")
    members, wrong = unpack(path), b'{"schemaVersion":2}'
    document = json.loads(members[0][1])
    digest = Digest.of(wrong)
    document["images"][0] |= {"digest": str(digest), "size": len(wrong)}
    members = [*members[:4], (tar.blob_name(digest), wrong)]
    document["blobs"] = {str(digest): len(wrong)}
    document["members"] = json.loads(listing(members))["members"]
    path.write_bytes(archive([("bundle.json", canonical(document)), *members[1:]]))
    assert "manifest" in str(refused(path).fact)


def test_one_blob_that_two_manifests_give_two_sizes(tmp_path: Path) -> None:
    content = b"four"
    honest = layer(content)
    liar = Blob(OCI.layer, honest.blob.digest, 400, honest.blob.pieces)
    images = {
        "a:v1": make_image([honest]),
        "b:v1": make_image([type(honest)(liar, honest.diff_id)]),
    }
    fault = refused(small(images).write(tmp_path / "x.tar"))
    assert isinstance(fault, BundleFault)
    assert {fault.expected, fault.got} == {"4 bytes", "400"}


def test_indexes_nested_without_end(tmp_path: Path) -> None:
    image: Image = pair()["lamp:v1"]
    for _ in range(6):
        image = make_index((image,), ("amd64",), docker=False)
    with pytest.raises(ValueError, match="nested"):
        small({"lamp:v1": image}).write(tmp_path / "x.tar")
