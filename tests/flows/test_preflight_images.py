"""Carry a world over the gap, ask whether it is there, lose a part of it, and mend that."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mirror.settings import MAX_PLAN
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT
from tests.fakes.harbor import Harbor
from tests.fakes.packages import bundle, lock, tag_of
from tests.fakes.registries import Source
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import Ran, run
from tests.flows.test_carry import inputs

PROJECT = "air/gap"
APP = build(ImageSpec("app", own=(900, 400)))
PACKAGE = bundle(lock(f"gone.invalid/dev/app@{APP.manifest.digest}"))


@pytest.fixture(scope="module")
def carried(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    """The world of the sample BOMs as a bundle and as a plan; read them, do not write to them."""
    folder = tmp_path_factory.mktemp("world")
    tar, plan = folder / "tkg.tar", folder / "plan.json"
    assert run("bundle", "create", *inputs(source), "-o", tar).code == 0
    assert run("bundle", "plan", *inputs(source), "-o", plan).code == 0
    boms = tuple(each for bom in source.boms for each in ("--bom", bom))
    return Carried(tar, {"bundle": ("--bundle", tar), "plan": ("--plan", plan), "bom": boms})


@dataclass(frozen=True)
class Carried:
    """A bundle, and the ways to say what is in it."""

    bundle: Path
    ways: Mapping[str, tuple[object, ...]]


@pytest.fixture(scope="module")
def far(carried: Carried) -> Iterator[Registry]:
    """The registry behind the gap, to which everything was pushed; mend what you break."""
    with Registry(delete=True) as running:
        ran = run("bundle", "push", carried.bundle, dest(running.host), "--plain-http")
        assert ran.code == 0, ran.err
        yield running


def dest(host: str) -> str:
    return f"{host}/{PROJECT}"


def preflight(host: str, *more: object) -> Ran:
    return run("preflight", dest(host), "--plain-http", "--format", "json", *more)


def said(ran: Ran) -> dict[str, dict[str, Any]]:
    """What each of the five says."""
    return {each["id"]: each for each in ran.json["checks"] if each["id"].startswith("IMG-")}


def statuses(ran: Ran) -> dict[str, str]:
    return {name: check["status"] for name, check in said(ran).items()}


def good(way: str) -> dict[str, str]:
    """There is no imgpkg bundle in the sample world, and a BOM names no digest."""
    all_pass = {f"IMG-{number}": "pass" for number in range(1, 5)} | {"IMG-5": "skip"}
    return all_pass | ({"IMG-2": "skip"} if way == "bom" else {})


# --- all there --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["bundle", "plan", "bom"])
@pytest.mark.parametrize("more", [(), ("--deep",)], ids=["", "deep"])
def test_a_world_that_was_pushed_is_there(
    carried: Carried, far: Registry, way: str, more: tuple[str, ...]
) -> None:
    ran = preflight(far.host, *carried.ways[way], *more)
    assert statuses(ran) == good(way), ran.out
    assert not any(check["unknown"] for check in said(ran).values())


@pytest.mark.parametrize(("alone", "other"), [(0, "TKr BOM"), (1, "TKG BOM")])
def test_one_bom_of_the_two_does_not_name_all_that_tkg_needs(
    source: Source, far: Registry, alone: int, other: str
) -> None:
    given = ("--bom", source.boms[alone])
    ran = preflight(far.host, *given)
    found = said(ran)["IMG-1"]
    assert found["status"] == "warn"
    assert found["summary"].endswith(f"are there for anybody to pull; a {other} would name more")
    assert "the TKr BOM of each Kubernetes" in found["fix"]
    (told,) = (each for each in ran.json["requirements"] if each["id"] == "R5")
    assert told["state"] == "met"
    text = run("preflight", dest(far.host), "--plain-http", *given).out
    assert "every image is there before the installation (warned IMG-1)" in " ".join(text.split())


def test_where_tokens_are_asked_for_nobody_needs_a_password(
    carried: Carried, token_registry: TokenRegistry
) -> None:
    token_registry.tokens.users["ann"] = "correct horse"
    login = ("--plain-http", "--username", "ann", "--password-stdin")
    where = dest(token_registry.host)
    assert run("bundle", "push", carried.bundle, where, *login, stdin="correct horse\n").code == 0
    before = len(token_registry.tokens.asked)
    ran = preflight(token_registry.host, *carried.ways["bundle"])
    assert statuses(ran) == good("bundle")
    assert {asked.user for asked in token_registry.tokens.asked[before:]} <= {None, ""}


@pytest.mark.parametrize("public", [True, False])
def test_what_a_harbor_shows_to_strangers_depends_on_its_project(
    carried: Carried, harbor: Harbor, public: bool
) -> None:
    harbor.project("air", public=public)
    ann = harbor.user("ann", "canary", {"air": "developer"})
    login = ("--plain-http", "--username", ann.name, "--password-stdin")
    where = dest(harbor.host)
    assert run("bundle", "push", carried.bundle, where, *login, stdin="canary\n").code == 0
    ran = preflight(harbor.host, *carried.ways["bundle"])
    if public:
        assert statuses(ran) == good("bundle")
    else:
        assert ran.code != 0
        assert "pass" not in statuses(ran).values()


# --- a part is lost ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """Takes something away; returns the words by which it must be told."""

    check: str
    lose: Callable[[Registry, str], str]


def _delete(registry: Registry, place: str) -> None:
    path = f"{registry.url}/v2/{PROJECT}/{place}"
    assert httpx.delete(path, trust_env=False).status_code == 202


def _document(registry: Registry, path: str, name: str) -> dict[str, Any]:
    url = f"{registry.url}/v2/{PROJECT}/{path}/manifests/{name}"
    found = httpx.get(url, headers=ACCEPT, trust_env=False).json()
    assert isinstance(found, dict)
    return found


def _tag(registry: Registry, name: str) -> str:
    path, _, tag = name.partition(":")
    home = registry.storage / "docker/registry/v2/repositories" / PROJECT / path
    place = home / "_manifests/tags" / tag
    (place / "current/link").unlink()
    return f"{PROJECT}/{name}: not there"


def _manifest(registry: Registry, name: str) -> str:
    path, _, tag = name.partition(":")
    url = f"{registry.url}/v2/{PROJECT}/{path}/manifests/{tag}"
    digest = httpx.head(url, headers=ACCEPT, trust_env=False).headers["docker-content-digest"]
    _delete(registry, f"{path}/manifests/{digest}")
    return f"{PROJECT}/{name}: not there"


def _child(registry: Registry, name: str) -> str:
    path, _, tag = name.partition(":")
    digest = _document(registry, path, tag)["manifests"][-1]["digest"]
    _delete(registry, f"{path}/manifests/{digest}")
    return f"{PROJECT}/{name}: {PROJECT}/{path}@{digest}"


def _layer(registry: Registry, name: str) -> str:
    path, _, tag = name.partition(":")
    digest = _document(registry, path, tag)["layers"][-1]["digest"]
    _delete(registry, f"{path}/blobs/{digest}")
    return f"{PROJECT}/{name}: {PROJECT}/{path}@{digest}: not there"


def _configuration(registry: Registry, name: str) -> str:
    path, _, tag = name.partition(":")
    digest = _document(registry, path, tag)["config"]["digest"]
    _delete(registry, f"{path}/blobs/{digest}")
    return f"{PROJECT}/{name}: {PROJECT}/{path}@{digest}: not there"


LOSSES = {
    "tag": Loss("IMG-1", _tag),
    "manifest": Loss("IMG-1", _manifest),
    "image of an index": Loss("IMG-3", _child),
    "layer": Loss("IMG-4", _layer),
    "configuration": Loss("IMG-4", _configuration),
}


def _name_of(registry: Registry, carried: Carried, *, index: bool) -> str:
    """The first image of the kind, by ``path:tag``, whose repository has no other one."""
    shown = run("bundle", "show", carried.bundle, "--format", "json").json["images"]
    paths = [each["path"] for each in shown]
    kind = "index" if index else "image"
    return next(
        f"{each['path']}:{each['tag']}"
        for each in shown
        if each["kind"] == kind and paths.count(each["path"]) == 1
    )


@pytest.mark.parametrize("way", ["bundle", "plan", "bom"])
@pytest.mark.parametrize("lost", LOSSES)
def test_what_is_lost_is_told_alone_and_the_fix_brings_it_back(
    carried: Carried, far: Registry, way: str, lost: str
) -> None:
    loss = LOSSES[lost]
    words = loss.lose(far, _name_of(far, carried, index=loss.check == "IMG-3"))
    ran = preflight(far.host, *carried.ways[way])
    assert ran.code == 7
    assert statuses(ran) == good(way) | {loss.check: "fail"}, ran.out
    check = said(ran)[loss.check]
    assert check["summary"].startswith("1 of ")
    assert check["detail"].partition("\n")[0].startswith(words)
    command = shlex.split(check["fix"].rpartition("then ")[2].partition(";")[0])
    assert command[:3] == ["tkg-mirror", "bundle", "push"]
    if way != "bundle":
        assert command[3] == "tkg.tar"
        command[3] = str(carried.bundle)
    assert run(*command[1:]).code == 0
    assert statuses(preflight(far.host, *carried.ways[way])) == good(way)


def test_a_member_that_is_lost_is_told_with_its_bundle_and_mended(
    registry: Registry, tmp_path: Path
) -> None:
    tar = tmp_path / "package's.tar"
    with FakeRegistry() as source:
        source.add("tkg/package", "v1", PACKAGE)
        source.add("tkg/package", tag_of(APP), APP)
        given = ("--images", "-", "--source-repo", f"{source.host}/tkg", "--plain-http")
        names = f"{source.host}/tkg/package:v1\n"
        assert run("bundle", "create", *given, "-o", tar, stdin=names).code == 0
    push = ("bundle", "push", tar, dest(registry.host), "--plain-http")
    assert run(*push).code == 0
    # No BOM says that this package is all that TKG needs.
    five = {f"IMG-{number}": "pass" for number in range(2, 6)} | {"IMG-1": "warn", "IMG-3": "skip"}
    assert statuses(preflight(registry.host, "--bundle", tar)) == five
    _delete(registry, f"package/manifests/{APP.manifest.digest}")
    ran = preflight(registry.host, "--bundle", tar)
    assert statuses(ran) == five | {"IMG-5": "fail"}
    check = said(ran)["IMG-5"]
    words = f"{PROJECT}/package:v1: {PROJECT}/package@{APP.manifest.digest}: not there"
    assert check["detail"].startswith(words)
    assert run(*shlex.split(check["fix"])[1:]).code == 0
    assert statuses(preflight(registry.host, "--bundle", tar)) == five


# --- what is given ----------------------------------------------------------------------------


@pytest.fixture
def unasked(fake: FakeRegistry) -> FakeRegistry:
    """A registry that must not be asked for anything."""
    return fake


def test_what_to_look_for_is_said_once(carried: Carried, unasked: FakeRegistry) -> None:
    ways = carried.ways
    for one, two in (("bundle", "bom"), ("bundle", "plan"), ("bom", "plan")):
        ran = preflight(unasked.host, *ways[one], *ways[two])
        assert ran.code == 2
        assert f"--{one} and --{two}" in ran.err
    ran = preflight(unasked.host, "--deep")
    assert ran.code == 2
    assert "--deep needs --bundle, --bom or --plan" in ran.err
    ran = preflight(unasked.host, "--plan", "-", "--username", "ann", "--password-stdin")
    assert ran.code in (2, 3)
    assert unasked.requests == []


@pytest.mark.parametrize("option", ["--bundle", "--bom", "--plan"])
@pytest.mark.parametrize("content", [None, b"", b"\x00" * 2000, b"{}", b"a: [1"])
def test_a_wrong_file_is_an_input_fault(
    unasked: FakeRegistry, tmp_path: Path, option: str, content: bytes | None
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    ran = preflight(unasked.host, option, file)
    assert ran.code == 3, ran.err
    assert str(file) in ran.err
    assert unasked.requests == []


def test_a_damaged_bundle_is_not_believed(
    carried: Carried, unasked: FakeRegistry, tmp_path: Path
) -> None:
    raw = bytearray(carried.bundle.read_bytes())
    raw[raw.index(b'"layers"') + 2] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(raw)
    assert preflight(unasked.host, "--bundle", damaged).code == 6
    assert unasked.requests == []


@pytest.mark.parametrize("name", [*(f"IMG-{number}" for number in range(1, 6)), "R5"])
def test_missing_images_cannot_be_waived(unasked: FakeRegistry, name: str) -> None:
    ran = preflight(unasked.host, "--waive", f"{name}=tomorrow")
    assert ran.code == 2
    assert "cannot be waived" in ran.err


def test_a_plan_comes_from_standard_input_too(carried: Carried, far: Registry) -> None:
    plan = Path(str(carried.ways["plan"][1])).read_text()
    assert json.loads(plan)["schema"] == "tkg-mirror/plan/v1"
    where = ("preflight", dest(far.host), "--plain-http", "--format", "json", "--plan", "-")
    assert statuses(run(*where, stdin=plan)) == good("plan")


def test_a_plan_larger_than_any_is_refused_before_it_is_looked_into(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    with plan.open("wb") as file:
        file.truncate(MAX_PLAN + 1)
    ran = preflight("registry.invalid", "--plan", plan)
    assert ran.code == 3
    assert f"over {MAX_PLAN} bytes" in ran.err
