"""The made-up releases are what they say, and other tools open what they are made of."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import httpx
import oras.client
import pytest
import yaml

from scripts.world.content import Contents, make_contents
from scripts.world.images import DOCKER, OCI, Image
from scripts.world.imgpkg import LABEL
from scripts.world.parts import Put
from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT, Seeder
from scripts.world.signing import SBOM, SIGSTORE_BUNDLE
from scripts.world.tkg import main, seed_release
from scripts.world.windows import FOREIGN, HELD, NOT_HELD
from tests.fakes import skopeo
from tests.fakes.simple import FakeRegistry
from tests.fakes.tkg import TkgSource

# Seeding takes seconds: once is enough.
pytestmark = pytest.mark.xdist_group("tkg")

DEFAULT, SECOND = "v1.23.8+vmware.2-tkg.1", "v1.22.11+vmware.2-tkg.1"

needs_skopeo = pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")


@pytest.fixture(scope="module")
def contents() -> Contents:
    return make_contents("0")


def put(contents: Contents, name: str) -> Put:
    return next(each for each in contents.puts if each.name == name)


def files(image: Image) -> dict[str, bytes]:
    """What is in the one layer of an image that imgpkg has made."""
    _, layer = image.blobs
    found = {}
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.read()))) as archive:
        for member in archive:
            if file := archive.extractfile(member):
                found[member.name] = file.read()
    return found


def text(contents: Contents, name: str) -> str:
    (only,) = files(put(contents, name).image).values()
    return only.decode()


def document(contents: Contents, name: str) -> dict[str, Any]:
    found = yaml.load(text(contents, name), Loader=yaml.BaseLoader)  # noqa: S506
    assert isinstance(found, dict)
    return found


def locked(image: Image) -> list[str]:
    lock = yaml.safe_load(files(image)[".imgpkg/images.yml"])
    return [entry["image"] for entry in lock.get("images") or []]


def manifest(image: Image) -> dict[str, Any]:
    found = json.loads(image.manifest.read())
    assert isinstance(found, dict)
    return found


# --- always the same, and less of it ----------------------------------------------------------


def test_the_same_seed_gives_the_same_world(contents: Contents) -> None:
    # Written down once: a changed digest here is another world for every test that names one.
    digests = "".join(sorted(each.image.manifest.digest for each in contents.puts))
    assert hashlib.sha256(digests.encode()).hexdigest()[:16] == "e60b5c953f63c276"


def test_another_seed_gives_other_images_at_the_same_places(contents: Contents) -> None:
    other = make_contents("1")
    assert {each.name for each in other.puts} == {each.name for each in contents.puts}
    assert put(other, "etcd:v3.5.4_vmware.6") != put(contents, "etcd:v3.5.4_vmware.6")


def test_signatures_referrers_and_foreign_layers_can_be_left_out() -> None:
    plain = make_contents("0", signatures=False, referrers=False, foreign=False)
    kinds = {each.kind for version in plain.versions for each in plain.expected(version)}
    assert kinds == {"bom", "compatibility", "image", "kubeadm", "member", "package"}
    assert not [each.name for each in plain.puts if each.name.endswith((".sig", ".att"))]
    assert not plain.held_foreign
    nodes = [node for each in plain.puts for node in each.image.walk()]
    assert not any(b"urls" in node.manifest.read() for node in nodes)


def test_what_is_left_out_is_missing_and_still_expected(fake: FakeRegistry) -> None:
    left_out = ("etcd:v3.5.4_vmware.6", "packages/core/antrea#antrea-ubi")
    world = seed_release(fake.url, "x/y", without=left_out, foreign=False)
    store = fake.store.repositories
    listed = {(e.path, e.tag): e.digest for e in world.expected("v1.6.0", [DEFAULT])}
    assert ("etcd", "v3.5.4_vmware.6") in listed
    assert "v3.5.4_vmware.6" not in store["x/y/etcd"].tags
    assert store["x/y/pause"].tags == {"3.7": listed["pause", "3.7"]}
    missing = put(world.contents, left_out[1]).image.manifest.digest
    assert missing in listed.values()
    assert missing not in store["x/y/packages/core/antrea"].manifests
    assert missing in store["x/y/packages/core/repo"].manifests


def test_a_name_that_there_is_not_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="nothing in this world is called etcd:v9"):
        seed_release("http://127.0.0.1:1", without=["etcd:v9", "pause:3.7"])


def test_a_registry_with_distributions_defaults_takes_no_foreign_layers(
    registry: Registry, contents: Contents
) -> None:
    with httpx.Client(trust_env=False) as client, pytest.raises(httpx.HTTPStatusError):
        Seeder(registry.url, client).put("pause", "3.7", put(contents, NOT_HELD).image)


# --- the lists, and the BOMs ------------------------------------------------------------------


def test_lists_have_gaps_and_foreign_tags_and_only_the_highest_has_the_newest(
    tkg_source: TkgSource,
) -> None:
    url = f"{tkg_source.registry.url}/v2/tkg/tkg-compatibility/tags/list"
    tags = httpx.get(url, trust_env=False).json()["tags"]
    numbered = {tag for tag in tags if tag[1:].isdigit()}
    assert numbered == {f"v{n}" for n in range(1, 16)} - {"v9", "v12"}
    others = {tag for tag in tags if not tag.startswith("sha256-")} - numbered
    assert others == {"latest", "v1.0.1", "vX", "v9_9"}
    assert sorted(tags)[-1] != "v15"
    contents = tkg_source.world.contents
    newest = {t for t in numbered if "v1.6.0" in text(contents, f"tkg-compatibility:{t}")}
    assert newest == {"v15"}


def test_a_tkr_list_lies_where_the_bom_says_and_an_older_one_where_it_was(
    contents: Contents,
) -> None:
    path = document(contents, "tkg-bom:v1.6.0")["tkr-compatibility"]["imagePath"]
    assert path == "v18-v1.6.0/tkr-compatibility"
    found = document(contents, f"{path}:v19")["managementClusterVersions"]
    assert {each["version"]: tuple(each["supportedKubernetesVersions"]) for each in found} == {
        version: contents.tkrs(version) for version in contents.versions
    }
    assert SECOND not in text(contents, f"{path}:v17").partition("v1.5.4")[0]
    assert "v1.6.0" not in text(contents, "tkr-compatibility:v16")


def test_a_bom_has_what_real_ones_have(contents: Contents) -> None:
    bom = document(contents, "tkg-bom:v1.6.0")
    components = bom["components"]
    assert bom["default"]["k8sVersion"] == DEFAULT
    assert len(components["contour"]) == 3
    assert "images" not in components["vendir"][0]
    listed = [image["imagePath"] for image in components["tanzu-framework"][0]["images"].values()]
    assert len(listed) > len(set(listed))
    override = components["velero"][0]["images"]["veleroRestoreHelperImage"]
    assert override["imageRepository"] == "projects.registry.vmware.com/tkg/third-party"
    assert put(contents, "velero/restore-helper:v1.8.1_vmware.1").path.startswith("third-party/")
    assert "tag: 3.10\n" in text(contents, "tkg-bom:v1.6.0"), "no quotes"
    assert list(bom["tkr-package"]) == ["aws", "azure", "vsphere-nonparavirt"]


def test_only_the_kubeadm_config_names_coredns(contents: Contents) -> None:
    name = "tkr-bom:v1.23.8_vmware.2-tkg.1"
    assert text(contents, name).count("v1.8.6_vmware.7") == 1
    assert document(contents, name)["kubeadmConfigSpec"]["dns"]["imageTag"] == "v1.8.6_vmware.7"
    assert "us-gov-west-1" in document(contents, name)["ami"]
    assert list(files(put(contents, name).image)) == [f"tkr-bom-{DEFAULT}.yaml"]


# --- what is expected -------------------------------------------------------------------------


def test_a_choice_of_tkrs_and_infrastructures(contents: Contents) -> None:
    def paths(**chosen: Any) -> set[str]:
        return {f"{e.path}:{e.tag}" for e in contents.expected("v1.6.0", [SECOND], **chosen)}

    tag = SECOND.replace("+", "_")
    assert f"kube-proxy:{tag.partition('-')[0]}" in paths()
    assert "kube-proxy:v1.23.8_vmware.2" not in paths()
    packages = {f"tkr-aws:{tag}", f"tkr-repository-aws:{tag}"}
    assert packages <= paths(infrastructures=["aws", "azure"])
    assert not packages & paths(infrastructures=["vsphere-nonparavirt", "azure"])
    assert not [name for name in paths() if "azure" in name]
    with pytest.raises(KeyError):
        contents.expected("v1.7.0")


def test_every_place_is_expected_once_and_every_digest_is_at_the_source(
    contents: Contents,
) -> None:
    source = {each.image.manifest.digest for each in contents.puts}
    for version in contents.versions:
        expected = contents.expected(version)
        assert len({(each.path, each.tag) for each in expected}) == len(expected)
        assert {each.digest for each in expected} <= source


def test_the_commands_list_is_the_worlds(
    tkg_source: TkgSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.json"
    options = ["--registry", tkg_source.registry.host, "--list", str(path), "--tkr", DEFAULT]
    monkeypatch.setattr(sys, "argv", ["tkg", *options, "--infrastructure", "aws"])
    main()
    expected = tkg_source.world.expected("v1.6.0", [DEFAULT], infrastructures=["aws"])
    assert json.loads(path.read_text()) == [vars(each) for each in expected]


# --- bundles ----------------------------------------------------------------------------------


def test_a_bundle_is_one_as_imgpkg_makes_them(contents: Contents) -> None:
    image = put(contents, "packages/core/metrics-server:v0.6.1_vmware.1-tkg.1").image
    config, layer = image.blobs
    written = json.loads(config.read())
    assert written["config"]["Labels"] == {LABEL: "true"}
    assert (written["os"], written["architecture"]) == ("", "")
    assert (image.manifest.media_type, layer.media_type) == (DOCKER.manifest, DOCKER.layer)
    assert {".imgpkg/images.yml", "config/package.yaml"} == set(files(image))


def test_a_repository_bundle_names_packages_that_name_images(contents: Contents) -> None:
    digests = {p.image.manifest.digest: p for p in contents.puts if p.path == "packages/core/repo"}
    outer = put(contents, "packages/core/repo:v1.23.8_vmware.2-tkg.1").image
    packages = [entry.partition("@")[2] for entry in locked(outer)]
    assert len(packages) == 4
    inner = [entry.partition("@")[2] for p in packages for entry in locked(digests[p].image)]
    assert len(inner) > len(set(inner)), "one image is named by two packages"
    assert all(digests[digest].tag.endswith(".imgpkg") for digest in [*packages, *inner])


def test_locks_without_members_are_written_in_three_ways(contents: Contents) -> None:
    names = (
        "packages/core/kapp-controller:v0.38.4_vmware.1-tkg.1",
        "tkr-aws:v1.23.8_vmware.2-tkg.1",
        "packages/standalone/standalone-plugins:v0.25.0-standalone",
    )
    locks = [files(put(contents, name).image)[".imgpkg/images.yml"] for name in names]
    assert [yaml.safe_load(lock).get("images", "absent") for lock in locks] == [[], None, "absent"]


def test_names_do_not_say_what_is_a_bundle(contents: Contents) -> None:
    def labels(name: str) -> Any:
        image = next(put(contents, name).image.walk())
        return json.loads(image.blobs[0].read())["config"].get("Labels")

    assert labels("tanzu-capabilities:v0.25.0-capabilities") == {LABEL: "true"}
    byoh = "cluster-api/byoh-bundle-ubuntu_20.04.1_x86-64_k8s:v1.23.8_vmware.2-tkg.1"
    assert LABEL not in labels(byoh)


def test_one_member_lies_only_where_its_lock_says(tkg_source: TkgSource) -> None:
    world = tkg_source.world
    image = put(world.contents, "tanzu-capabilities:v0.25.0-capabilities").image
    old, _, new = world.rewrite.partition("=")
    reference = next(entry for entry in locked(image) if "manager" in entry).replace(old, new)
    host, _, rest = reference.partition("/")
    path, _, digest = rest.partition("@")
    with httpx.Client(base_url=f"http://{host}/v2", headers=ACCEPT, trust_env=False) as client:
        assert client.head(f"/{path}/manifests/{digest}").status_code == 200
        own = client.head(f"/tkg/tanzu-capabilities/manifests/{digest}")
        assert own.status_code == 404


# --- what is attached, and Windows ------------------------------------------------------------


def test_a_signature_is_about_its_subject(contents: Contents) -> None:
    subject = put(contents, "kube-apiserver:v1.23.8_vmware.2").image.manifest.digest
    signed = put(contents, "kube-apiserver:v1.23.8_vmware.2.sig")
    assert signed.tag == f"{subject.replace(':', '-')}.sig"
    _, layer = signed.image.blobs
    payload = json.loads(layer.read())
    assert payload["critical"]["image"]["docker-manifest-digest"] == subject
    (entry,) = manifest(signed.image)["layers"]
    signature = entry["annotations"]["dev.cosignproject.cosign/signature"]
    assert len(base64.b64decode(signature)) == 71


def test_referrers_point_at_an_image_and_at_an_index(contents: Contents) -> None:
    for name, types, kind in (
        ("contour:v1.20.2_vmware.1", [SBOM], None),
        (
            "cluster-api/cluster-api-vsphere-controller:v1.3.1_vmware.1",
            [SBOM, SIGSTORE_BUNDLE],
            {OCI.index, DOCKER.index},
        ),
    ):
        subject = put(contents, name).image.manifest
        listed = put(contents, f"{name}.referrers")
        assert listed.tag == subject.digest.replace(":", "-")
        entries = manifest(listed.image)["manifests"]
        assert [entry["artifactType"] for entry in entries] == types
        for child in listed.image.children:
            assert manifest(child)["subject"] == subject.descriptor()
        assert kind is None or subject.media_type in kind


def test_windows_layers_are_foreign_and_one_of_them_is_held(tkg_source: TkgSource) -> None:
    for name, status in ((NOT_HELD, 404), (HELD, 200)):
        image = put(tkg_source.world.contents, name).image
        platforms = [entry["platform"]["os"] for entry in manifest(image)["manifests"]]
        assert platforms == ["linux", "windows"]
        base, own = manifest(image.children[1])["layers"]
        assert (base["mediaType"], own["mediaType"]) == (FOREIGN, DOCKER.layer)
        assert base["urls"]
        place = f"/v2/tkg/{name.partition(':')[0]}/blobs/{base['digest']}"
        answer = httpx.head(tkg_source.registry.url + place, trust_env=False)
        assert answer.status_code == status


# --- other tools ------------------------------------------------------------------------------


@needs_skopeo
@pytest.mark.parametrize(
    "name",
    [
        "tkg-bom:v1.6.0",
        "pause:3.7",
        "packages/standard/repo:v1.6.0",
        "kube-apiserver:v1.23.8_vmware.2.sig",
        "contour:v1.20.2_vmware.1.referrers",
    ],
)
def test_skopeo_sees_what_was_made(tkg_source: TkgSource, name: str) -> None:
    each = put(tkg_source.world.contents, name)
    reference = f"{tkg_source.registry.host}/tkg/{each.path}:{each.tag}"
    assert skopeo.raw(reference) == each.image.manifest.read()


def test_oras_pulls_a_bom(tkg_source: TkgSource, tmp_path: Path) -> None:
    client = oras.client.OrasClient(insecure=True)
    target = f"{tkg_source.registry.host}/tkg/tkg-bom:v1.6.0"
    (pulled,) = client.pull(target=target, outdir=str(tmp_path))
    with tarfile.open(pulled) as archive:
        assert archive.getnames() == ["tkg-bom-v1.6.0.yaml"]


@needs_skopeo
@pytest.mark.skipif(not shutil.which("umoci"), reason="umoci is not installed")
def test_umoci_unpacks_a_bundle(tkg_source: TkgSource, tmp_path: Path) -> None:
    layout = f"{tmp_path}/layout:v1"
    each = put(tkg_source.world.contents, "packages/standard/repo:v1.6.0")
    source = f"docker://{tkg_source.registry.host}/tkg/{each.path}:{each.tag}"
    run("skopeo", "copy", "--src-tls-verify=false", source, f"oci:{layout}")
    # `raw`, since what imgpkg makes is for no system and cannot be run.
    run("umoci", "raw", "unpack", "--rootless", "--image", layout, str(tmp_path / "out"))
    unpacked = tmp_path / "out" / ".imgpkg" / "images.yml"
    assert unpacked.read_bytes() == files(each.image)[".imgpkg/images.yml"]


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
