"""Whole TKG releases from their version number to a mirror, judged without the tool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.world.parts import Expected
from scripts.world.registry import Registry
from tests.fakes import skopeo
from tests.fakes.tkg import TkgSource
from tests.flows.cli import Ran, run
from tests.flows.judge_tkg import copied_out
from tests.flows.tkg import (
    ATTACHED,
    JSON,
    PROJECT,
    QUICK,
    SECOND,
    TKR,
    VERSION,
    arrived,
    found_at,
    lacking,
    no_names,
    planned,
    push,
    release,
)

pytestmark = pytest.mark.xdist_group("tkg")

TAG = TKR.replace("+", "_")
WHOLE = ("--tkr", TKR)


@dataclass(frozen=True)
class Mirror:
    """A registry behind the gap, and how the push to it ended."""

    registry: Registry
    pushed: Ran


@pytest.fixture(autouse=True)
def nobody_asked() -> Iterator[None]:
    """What is at the source is never looked for elsewhere."""
    with no_names() as wanted:
        yield
    assert not wanted


@pytest.fixture(scope="module")
def bundle(tkg_source: TkgSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VERSION with TKR; read it, do not write to it."""
    path = tmp_path_factory.mktemp("tkg") / "tkg.tar"
    with no_names() as wanted:
        ran = release("bundle create", tkg_source.world, *WHOLE, "-o", path)
    assert ran.code == 0, ran.err
    assert not wanted
    return path


@pytest.fixture(scope="module")
def mirror(bundle: Path) -> Iterator[Mirror]:
    """What a push of that bundle makes of an empty registry; nobody pushes anything else to it."""
    with Registry(foreign=True) as running:
        yield Mirror(running, push(bundle, running))


@pytest.fixture
def destination() -> Iterator[Registry]:
    """An empty registry that takes manifests with layers that lie elsewhere, as Harbor does."""
    with Registry(foreign=True) as running:
        yield running


@pytest.fixture(scope="module")
def expected(tkg_source: TkgSource) -> list[Expected]:
    return tkg_source.world.expected(VERSION, [TKR])


# --- by a bundle ------------------------------------------------------------------------------


def test_a_release_arrives_with_members_signatures_and_lists_and_nothing_else(
    tkg_source: TkgSource, mirror: Mirror, expected: list[Expected]
) -> None:
    assert mirror.pushed.code == 0, mirror.pushed.err
    kinds = {each.kind for each in expected}
    assert kinds == {"bom", "compatibility", "image", "kubeadm", "package", "member", *ATTACHED}
    arrived(mirror.registry, tkg_source.world, expected)


@pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")
@pytest.mark.parametrize(
    "name",
    [
        f"tkr-bom:{TAG}",
        "v18-v1.6.0/tkr-compatibility:v19",
        "velero/restore-helper:v1.8.1_vmware.1",
        "coredns:v1.8.6_vmware.7",
        f"tkr-vsphere-nonparavirt:{TAG}",
        "cluster-api/cluster-api-vsphere-controller:v1.3.1_vmware.1",
    ],
)
def test_skopeo_copies_out_by_the_path_that_tkg_asks_for(
    mirror: Mirror, expected: list[Expected], name: str, tmp_path: Path
) -> None:
    (wanted,) = [each for each in expected if f"{each.path}:{each.tag}" == name]
    copied_out(mirror.registry.host, PROJECT, wanted, tmp_path / "out")


@pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")
def test_skopeo_copies_out_members_by_imgpkgs_tag(
    mirror: Mirror, expected: list[Expected], tmp_path: Path
) -> None:
    members = [e for e in expected if e.kind == "member" and e.path == "tanzu-capabilities"]
    assert len(members) == 2
    for number, wanted in enumerate(members):
        copied_out(mirror.registry.host, PROJECT, wanted, tmp_path / str(number))


def test_a_second_push_moves_nothing(bundle: Path, mirror: Mirror) -> None:
    before = len(mirror.registry.requests())
    again = push(bundle, mirror.registry, *JSON)
    assert again.code == 0, again.err
    assert again.json["bytes"]["moved"] == again.json["bytes"]["mounted"] == 0
    assert {image["status"] for image in again.json["images"]} == {"present"}
    assert {line.method for line in mirror.registry.requests(before)} == {"HEAD", "GET"}


def test_the_bundle_is_sound_and_says_what_it_holds(bundle: Path, expected: list[Expected]) -> None:
    assert run("bundle", "verify", bundle, *JSON).json["result"] == "ok"
    shown = run("bundle", "show", bundle, *JSON).json
    held = {(each["path"], each["tag"]): each for each in shown["images"]}
    for each in expected:
        # The list of referrers is made where they arrive; they themselves have no tags.
        if each.kind != "referrers":
            assert held[each.path, each.tag]["digest"] == each.digest
    bundles = {path for (path, _), each in held.items() if each["kind"] == "imgpkg-bundle"}
    assert {"tanzu-capabilities", "packages/core/repo", "tkr-aws"} <= bundles
    assert not [path for path in bundles if "byoh" in path]
    boms = {(bom["kind"], bom["release"]) for bom in shown["boms"]}
    assert boms == {("tkg-bom", VERSION), ("tkr-bom", TKR)}


