"""Parts of a TKG release: by infrastructure, component and platform, and with foreign layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.world.parts import Expected
from scripts.world.registry import Registry
from scripts.world.tkg import TkgWorld
from scripts.world.windows import HELD, NOT_HELD
from tests.fakes.simple import FakeRegistry
from tests.fakes.tkg import TkgSource
from tests.flows.cli import Ran
from tests.flows.judge_tkg import faults, judge
from tests.flows.tkg import (
    JSON,
    PROJECT,
    TKR,
    VERSION,
    arrived,
    no_names,
    place,
    push,
    release,
    tags,
)

pytestmark = pytest.mark.xdist_group("tkg")

FIPS = "v1.6.0-fips.1"
WINDOWS = {HELD.partition(":")[0], NOT_HELD.partition(":")[0]}


@pytest.fixture(autouse=True)
def nobody_asked() -> Iterator[None]:
    """What is at the source is never looked for elsewhere."""
    with no_names() as wanted:
        yield
    assert not wanted


@pytest.fixture
def world(tkg_source: TkgSource) -> TkgWorld:
    return tkg_source.world


@pytest.fixture
def destination() -> Iterator[Registry]:
    """An empty registry that takes manifests with layers that lie elsewhere, as Harbor does."""
    with Registry(foreign=True) as running:
        yield running


def copy(world: TkgWorld, registry: Registry, *more: object, version: str = VERSION) -> Ran:
    return release("copy", world, f"{registry.host}/{PROJECT}", *more, *JSON, version=version)


def copy_fips(world: TkgWorld, registry: Registry, *more: object) -> Ran:
    """The smallest release, for what every release has."""
    path = ("--compatibility-path", "fips/tkg-compatibility")
    return copy(world, registry, *path, *more, version=FIPS)


def components(*names: str) -> list[str]:
    return [part for name in names for part in ("--component", name)]


def at(world: TkgWorld, *paths: str) -> list[Expected]:
    """What is expected of the release at these paths."""
    return [each for each in world.expected(VERSION, [TKR]) if each.path in paths]


# --- infrastructures --------------------------------------------------------------------------


def test_one_infrastructures_packages_come_alone(world: TkgWorld, destination: Registry) -> None:
    ran = copy_fips(world, destination, "--infrastructure", "aws")
    assert ran.code == 0, ran.err
    expected = world.expected(FIPS, infrastructures=["aws"])
    assert any(each.path == "tkr-repository-aws" for each in expected)
    arrived(destination, world, expected)


def test_packages_that_the_bom_names_and_nobody_made_are_told_and_no_failure(
    world: TkgWorld, destination: Registry
) -> None:
    ran = copy_fips(world, destination, "--infrastructure", "azure")
    assert ran.code == 0, ran.err
    absent = [each["reference"] for each in ran.json["images"] if each["status"] == "absent"]
    assert len(absent) == 2
    assert all(f"{name} is not at the source; left out" in ran.json["warnings"] for name in absent)
    arrived(destination, world, world.expected(FIPS, infrastructures=["azure"]))


def test_an_infrastructure_that_the_bom_does_not_have(
    world: TkgWorld, destination: Registry
) -> None:
    ran = copy(world, destination, "--infrastructure", "oracle")
    assert ran.code == 3
    for name in ("'oracle'", "'aws'", "'azure'", "'vsphere-nonparavirt'"):
        assert name in ran.err
    assert not destination.requests()


# --- components -------------------------------------------------------------------------------


def test_a_component_comes_in_all_its_versions_with_what_is_attached(
    world: TkgWorld, destination: Registry
) -> None:
    ran = copy(world, destination, *components("contour"))
    assert ran.code == 0, ran.err
    expected = at(world, "contour")
    assert [each.kind for each in expected] == ["referrers", "image", "image", "image"]
    arrived(destination, world, expected)
    assert "48 of 51 images are left out by --component/--exclude-component" in ran.err


def test_a_component_that_is_a_bundle_comes_whole(world: TkgWorld, destination: Registry) -> None:
    ran = copy(world, destination, *components("tkg-standard-*", "contour/v1.17*"))
    assert ran.code == 0, ran.err
    expected = at(world, "packages/standard/repo")
    assert {each.kind for each in expected} == {"image", "member", "signature"}
    expected += [each for each in at(world, "contour") if each.tag == "v1.17.2_vmware.1"]
    arrived(destination, world, expected)


def test_what_is_excluded_stays_away_and_that_is_said(
    world: TkgWorld, destination: Registry
) -> None:
    away = ("--exclude-component", "tkg-*-packages", "--exclude-component", "tkr-package*")
    ran = copy_fips(world, destination, *away)
    assert ran.code == 0, ran.err
    whole = world.expected(FIPS)
    left_out = ("packages/core/", "tkr-aws", "tkr-vsphere", "tkr-repository-")
    expected = [each for each in whole if not each.path.startswith(left_out)]
    assert len(expected) < len(whole)
    arrived(destination, world, expected)
    assert any("images are left out by" in each for each in ran.json["warnings"])


@pytest.mark.parametrize("option", ["--component", "--exclude-component"])
def test_a_component_that_there_is_not_is_told_with_those_that_are_like_it(
    tkg_source: TkgSource, destination: Registry, option: str
) -> None:
    before = len(tkg_source.registry.requests())
    ran = copy(tkg_source.world, destination, option, "contuor")
    assert ran.code == 3
    assert "no component with images matches 'contuor'" in ran.err
    assert "close to it: 'contour'" in ran.err
    assert not destination.requests()
    # The BOMs were read, and none of the images.
    asked = {line.path.partition("?")[0] for line in tkg_source.registry.requests(before)}
    assert not [path for path in asked if "-bom/" not in path and "-compatibility/" not in path]


# --- foreign layers ---------------------------------------------------------------------------


def test_foreign_layers_come_where_the_source_has_them_if_that_is_asked_for(
    world: TkgWorld, destination: Registry
) -> None:
    ran = copy(world, destination, *components("pause", "csi-proxy"), "--include-foreign-layers")
    assert ran.code == 0, ran.err
    arrived(destination, world, at(world, *WINDOWS), foreign=world.held_foreign)
    (notice,) = [each for each in ran.json["warnings"] if "foreign" in each]
    assert f"{NOT_HELD}: foreign layers are left out (1)" in notice
    assert "the source does not have them" in notice


def test_foreign_layers_stay_where_they_are_otherwise(
    world: TkgWorld, destination: Registry
) -> None:
    ran = copy(world, destination, *components("pause", "csi-proxy"))
    assert ran.code == 0, ran.err
    arrived(destination, world, at(world, *WINDOWS))
    notices = [each for each in ran.json["warnings"] if "foreign" in each]
    assert len(notices) == 2
    assert all("--include-foreign-layers" in each for each in notices)
    (held,) = world.held_foreign
    path = HELD.partition(":")[0]
    place = f"{destination.url}/v2/{PROJECT}/{path}/blobs/{held}"
    assert httpx.head(place, trust_env=False).status_code == 404


# --- platforms --------------------------------------------------------------------------------

INDEXES = ("pause", "csi-proxy", "cluster_api_vsphere", "tkg-core-packages")
LINUX = ("--platform", "linux/amd64")


@pytest.fixture(scope="module")
def for_linux(tkg_source: TkgSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of images that have several platforms, less all but one of these."""
    path = tmp_path_factory.mktemp("platform") / "linux.tar"
    chosen = components(*INDEXES)
    with no_names():
        ran = release("bundle create", tkg_source.world, *chosen, *LINUX, "-o", path)
    assert ran.code == 0, ran.err
    return path


