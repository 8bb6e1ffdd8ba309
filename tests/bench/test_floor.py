"""The floor does the same work as the tool: each finds done what the other has done."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scripts.bench.floor import create, show, verify
from scripts.bench.floorpush import push
from scripts.bench.sockets import Refused
from scripts.bench.tarfloor import read_tar
from scripts.world.images import ImageSpec, build
from scripts.world.registry import PROGRAM, Registry
from scripts.world.seed import Seeder
from tests.fakes.registries import TlsRegistry
from tests.flows.cli import run

pytestmark = pytest.mark.skipif(not shutil.which(PROGRAM), reason=f"{PROGRAM} is not installed")

BASE = (("base", 70_000),)
SPECS = (
    ImageSpec("few/a", bases=BASE, own=(3000,)),
    ImageSpec("few/b", bases=BASE, own=(4000, 2_500_000), platforms=("amd64", "arm64")),
)
IMAGES = {spec.name: build(spec) for spec in SPECS}
BLOBS = {digest for image in IMAGES.values() for digest in image.everything()}


@dataclass(frozen=True)
class Place:
    """A registry with the images, their list, and a bundle of them."""

    registry: Registry
    list: Path
    bundle: Path
    ca: Path | None = None


def seeded(registry: Registry, folder: Path, ca: Path | None = None) -> Place:
    trust = ssl.create_default_context(cafile=str(ca)) if ca else True
    with httpx.Client(trust_env=False, verify=trust) as client:
        seeder = Seeder(registry.url, client)
        for name, image in IMAGES.items():
            seeder.put(name, "v1", image)
    listed, bundle = folder / "list", folder / "bundle.tar"
    listed.write_text("".join(f"{registry.host}/{name}:v1\n" for name in IMAGES))
    manner = ["--ca-file", ca] if ca else ["--plain-http"]
    ran = run("bundle", "create", "--images", listed, "-o", bundle, *manner)
    assert ran.code == 0, ran.err
    return Place(registry, listed, bundle, ca)


@pytest.fixture
def place(registry: Registry, tmp_path: Path) -> Place:
    return seeded(registry, tmp_path)


def hashed(tar: Path) -> dict[str, str]:
    """What each blob of a tar is called, and what it is."""
    data = tar.read_bytes()
    return {
        digest: f"sha256:{hashlib.sha256(data[offset : offset + size]).hexdigest()}"
        for digest, (offset, size) in read_tar(tar).items()
    }


def test_its_tar_has_every_blob(place: Place, tmp_path: Path) -> None:
    create(place.list, tmp_path / "floor.tar", 3, None)
    found = hashed(tmp_path / "floor.tar")
    assert found.keys() == BLOBS
    assert all(name == is_ for name, is_ in found.items())
    assert hashed(place.bundle) == found


def test_under_tls_it_does_the_same(tls_registry: TlsRegistry, tmp_path: Path) -> None:
    place = seeded(tls_registry.registry, tmp_path, tls_registry.ca_file)
    create(place.list, tmp_path / "floor.tar", 2, place.ca)
    assert hashed(tmp_path / "floor.tar") == hashed(place.bundle)
    push(place.bundle, f"{place.registry.host}/dest", 2, place.ca)
    again = run(
        "bundle", "push", place.bundle, f"{place.registry.host}/dest", "--ca-file", place.ca,
        "--format", "json",
    )  # fmt: skip
    assert {image["status"] for image in again.json["images"]} == {"present"}


def test_it_verifies_and_shows_the_tools_bundle(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    show(place.bundle)
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        [f"{place.registry.host}/{name}:v1", image.manifest.digest]
        for name, image in IMAGES.items()
    ]
    verify(place.bundle, 2)
    assert json.loads(capsys.readouterr().out)["seconds"] > 0


def test_it_verifies_every_bit(place: Place) -> None:
    offset, size = max(read_tar(place.bundle).values(), key=lambda where: where[1])
    with place.bundle.open("r+b") as file:
        file.seek(offset + size - 1)
        file.write(b"\x00\x00")
        file.seek(offset)
        file.write(b"x")
    with pytest.raises(SystemExit, match="is not what it says"):
        verify(place.bundle, 2)


def test_after_its_push_the_tool_finds_everything_there(
    place: Place, second_registry: Registry
) -> None:
    destination = f"{second_registry.host}/dest"
    push(place.bundle, destination, 2, None)
    ran = run("bundle", "push", place.bundle, destination, "--plain-http", "--format", "json")
    assert ran.json["bytes"]["moved"] == 0
    assert {image["status"] for image in ran.json["images"]} == {"present"}


def test_a_second_push_asks_once_an_image(place: Place, second_registry: Registry) -> None:
    destination = f"{second_registry.host}/dest"
    assert run("bundle", "push", place.bundle, destination, "--plain-http").code == 0
    before = second_registry.asked()
    push(place.bundle, destination, 2, None)
    asked = second_registry.requests(since=before)
    assert sorted((line.method, line.path) for line in asked) == [
        ("HEAD", f"/v2/dest/{name}/manifests/v1") for name in IMAGES
    ]


def test_what_another_image_has_brought_is_mounted(
    place: Place, second_registry: Registry, tmp_path: Path
) -> None:
    alone, one = tmp_path / "one", tmp_path / "one.tar"
    alone.write_text(place.list.read_text().splitlines()[0])
    assert run("bundle", "create", "--images", alone, "-o", one, "--plain-http").code == 0
    push(one, f"{second_registry.host}/dest", 2, None)
    before = second_registry.asked()
    push(place.bundle, f"{second_registry.host}/dest", 2, None)
    uploads = [x for x in second_registry.requests(since=before) if "/blobs/uploads/" in x.path]
    put = {
        x.path.rpartition("digest=")[2].replace("%3A", ":") for x in uploads if x.method == "PUT"
    }
    shared = {blob.digest for blob in IMAGES["few/a"].blobs}
    new = {blob.digest for node in IMAGES["few/b"].walk() for blob in node.blobs} - shared
    assert put == new
    assert any("mount=" in x.path and x.status == 201 for x in uploads)


def test_a_registry_that_refuses_is_not_taken_for_a_fast_one(place: Place, tmp_path: Path) -> None:
    place.list.write_text(f"{place.registry.host}/few/none:v1\n")
    with pytest.raises(Refused, match="404"):
        create(place.list, tmp_path / "x.tar", 2, None)