# --- always the same --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "more"),
    [(VERSION, ("--tkr", TAG, "-j", 1)), ("1.6.0", ("-j", 16))],
    ids=["the TKr as a tag", "no v and no TKr"],
)
def test_every_spelling_gives_the_same_bytes(
    tkg_source: TkgSource, bundle: Path, tmp_path: Path, version: str, more: tuple[object, ...]
) -> None:
    path = tmp_path / "again.tar"
    ran = release("bundle create", tkg_source.world, *more, "-o", path, version=version)
    assert ran.code == 0, ran.err
    assert path.read_bytes() == bundle.read_bytes()
    assert ("the BOM's default, is taken" in ran.err) == ("--tkr" not in more)


def test_a_create_from_a_plan_gives_the_same_bytes(
    tkg_source: TkgSource, bundle: Path, tmp_path: Path
) -> None:
    plan, path = tmp_path / "plan.json", tmp_path / "planned.tar"
    assert release("bundle plan", tkg_source.world, *WHOLE, "-o", plan).code == 0
    where = ("--rewrite", tkg_source.world.rewrite, *QUICK)
    ran = run("bundle", "create", "--plan", plan, *where, "-o", path)
    assert ran.code == 0, ran.err
    assert path.read_bytes() == bundle.read_bytes()


def test_fetched_boms_name_all_but_the_two_lists(tkg_source: TkgSource, tmp_path: Path) -> None:
    """The compatibility lists say which BOMs there are, so no BOM names them."""
    world, folder = tkg_source.world, tmp_path / "boms"
    fetched = release("bom fetch", world, *WHOLE, "-o", folder)
    assert fetched.code == 0, fetched.err
    boms = [folder / f"tkg-bom-{VERSION}.yaml", folder / f"tkr-bom-{TKR}.yaml"]
    for bom, version in zip(boms, (VERSION, TKR), strict=True):
        assert bom.read_bytes() == world.write_bom(version, tmp_path).read_bytes()
    named = [part for bom in boms for part in ("--bom", bom)]
    by_file = planned(run("bundle", "plan", *named, *found_at(world), *JSON))
    by_version = planned(release("bundle plan", world, *WHOLE, *JSON))
    lists = {f"{world.repository}/{name}" for name in LISTS}
    assert by_version.keys() - by_file.keys() == lists
    assert by_file == {name: by_version[name] for name in by_version if name not in lists}


LISTS = ("tkg-compatibility:v15", "v18-v1.6.0/tkr-compatibility:v19")


def test_without_referrers_it_is_the_bundle_of_a_world_that_has_none(
    tkg_source: TkgSource, tmp_path: Path
) -> None:
    """References of the dead host, so that no port is in the bundles."""
    names = [n for n in tkg_source.world.names if n.endswith((".sig", ".att", ".referrers"))]
    assert len(names) == 6
    paths = [tmp_path / "left-out.tar", tmp_path / "bare.tar"]
    old = tkg_source.world.rewrite.partition("=")[0]
    own = ("--source-repo", old, "--tkg-version", VERSION, *WHOLE, *QUICK)
    with lacking(tkg_source, tmp_path / "shelf", *names) as bare:
        for path, world, more in zip(
            paths, (tkg_source.world, bare), (["--no-referrers"], []), strict=True
        ):
            ran = run("bundle", "create", *own, "--rewrite", world.rewrite, *more, "-o", path)
            assert ran.code == 0, ran.err
    assert paths[0].read_bytes() == paths[1].read_bytes()
    shown = run("bundle", "show", paths[0], *JSON).json["images"]
    assert not [each for each in shown if not each["tag"] or each["tag"].endswith((".sig", ".att"))]


# --- without one ------------------------------------------------------------------------------


def test_a_copy_with_all_tkrs_arrives_whole_and_a_second_one_moves_nothing(
    tkg_source: TkgSource, destination: Registry
) -> None:
    world = tkg_source.world
    line = ("copy", world, f"{destination.host}/{PROJECT}", "--all-tkrs", *JSON)
    ran = release(*line)
    assert ran.code == 0, ran.err
    arrived(destination, world, world.expected(VERSION))
    before = len(destination.requests())
    again = release(*line)
    assert again.json["bytes"]["moved"] == again.json["bytes"]["mounted"] == 0
    assert {line.method for line in destination.requests(before)} == {"HEAD", "GET"}


def test_tkrs_that_are_named_are_those_that_come(
    tkg_source: TkgSource, destination: Registry
) -> None:
    """TKG 1.5.4 has its TKr list at another path, and no TKr packages."""
    world = tkg_source.world
    line = ("copy", world, f"{destination.host}/{PROJECT}", "--tkr", SECOND)
    ran = release(*line, version="v1.5.4")
    assert ran.code == 0, ran.err
    arrived(destination, world, world.expected("v1.5.4", [SECOND]))


def test_a_fips_release_from_its_own_list(tkg_source: TkgSource, destination: Registry) -> None:
    world, version = tkg_source.world, "v1.6.0-fips.1"
    path = ("--compatibility-path", "fips/tkg-compatibility")
    ran = release("copy", world, f"{destination.host}/{PROJECT}", *path, version=version)
    assert ran.code == 0, ran.err
    arrived(destination, world, world.expected(version))