def chosen_paths(world: TkgWorld) -> list[Expected]:
    paths = {"cluster-api/cluster-api-vsphere-controller", *WINDOWS}
    expected = world.expected(VERSION, [TKR])
    return [e for e in expected if e.path in paths or e.path.startswith("packages/core/")]


def others(world: TkgWorld, expected: list[Expected]) -> dict[str, set[str]]:
    """By path:tag of an index, the digests of its images for other platforms than LINUX."""
    images = {put.image.manifest.digest: put.image for put in world.contents.puts}
    found = {}
    for each in expected:
        document = json.loads(images[each.digest].manifest.read())
        children = document.get("manifests", []) if each.kind != "referrers" else []
        if left := {child["digest"] for child in children if not _is_linux(child["platform"])}:
            found[place(each)] = left
    return found


def _is_linux(platform: dict[str, str]) -> bool:
    return f"{platform['os']}/{platform['architecture']}" in LINUX


def test_one_platform_comes_with_whole_indexes_to_a_registry_that_takes_that(
    world: TkgWorld, for_linux: Path, fake: FakeRegistry
) -> None:
    """The fake does what Debian's registry cannot be told to: to take an index as it comes."""
    fake.store.sparse = True
    ran = push(for_linux, fake)
    assert ran.code == 0, ran.err
    expected = [each for each in chosen_paths(world) if each.kind != "referrers"]
    left_out = others(world, expected)
    # pause, csi-proxy, a controller, and antrea-ubi and another one in two bundles.
    assert len(left_out) == 7
    missing = {
        f"there is no manifest {digest} in {name.partition(':')[0]}"
        for name, digests in left_out.items()
        for digest in digests
    }
    assert {each.rpartition(": ")[2] for each in faults(fake.url, PROJECT, expected)} == missing


def test_a_registry_that_refuses_such_an_index_is_explained_and_shows_no_tag_of_one(
    world: TkgWorld, for_linux: Path, registry: Registry
) -> None:
    ran = push(for_linux, registry)
    assert ran.code == 4
    assert "(it is sparse for --platform)" in ran.err
    assert "without --platform" in ran.err.partition("next:")[2]
    kept = push(for_linux, registry, "--keep-going", *JSON)
    assert kept.code == 8
    expected, there = chosen_paths(world), tags(registry)
    left_out = others(world, expected)
    assert not left_out.keys() & there
    # Nor is a bundle shown that has such a member.
    assert "packages/core/antrea:v1.5.3_tkg.1-advanced" not in there
    paths = {name.partition(":")[0] for name in left_out}
    whole = [each for each in expected if each.path not in paths]
    assert {place(each) for each in whole} <= there
    judge(registry.url, PROJECT, whole)
