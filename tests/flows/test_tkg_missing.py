"""TKG releases of which something is missing: told at once, before anything moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from scripts.world.images import DOCKER, OCI, Blob
from scripts.world.imgpkg import LABEL, member_tag
from scripts.world.parts import Expected
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from scripts.world.tkg import TkgWorld
from tests.fakes.tkg import TkgSource
from tests.flows.cli import Ran, run
from tests.flows.tkg import (
    JSON,
    PROJECT,
    QUICK,
    SECOND,
    TKR,
    VERSION,
    arrived,
    lacking,
    no_names,
    one,
    push,
    release,
    shelved,
)

pytestmark = pytest.mark.xdist_group("tkg")

STAGING = "projects-stg.registry.vmware.com"
UNLISTED = "v1.99.0+vmware.1-tkg.1"
TAG = TKR.replace("+", "_")

# An image that the TKr BOM names, and a member of a bundle that it names too.
ETCD, MEMBER = "etcd:v3.5.4_vmware.6", "packages/core/antrea#antrea-ubi"
ANTREA = "packages/core/antrea:v1.5.3_tkg.1-advanced"
ASKED = ("--tkr", TKR, "--tkr", UNLISTED)


@pytest.fixture(autouse=True)
def asked() -> Iterator[set[str]]:
    """Hosts that somebody wanted the address of: none is known."""
    with no_names() as wanted:
        yield wanted


@pytest.fixture(scope="module")
def less(
    tkg_source: TkgSource, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Registry, TkgWorld]]:
    """The world without ETCD and MEMBER; read it, do not write to it."""
    with shelved(tkg_source, tmp_path_factory.mktemp("less") / "shelf", ETCD, MEMBER) as running:
        yield running, replace(tkg_source.world, url=running.url)


@pytest.fixture
def destination() -> Iterator[Registry]:
    with Registry(foreign=True) as running:
        yield running


def names(world: TkgWorld) -> list[str]:
    """The references that cannot be had, and the bundle that is no use without its member."""
    member = one(world, MEMBER).image.manifest.digest
    paths = (
        f"tkr-bom:{UNLISTED.replace('+', '_')}",
        ETCD,
        f"packages/core/antrea:{member_tag(member)}@{member}",
        ANTREA,
    )
    return [f"{world.repository}/{path}" for path in paths]


# --- before anything moves --------------------------------------------------------------------


@pytest.mark.parametrize("command", ["bundle plan", "bundle create", "copy"])
def test_all_that_is_missing_is_told_at_once_and_nothing_moves(
    less: tuple[Registry, TkgWorld],
    destination: Registry,
    tmp_path: Path,
    asked: set[str],
    command: str,
) -> None:
    source, world = less
    before = len(source.requests())
    ran = _whole(command, world, destination, tmp_path / "out")
    assert ran.code == 3
    told = ran.err.partition("error: 4 images cannot be resolved\n")[2].splitlines()
    assert [line.strip().partition(": ")[0] for line in told[:4]] == names(world)
    assert f"does not go with TKG {VERSION}: tkr-compatibility lists {SECOND}, {TKR}" in told[0]
    assert all(f"{source.host} answered 404" in line for line in told[1:3])
    assert f"it needs {names(world)[2]}" in told[3]
    assert asked == {STAGING}
    assert not [*tmp_path.iterdir()]
    assert not destination.requests()
    read = _read(source, before)
    assert read
    assert read <= _looked_into(world)


def test_json_names_all_of_them_too(less: tuple[Registry, TkgWorld], tmp_path: Path) -> None:
    _, world = less
    ran = release("bundle create", world, *ASKED, "-o", tmp_path / "x.tar", *JSON)
    assert ran.code == 3
    document = ran.json
    assert (document["schema"], document["result"]) == ("tkg-mirror/run/v1", "failed")
    assert document["error"]["name"] == "unresolved"
    assert [each["reference"] for each in document["images"]] == names(world)
    assert {each["status"] for each in document["images"]} == {"failed"}
    assert all(each["reason"] for each in document["images"])
    assert not [*tmp_path.iterdir()]


def _whole(command: str, world: TkgWorld, destination: Registry, output: Path) -> Ran:
    more = (f"{destination.host}/{PROJECT}",) if command == "copy" else ("-o", output)
    return release(command, world, *more, *ASKED)


def _read(source: Registry, before: int) -> set[str]:
    """The digests of all blobs that were fetched since."""
    lines = source.requests(before)
    return {
        line.path.rpartition("/")[2]
        for line in lines
        if line.method == "GET" and "/blobs/" in line.path
    }


def _looked_into(world: TkgWorld) -> set[str]:
    """Configurations, and the layers of bundles, BOMs and lists: whatever has to be read."""
    found = set[str]()
    for put in world.contents.puts:
        blobs = [blob for node in put.image.walk() for blob in node.blobs]
        configs = [blob for blob in blobs if blob.media_type in (DOCKER.config, OCI.config)]
        found.update(blob.digest for blob in configs)
        if put.path.endswith(("-bom", "-compatibility")) or _is_bundle(configs):
            found.update(blob.digest for blob in blobs)
    return found


def _is_bundle(configs: list[Blob]) -> bool:
    return any(LABEL.encode() in config.read() for config in configs)


@pytest.mark.parametrize(
    ("version", "listed"), [("v1.7.0", "v1.5.4, v1.6.0"), ("v1.6.0-fips.1", "v1.5.4, v1.6.0")]
)
def test_a_version_that_is_not_listed_shows_those_that_are(
    tkg_source: TkgSource, tmp_path: Path, version: str, listed: str
) -> None:
    before = len(tkg_source.registry.requests())
    output = tmp_path / "x.tar"
    ran = release("bundle create", tkg_source.world, "-o", output, version=version)
    assert ran.code == 3
    assert f"tkg-compatibility/v15 does not list TKG {version}\n  it lists {listed}\n" in ran.err
    assert "--compatibility-path" in ran.err.partition("next:")[2]
    assert "fips/tkg-compatibility" in ran.err
    paths = {line.path for line in tkg_source.registry.requests(before) if "/tkg/" in line.path}
    assert all("/tkg-compatibility/" in path for path in paths)
    assert not [*tmp_path.iterdir()]


# --- with the rest of it ----------------------------------------------------------------------


def test_with_keep_going_the_rest_is_a_sound_bundle_of_whole_bundles(
    less: tuple[Registry, TkgWorld], destination: Registry, tmp_path: Path
) -> None:
    _, world = less
    path = tmp_path / "rest.tar"
    ran = release("bundle create", world, *ASKED, "-o", path, "--keep-going", *JSON)
    assert ran.code == 8, ran.err
    failed = [each["reference"] for each in ran.json["images"] if each["status"] == "failed"]
    assert sorted(failed) == sorted(names(world))
    assert [*tmp_path.iterdir()] == [path]
    assert run("bundle", "verify", path).code == 0
    assert push(path, destination).code == 0
    arrived(destination, world, _rest(world))


def test_a_copy_with_keep_going_brings_the_same_and_a_later_one_what_was_missing(
    tkg_source: TkgSource, less: tuple[Registry, TkgWorld], destination: Registry
) -> None:
    _, world = less
    chosen = ("--component", "etcd", "--component", "tkg-core-packages")
    line = (f"{destination.host}/{PROJECT}", "--tkr", TKR, *chosen, *JSON)
    ran = release("copy", world, *line, "--keep-going")
    assert ran.code == 8, ran.err
    paths = ("etcd", "packages/core/")
    arrived(destination, world, [e for e in _rest(world) if e.path.startswith(paths)])
    whole = tkg_source.world
    ran = release("copy", whole, *line)
    assert ran.code == 0, ran.err
    new = [each["reference"] for each in ran.json["images"] if each["status"] == "copied"]
    member = one(world, MEMBER).image.manifest.digest
    assert {reference.rpartition("/")[2] for reference in new} == {
        ETCD,
        ANTREA.rpartition("/")[2],
        f"antrea:{member_tag(member)}@{member}",
        f"antrea:{member.replace(':', '-')}.sig",
        # It goes along wherever the member goes, once it is known.
        f"repo:{member.replace(':', '-')}.sig",
    }
    expected = whole.expected(VERSION, [TKR])
    arrived(destination, whole, [e for e in expected if e.path.startswith(paths)])


def _rest(world: TkgWorld) -> list[Expected]:
    """All of the release but ETCD, MEMBER with its signature, and the bundle that needs it."""
    digest = one(world, MEMBER).image.manifest.digest
    gone = {ETCD, ANTREA, f"packages/core/antrea:{member_tag(digest)}"}
    gone.add(f"packages/core/antrea:{digest.replace(':', '-')}.sig")
    expected = world.expected(VERSION, [TKR])
    rest = [each for each in expected if f"{each.path}:{each.tag}" not in gone]
    assert len(rest) == len(expected) - len(gone)
    return rest


# --- names of hosts that are gone -------------------------------------------------------------


def test_a_member_that_a_lock_names_at_the_old_host_is_found_where_the_release_is(
    tkg_source: TkgSource, destination: Registry, asked: set[str]
) -> None:
    """capabilities-manager was never copied to its bundle, and lies where it was built."""
    world = tkg_source.world
    ran = _capabilities(world, destination)
    assert ran.code == 0, ran.err
    assert not asked
    expected = world.expected(VERSION, [TKR])
    arrived(destination, world, [e for e in expected if e.path == "tanzu-capabilities"])


def test_so_is_one_that_a_lock_names_at_the_staging_host(
    tkg_source: TkgSource, destination: Registry, tmp_path: Path, asked: set[str]
) -> None:
    moved = "tanzu-capabilities#capabilities-webhook"
    with (
        shelved(tkg_source, tmp_path / "shelf", moved) as source,
        httpx.Client(trust_env=False) as client,
    ):
        world = replace(tkg_source.world, url=source.url)
        image = one(world, moved).image
        Seeder(source.url, client).put("tkg/capabilities-webhook", image.manifest.digest, image)
        ran = _capabilities(world, destination)
    assert ran.code == 0, ran.err
    assert not asked
    expected = world.expected(VERSION, [TKR])
    arrived(destination, world, [e for e in expected if e.path == "tanzu-capabilities"])


def _capabilities(world: TkgWorld, destination: Registry) -> Ran:
    """Copy a bundle with nothing said but where the release is."""
    where = ("--source-repo", world.repository, "--tkg-version", VERSION, *QUICK)
    chosen = ("--component", "capabilities-package")
    return run("copy", f"{destination.host}/{PROJECT}", *where, *chosen)


def test_a_member_that_is_nowhere_is_missing_though_the_host_that_is_gone_says_nothing(
    tkg_source: TkgSource, destination: Registry, tmp_path: Path, asked: set[str]
) -> None:
    """To be sent on to --source-repo would be no help: that is where it was looked for."""
    lost = "tanzu-capabilities#capabilities-manager"
    with lacking(tkg_source, tmp_path / "shelf", lost) as world:
        ran = _capabilities(world, destination)
    assert ran.code == 3
    assert asked == {"projects.registry.vmware.com"}
    digest = one(world, lost).image.manifest.digest
    assert f"tanzu-capabilities:{member_tag(digest)}" in ran.err
    assert "projects.packages.broadcom.com" not in ran.err
    assert not destination.requests()


def test_an_image_with_a_repository_of_its_own_at_the_old_host_gets_the_advice(
    tkg_source: TkgSource, destination: Registry
) -> None:
    """--source-repo stands in place of the BOM's base repository and of no other."""
    world = tkg_source.world
    where = ("--source-repo", world.repository, "--tkg-version", VERSION, *QUICK)
    ran = run("copy", f"{destination.host}/{PROJECT}", *where, "--component", "velero", *JSON)
    assert ran.code == 4
    (failed,) = [each["reference"] for each in ran.json["images"]]
    assert "/tkg/third-party/velero/restore-helper:" in failed
    assert "--rewrite projects.registry.vmware.com=" in json.dumps(ran.json["error"]["next"])
    assert not destination.requests()
