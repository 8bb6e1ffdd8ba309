"""A bundle is an OCI image layout that others open, and the same bytes whoever makes it."""

from __future__ import annotations

import json
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mirror.bundle import documents
from mirror.bundle.contents import Contents, sorted_images
from mirror.bundle.reader import Bundle
from mirror.oci.digest import Digest
from scripts.world.images import ImageSpec, build
from tests.fakes import skopeo
from tests.fakes.companions import referrer, signature
from tests.mirror.bundle.small import HOST, Small, pair, small, two_images


def test_the_same_images_give_the_same_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    images = list(pair().items())
    first = small(dict(images)).write(tmp_path / "a.tar").read_bytes()
    for seed in range(8):
        random.Random(seed).shuffle(images)
        other = small(dict(images))
        order = other.fetched
        random.Random(seed).shuffle(order)
        assert other.write(tmp_path / f"{seed}.tar", order).read_bytes() == first


def test_a_time_changes_headers_and_nothing_else(tmp_path: Path) -> None:
    one = two_images().write(tmp_path / "a.tar", mtime=0).read_bytes()
    two = two_images().write(tmp_path / "b.tar", mtime=1_700_000_000).read_bytes()
    differing = [at for at in range(len(one)) if one[at] != two[at]]
    assert differing
    assert {at % 512 for at in differing} <= {*range(136, 147), *range(148, 156)}


def test_bundle_json_is_canonical_and_says_what_the_contract_says(tmp_path: Path) -> None:
    raw = members(two_images().write(tmp_path / "x.tar"))["bundle.json"]
    document = json.loads(raw)
    assert json.dumps(document, sort_keys=True, separators=(",", ":")).encode() == raw
    assert sorted(document) == [
        *("base", "blobs", "boms", "images", "members", "part", "schema", "source")
    ]
    assert document["schema"] == "tkg-mirror/bundle/v1"
    assert document["part"] == {"number": 1, "of": 1}
    image = document["images"][0]
    assert image.keys() == {
        *("reference", "path", "tag", "digest", "mediaType", "size", "kind", "members")
    }
    assert (image["path"], image["tag"], image["kind"]) == ("crane/agent", "v2_example.1", "image")
    assert document["boms"] == [
        {"kind": "tkg-bom", "release": "v0.9.0", "sha256": f"sha256:{'0' * 64}"}
    ]
    listed = [member["name"] for member in document["members"]]
    assert listed == list(members(tmp_path / "x.tar"))[1:]


def test_it_is_an_oci_layout(tmp_path: Path) -> None:
    held = members(two_images().write(tmp_path / "x.tar"))
    assert json.loads(held["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(held["index.json"])
    assert index["schemaVersion"] == 2
    for entry in index["manifests"]:
        content = held[f"blobs/sha256/{entry['digest'][7:]}"]
        assert (len(content), str(Digest.of(content))) == (entry["size"], entry["digest"])
        assert json.loads(content)["mediaType"] == entry["mediaType"]
        name = entry["annotations"]["org.opencontainers.image.ref.name"]
        assert name.startswith(HOST)
        assert name == entry["annotations"]["io.containerd.image.name"]


def test_dockers_list_has_the_single_platform_images_and_names_members(tmp_path: Path) -> None:
    held = members(two_images().write(tmp_path / "x.tar"))
    (entry,) = json.loads(held["manifest.json"])
    assert entry["RepoTags"] == [f"{HOST}/tkg/crane/agent:v2_example.1"]
    config: dict[str, Any] = json.loads(held[entry["Config"]])
    diff_ids = [f"sha256:{layer.rpartition('/')[2]}" for layer in entry["Layers"]]
    # The small bundle's layers are not compressed, so their digests are their diff_ids too.
    assert config["rootfs"]["diff_ids"] == diff_ids
    assert set(entry["Layers"]) <= set(held)


def test_blobs_come_once_manifests_then_configurations_then_layers(tmp_path: Path) -> None:
    made = two_images()
    names = [name for name in members(made.write(tmp_path / "x.tar")) if name.startswith("blobs/")]
    manifests = sorted(d.hex for d in made.contents.manifests)
    configs = sorted(m.config.digest.hex for m in made.contents.manifests.values() if m.config)
    layers = sorted({b.hex for b in made.bytes_of} - {*manifests, *configs})
    assert [name.rpartition("/")[2] for name in names] == manifests + configs + layers


def test_an_image_without_a_tag_and_one_with_two_names_are_carried(tmp_path: Path) -> None:
    (index, docker), names = pair().values(), ("a:v1", "a:v2")
    carried = small({names[0]: index, names[1]: index, "b": docker})
    with Bundle(carried.write(tmp_path / "x.tar")) as bundle:
        found = bundle.contents()
    assert [(i.path, i.tag) for i in found.images] == [("a", "v1"), ("a", "v2"), ("b", None)]
    assert len(found.manifests) == 3


def test_a_bundle_of_no_image_is_sound(tmp_path: Path) -> None:
    path = Small(Contents("", (), sorted_images([])), {}).write(tmp_path / "x.tar")
    with Bundle(path) as bundle:
        assert bundle.contents().images == ()
    assert documents.SCHEMA in path.read_bytes()[512:].decode("latin-1")


@pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")
def test_skopeo_opens_an_image_straight_from_the_bundle(tmp_path: Path) -> None:
    image = build(ImageSpec("lamp", own=(700,), platforms=("amd64", "arm64")))
    images = {"lamp:v1": image, "other:v1": build(ImageSpec("other", own=(90,)))}
    path = small(images).write(tmp_path / "x.tar")
    found = skopeo.open_archive(path, f"{HOST}/tkg/lamp:v1", tmp_path / "out")
    assert {digest: len(data) for digest, data in found.items()} == {
        digest: blob.size for digest, blob in image.everything().items()
    }


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:") as archive:
        return {m.name: f.read() for m in archive if (f := archive.extractfile(m)) is not None}


def test_docker_load_is_not_given_what_it_cannot_unpack(tmp_path: Path) -> None:
    """It refuses the whole file for one signature in its list."""
    app = build(ImageSpec("app"))
    images = {"app:v1": app, "app:sig": signature(app), "app:sbom": referrer(app)}
    held = members(small(images).write(tmp_path / "x.tar"))
    (entry,) = json.loads(held["manifest.json"])
    assert entry["RepoTags"] == [f"{HOST}/tkg/app:v1"]
    assert len(json.loads(held["index.json"])["manifests"]) == 3
