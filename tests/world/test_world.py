"""The world is the same each time, and other tools open what it is made of."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import httpx
import pytest

from scripts.world.images import DOCKER, OCI, Image, ImageSpec, build
from scripts.world.plan import plan_images
from scripts.world.registry import Registry
from scripts.world.seed import Seeder, bom_image, seed_places, seed_world
from scripts.world.wanted import Place, places_of_bom, places_of_list, wanted
from tests.fakes import skopeo

BOM = """\
apiVersion: run.tanzu.vmware.com/v1alpha2
default: {k8sVersion: v1.30.1+example.1}
release: {version: v0.9.0}
imageConfig: {imageRepository: registry.example.com/tkg}
components:
  pause:
    - version: v3.10
      images: {pause: {imagePath: pause, tag: 3.10}}
    - version: v3.9
  empty: []
  elsewhere:
    - version: v1
      images:
        a: {imagePath: kapp, tag: v1, imageRepository: other.example.com:5000/carvel/x}
        b: {imagePath: packages/kind, tag: v2, repository: other.example.com/tce}
"""

needs_skopeo = pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")


@pytest.fixture
def bom(tmp_path: Path) -> Path:
    path = tmp_path / "tkg-bom-v0.9.0.yaml"
    path.write_text(BOM)
    return path


def test_places_of_a_bom(bom: Path) -> None:
    assert [str(place) for place in places_of_bom(bom, "mirror/tkg")] == [
        "mirror/tkg/tkg-bom:v0.9.0",
        "mirror/tkg/pause:3.10",
        "carvel/x/kapp:v1",
        "tce/packages/kind:v2",
    ]


def test_a_boms_own_image_wins_over_its_own_entry(bom: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("h/tkg/tkg-bom:v0.9.0\nh/b/c:v1 # kept\n\n# all comment\n")
    assert places_of_list(listed.read_text())[1] == Place("b/c", "v1")
    places = wanted([bom], [listed], "tkg")
    assert places[0] == Place("b/c", "v1")
    assert [place.bom for place in places if place.repository == "tkg/tkg-bom"] == [bom]


def test_the_same_seed_gives_the_same_world() -> None:
    # Written down once: a changed digest here is a changed world for every bench and sample.
    specs = plan_images(["a:v1", "b:v1", "c:v1", "d:v1"], seed="7", total=1 << 20)
    digests = "".join(build(specs[name]).manifest.digest for name in sorted(specs))
    fingerprint = hashlib.sha256(digests.encode()).hexdigest()
    assert fingerprint[:16] == "4f6a3b8afc9c4a77"


def test_a_world_is_about_as_large_as_it_was_asked_to_be_and_shares_its_bases() -> None:
    images = [build(s) for s in plan_images(map(str, range(80)), seed="1", total=10 << 20).values()]
    unique = {digest: blob for image in images for digest, blob in image.everything().items()}
    size = sum(blob.size for blob in unique.values())
    assert 0.8 < size / (10 << 20) < 1.2
    assert len(unique) < sum(len(image.everything()) for image in images)
    kinds = {image.manifest.media_type for image in images}
    assert kinds == {OCI.index, OCI.manifest, DOCKER.index, DOCKER.manifest}


@pytest.mark.parametrize("size", [100, 70_000, 3 << 20], ids=["bytes", "blocks", "pieces"])
def test_a_layer_is_a_real_gzip_of_a_real_tar(size: int) -> None:
    image = build(ImageSpec("x/y:v1", own=(size,), labels=(("a", "b"),)))
    config, layer = image.blobs
    unpacked = gzip.decompress(layer.read())
    assert f"sha256:{hashlib.sha256(layer.read()).hexdigest()}" == layer.digest
    written = json.loads(config.read())
    assert written["config"]["Labels"] == {"a": "b"}
    assert written["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        contents = sum(member.size for member in archive)
    assert size * 0.99 < contents <= size


def test_a_boms_image_holds_the_file_itself(bom: Path) -> None:
    image = bom_image(bom)
    with tarfile.open(fileobj=io.BytesIO(image.blobs[1].read())) as archive:
        member = archive.extractfile(bom.name)
        assert member
        assert member.read() == bom.read_bytes()
    assert image.manifest.media_type == DOCKER.manifest


@needs_skopeo
def test_skopeo_agrees_with_the_worlds_list(registry: Registry, bom: Path) -> None:
    entries = seed_world(registry.url, [bom], megabytes=1)
    assert len(entries) == 4
    for entry in entries:
        reference = f"{registry.host}/{entry.repository}:{entry.tag}"
        assert skopeo.digest_of(reference) == entry.digest
        assert skopeo.tags(f"{registry.host}/{entry.repository}") == [entry.tag]


@needs_skopeo
def test_skopeo_copies_out_what_was_built(registry: Registry, tmp_path: Path) -> None:
    place = Place("cni", "v1")
    (entry,) = seed_places(registry.url, [place], megabytes=1)
    image = build(plan_images([str(place)], seed="0", total=1 << 20)[str(place)])
    got = skopeo.copy_out(f"{registry.host}/cni:v1", tmp_path / "out")
    assert got == {digest: blob.read() for digest, blob in image.everything().items()}
    assert (entry.blobs, entry.bytes) == (len(got), sum(map(len, got.values())))


def test_a_second_seeding_moves_nothing(registry: Registry, bom: Path) -> None:
    first = seed_world(registry.url, [bom], megabytes=1)
    before = len(registry.requests())
    assert seed_world(registry.url, [bom], megabytes=1) == first
    again = registry.requests(since=before)
    assert {(line.method, line.status) for line in again} == {("HEAD", 200)}
    assert len(again) == len(first)


@needs_skopeo
@pytest.mark.skipif(not shutil.which("umoci"), reason="umoci is not installed")
def test_umoci_unpacks_an_image(registry: Registry, tmp_path: Path) -> None:
    image = push(registry, ImageSpec("app", own=(5000, 100)))
    layout = f"{tmp_path}/layout:v1"
    source = f"docker://{registry.host}/app:v1"
    run("skopeo", "copy", "--src-tls-verify=false", source, f"oci:{layout}")
    run("umoci", "unpack", "--rootless", "--image", layout, str(tmp_path / "unpacked"))
    files = [path for path in (tmp_path / "unpacked" / "rootfs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= sum(b.size for b in image.blobs[1:])
    assert files


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
@needs_skopeo
def test_docker_loads_an_image(registry: Registry, docker: str, tmp_path: Path) -> None:
    push(registry, ImageSpec("app", own=(5000, 100), docker=True))
    archive = tmp_path / "app.tar"
    source, target = f"docker://{registry.host}/app:v1", f"docker-archive:{archive}:app:v1"
    run("skopeo", "copy", "--src-tls-verify=false", source, target)
    assert "Loaded image: app:v1" in run("docker", "--host", docker, "load", "-i", str(archive))
    run("docker", "--host", docker, "image", "rm", "app:v1")


def push(registry: Registry, spec: ImageSpec) -> Image:
    image = build(spec)
    with httpx.Client(trust_env=False) as client:
        Seeder(registry.url, client).put("app", "v1", image)
    return image


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
