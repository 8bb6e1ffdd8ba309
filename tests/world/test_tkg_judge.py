"""The judge of mirrors takes a whole one, and says what is wrong with any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.world.imgpkg import LABEL, plain_image
from scripts.world.parts import Expected
from scripts.world.registry import Registry
from scripts.world.windows import HELD, NOT_HELD
from tests.fakes import skopeo
from tests.fakes.simple import FakeRegistry
from tests.fakes.store import Repository
from tests.fakes.tkg import TkgSource
from tests.flows.judge_tkg import copied_out, faults, judge
from tests.world.tkg_mirror import PROJECT, carry

# Seeding takes seconds: once is enough.
pytestmark = pytest.mark.xdist_group("tkg")

VERSION, TKR = "v1.6.0", "v1.23.8+vmware.2-tkg.1"
CORE = "packages/core/repo"


@pytest.fixture(scope="module")
def mirror(tkg_source: TkgSource) -> Iterator[Registry]:
    """A real registry with all that belongs to VERSION and TKR, and nothing else."""
    with Registry(foreign=True) as running:
        carry(tkg_source.world, running.url, tkg_source.world.expected(VERSION, [TKR]))
        yield running


class Part:
    """A part of the release in a fake, where a test can take away what no request deletes."""

    def __init__(self, source: TkgSource, fake: FakeRegistry) -> None:
        self._world, self._fake = source.world, fake
        fake.store.foreign = True
        self.expected: list[Expected] = []

    def hold(self, *names: str) -> Part:
        """Carry the images of these paths, or of path:tag."""
        for each in self._world.expected(VERSION):
            if each.path in names or f"{each.path}:{each.tag}" in names:
                self.expected.append(each)
        assert self.expected
        carry(self._world, self._fake.url, self.expected)
        return self

    def one(self, kind: str) -> Expected:
        return next(each for each in self.expected if each.kind == kind)

    def member(self, name: str) -> str:
        """The digest of a member by its name in the world."""
        puts = self._world.contents.puts
        return next(put.image.manifest.digest for put in puts if put.name == name)

    def repository(self, path: str) -> Repository:
        return self._fake.store.repositories[f"{PROJECT}/{path}"]

    def drop(self, path: str, digest: str) -> None:
        """Take away a manifest and its tags."""
        place = self.repository(path)
        del place.manifests[digest]
        place.tags = {tag: shown for tag, shown in place.tags.items() if shown != digest}

    def faults(self, expected: list[Expected] | None = None, *, foreign: bool = False) -> list[str]:
        wanted = self.expected if expected is None else expected
        held = self._world.held_foreign if foreign else ()
        return faults(self._fake.url, PROJECT, wanted, foreign=held)


@pytest.fixture
def part(tkg_source: TkgSource, fake: FakeRegistry) -> Part:
    return Part(tkg_source, fake)


def test_a_whole_mirror_is_accepted(tkg_source: TkgSource, mirror: Registry) -> None:
    world = tkg_source.world
    judge(mirror.url, PROJECT, world.expected(VERSION, [TKR]), foreign=world.held_foreign)


def test_a_mirror_of_one_release_is_none_of_another(
    tkg_source: TkgSource, mirror: Registry
) -> None:
    lists = [e for e in tkg_source.world.expected("v1.6.0-fips.1") if e.kind == "bom"]
    with pytest.raises(AssertionError, match=r"4 faults .*\ntkg-bom:v1\.6\.0-fips\.1 \(bom\): "):
        judge(mirror.url, PROJECT, lists)


@pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")
@pytest.mark.parametrize(
    "name", ["tkg-bom:v1.6.0", "packages/core/repo:v1.23.8_vmware.2-tkg.1", "multus-cni:3.10"]
)
def test_skopeo_copies_out_what_tkg_will_ask_for(
    tkg_source: TkgSource, mirror: Registry, name: str, tmp_path: Path
) -> None:
    listed = tkg_source.world.expected(VERSION)
    expected = next(each for each in listed if f"{each.path}:{each.tag}" == name)
    copied_out(mirror.host, PROJECT, expected, tmp_path / "out")


def test_a_tag_left_out(part: Part) -> None:
    part.hold("etcd")
    part.repository("etcd").tags.clear()
    assert part.faults() == [
        "etcd:v3.5.4_vmware.6 (image): there is no tag v3.5.4_vmware.6 in etcd"
    ]


def test_a_tag_that_shows_another_image(part: Part) -> None:
    part.hold("envoy")
    tags = part.repository("envoy").tags
    tags["v1.18.4_vmware.1"] = tags["v1.21.3_vmware.1"]
    (fault,) = part.faults()
    assert fault.startswith("envoy:v1.18.4_vmware.1 (image): the tag v1.18.4_vmware.1 shows sha256")


def test_a_member_left_out_is_missed_without_the_list(part: Part) -> None:
    part.hold("packages/core/antrea")
    digest = part.member("packages/core/antrea#antrea-ubi")
    part.drop("packages/core/antrea", digest)
    found = part.faults([part.one("image")])
    assert len(found) == 2
    assert all(
        f"> lock entry projects-stg.registry.vmware.com/tkg/antrea-ubi@{digest}" in f for f in found
    )
    assert f"there is no manifest {digest} in packages/core/antrea" in found[1]


def test_a_member_without_imgpkgs_tag(part: Part) -> None:
    part.hold("packages/core/antrea")
    digest = part.member("packages/core/antrea#antrea-ubi")
    tag = f"{digest.replace(':', '-')}.imgpkg"
    del part.repository("packages/core/antrea").tags[tag]
    (fault,) = part.faults([part.one("image")])
    assert fault.endswith(f"there is no tag {tag} in packages/core/antrea")


def test_a_member_of_a_nested_bundle_left_out(part: Part) -> None:
    part.hold(CORE)
    digest = part.member(f"{CORE}#antrea-ubi")
    part.drop(CORE, digest)
    roots = [each for each in part.expected if each.kind == "image"]
    found = [fault for fault in part.faults(roots) if "no manifest" in fault]
    assert len(found) == 1
    assert found[0].count(" > lock entry ") == 2


def test_a_member_at_its_origin_only(part: Part) -> None:
    # The bundle can be used by whoever reaches the origin, which is nobody behind the gap.
    part.hold("tanzu-capabilities")
    digest = part.member("tanzu-capabilities#capabilities-manager")
    place = part.repository("tanzu-capabilities")
    part.repository("build/capabilities-manager").manifests[digest] = place.manifests[digest]
    part.drop("tanzu-capabilities", digest)
    assert any(f"there is no manifest {digest}" in fault for fault in part.faults())


@pytest.mark.parametrize("kind", ["signature", "referrers"])
def test_a_signature_or_a_list_of_referrers_left_out(part: Part, kind: str) -> None:
    part.hold("kube-apiserver", "contour")
    expected = part.one(kind)
    part.drop(expected.path, expected.digest)
    assert len(part.faults()) == 2
    assert all(f"({kind})" in fault for fault in part.faults())


def test_a_referrer_left_out_of_a_list_that_is_there(part: Part) -> None:
    part.hold("contour")
    expected = part.one("referrers")
    place = part.repository("contour")
    (entry,) = json.loads(place.manifests[expected.digest][1])["manifests"]
    del place.manifests[entry["digest"]]
    (fault,) = part.faults()
    assert fault.endswith(f"there is no manifest {entry['digest']} in contour")


def test_a_layer_left_out_and_a_spoiled_one(part: Part) -> None:
    part.hold("etcd", "grafana/grafana")
    etcd, grafana = part.repository("etcd").blobs, part.repository("grafana/grafana").blobs
    gone, spoiled = list(etcd)[-1], list(grafana)[-1]
    del etcd[gone]
    grafana[spoiled] = bytes(len(grafana[spoiled]))
    found = part.faults()
    assert len(found) == 2
    assert any(f"there is no blob {gone} in etcd (404)" in fault for fault in found)
    assert any(f"blob {spoiled} has other bytes" in fault for fault in found)


def test_a_layer_of_another_size(part: Part) -> None:
    part.hold("etcd")
    blobs = part.repository("etcd").blobs
    longer = list(blobs)[-1]
    blobs[longer] += b"!"
    (fault,) = part.faults()
    assert f"has {len(blobs[longer])} bytes and not {len(blobs[longer]) - 1}" in fault


def test_a_platform_left_out(part: Part) -> None:
    part.hold("pause")
    (expected,) = part.expected
    place = part.repository("pause")
    child = json.loads(place.manifests[expected.digest][1])["manifests"][1]["digest"]
    del place.manifests[child]
    (fault,) = part.faults()
    assert fault == f"pause:3.7 (image) > {child}: there is no manifest {child} in pause"


def test_a_foreign_layer_is_asked_for_only_where_the_source_has_it(
    part: Part, tkg_source: TkgSource
) -> None:
    part.hold(HELD, NOT_HELD)
    assert part.faults(foreign=True) == []
    (held,) = tkg_source.world.held_foreign
    del part.repository(HELD.partition(":")[0]).blobs[held]
    (fault,) = part.faults(foreign=True)
    assert f"there is no foreign layer {held}" in fault
    assert part.faults() == []


def test_a_bundle_without_its_lock(fake: FakeRegistry) -> None:
    image = plain_image({"config/package.yaml": b"{}"}, labels={LABEL: "true"})
    digest = fake.add(f"{PROJECT}/odd", "v1", image)
    (fault,) = faults(fake.url, PROJECT, [Expected("odd", "v1", digest, "image")])
    assert fault == "odd:v1 (image): it has the label of a bundle and no .imgpkg/images.yml"
