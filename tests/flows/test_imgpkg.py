"""imgpkg bundles across the gap: whole, where imgpkg looks for them, or not to be seen at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.behaviours import answer, flip_byte
from tests.fakes.packages import bundle, lock, tag_of
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, complete, run, start
from tests.flows.judge import visible
from tests.flows.test_kill import Trigger

QUICK = ("--plain-http", "--retries", 0)
# Nobody owns this name: a rewrite says where the images are, so that no port is in any bundle.
HOST = "registry.example.com"
REPO = "packages/standard/repo"

APP = build(ImageSpec("app", own=(900, 400)))
AGENT = build(ImageSpec("agent", platforms=("amd64", "arm64")))


def built(image: Image) -> str:
    """As a lock names it: where it was built, which nobody reaches."""
    return f"gone.invalid/dev/image@{image.manifest.digest}"


# A package repository of two packages, which share an image that is its own member too.
INNER = bundle(lock(built(APP), built(AGENT)), name="inner")
SECOND = bundle(lock(built(AGENT)), name="second")
OUTER = bundle(lock(built(INNER), built(SECOND), built(AGENT)), name="outer")
MEMBERS = (INNER, SECOND, APP, AGENT)
LOCKS = {OUTER: (INNER, SECOND, AGENT), INNER: (APP, AGENT), SECOND: (AGENT,)}
NAMES = {f"{REPO}:v1", "app:v1", *(f"{REPO}:{tag_of(member)}" for member in MEMBERS)}


@pytest.fixture
def world(fake: FakeRegistry) -> FakeRegistry:
    """The source: the package repository as imgpkg copies it, and an image beside it."""
    fill(fake)
    return fake


@pytest.fixture
def target() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it as a bundle; read it, do not write to it."""
    path = tmp_path_factory.mktemp("bundle") / "x.tar"
    with FakeRegistry() as source:
        fill(source)
        assert create(source, path).code == 0
    return path


def fill(fake: FakeRegistry) -> None:
    fake.add(f"tkg/{REPO}", "v1", OUTER)
    for member in MEMBERS:
        fake.add(f"tkg/{REPO}", tag_of(member), member)
    fake.add("tkg/app", "v1", APP)


def fetch(fake: FakeRegistry) -> tuple[object, ...]:
    return ("--rewrite", f"{HOST}={fake.host}", *QUICK)


def named(verb: str, fake: FakeRegistry, *more: object) -> Ran:
    """A plan or create of the list."""
    listed = f"{HOST}/tkg/{REPO}:v1\n{HOST}/tkg/app:v1\n"
    own = ("--images", "-", "--source-repo", f"{HOST}/tkg")
    return run("bundle", verb, *own, *fetch(fake), *more, stdin=listed)


def create(fake: FakeRegistry, path: Path, *more: object) -> Ran:
    return named("create", fake, "-o", path, *more)


def push(path: Path, fake: FakeRegistry, *more: object) -> Ran:
    return run("bundle", "push", path, f"{fake.host}/air", *QUICK, *more)


def shown(path: Path) -> dict[str, str]:
    """Kinds by ``path:tag``."""
    images = run("bundle", "show", path, "--format", "json").json["images"]
    return {f"{each['path']}:{each['tag']}": each["kind"] for each in images}


def statuses(ran: Ran) -> dict[str, str]:
    """By ``path:tag``, without the host and the digest that stand in a reference."""
    images = ran.json["images"]
    return {
        each["reference"].removeprefix(f"{HOST}/tkg/").partition("@")[0]: each["status"]
        for each in images
    }


def seen_whole(fake: FakeRegistry) -> set[str]:
    """What can be seen; fails where that is a bundle that lacks a member, or the member's tag."""
    found = complete(fake)
    for bundled, members in LOCKS.items():
        for name, repository in fake.store.repositories.items():
            if bundled.manifest.digest in repository.tags.values():
                held = {f"{name}:{tag_of(member)}" for member in members}
                assert held <= found, f"a bundle in {name} lacks {held - found}"
                assert {m.manifest.digest for m in members} <= repository.manifests.keys()
    return found


# --- there and back ---------------------------------------------------------------------------


def test_each_entry_of_each_lock_is_in_the_bundles_own_repository(
    world: FakeRegistry, target: FakeRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "x.tar"
    ran = create(world, path)
    assert ran.code == 0, ran.err
    assert "warning" not in ran.out
    assert run("bundle", "verify", path).code == 0
    assert push(path, target).code == 0
    assert seen_whole(target) == {f"air/{name}" for name in NAMES}
    place = target.store.repositories[f"air/{REPO}"]
    assert {tag: place.tags[tag] for tag in map(tag_of, MEMBERS)} == {
        tag_of(member): member.manifest.digest for member in MEMBERS
    }
    assert place.tags["v1"] == OUTER.manifest.digest


def test_a_bundle_says_which_images_are_bundles_and_of_how_many(carried: Path) -> None:
    assert shown(carried) == {
        f"{REPO}:v1": "imgpkg-bundle",
        f"{REPO}:{tag_of(INNER)}": "imgpkg-bundle",
        f"{REPO}:{tag_of(SECOND)}": "imgpkg-bundle",
        f"{REPO}:{tag_of(APP)}": "image",
        f"{REPO}:{tag_of(AGENT)}": "index",
        "app:v1": "image",
    }
    lines = run("bundle", "show", carried).out.splitlines()
    counted = [line.partition("imgpkg-bundle ")[2].split()[:2] for line in lines if "kg-b" in line]
    assert sorted(counted) == [["of", "1"], ["of", "2"], ["of", "3"]]


def test_a_real_registry_has_them_all(carried: Path, registry: Registry) -> None:
    for _ in range(2):
        ran = run("bundle", "push", carried, f"{registry.host}/air", "--plain-http")
        assert ran.code == 0, ran.err
    found = visible(registry.url)
    assert set(found) == {f"air/{name}" for name in NAMES}
    assert {found[f"air/{REPO}:{tag_of(member)}"] for member in MEMBERS} == {
        member.manifest.digest for member in MEMBERS
    }


def test_a_second_push_asks_for_each_image_and_moves_nothing(
    carried: Path, target: FakeRegistry
) -> None:
    assert push(carried, target).code == 0
    before = len(target.requests)
    assert push(carried, target).code == 0
    assert [seen.method for seen in target.requests[before:]] == ["HEAD"] * len(NAMES)


# --- the same bytes ---------------------------------------------------------------------------


def test_the_same_bytes_with_many_workers(
    world: FakeRegistry, carried: Path, tmp_path: Path
) -> None:
    path = tmp_path / "again.tar"
    assert create(world, path, "-j", 16).code == 0
    assert path.read_bytes() == carried.read_bytes()


def test_a_plan_makes_the_same_bundle_without_looking_into_anything(
    world: FakeRegistry, carried: Path, tmp_path: Path
) -> None:
    plan, path = tmp_path / "plan.json", tmp_path / "x.tar"
    assert named("plan", world, "-o", plan).code == 0
    before = len(world.requests)
    assert run("bundle", "create", "--plan", plan, *fetch(world), "-o", path).code == 0
    assert path.read_bytes() == carried.read_bytes()
    asked = [seen.path for seen in world.requests[before:] if "/blobs/" in seen.path]
    assert len(asked) == len({each.rpartition("/")[2] for each in asked})


def test_a_plan_knows_members_that_are_elsewhere(tmp_path: Path, fake: FakeRegistry) -> None:
    """Found through a rewrite at the place that the lock names, on another host."""
    plan, one, two = tmp_path / "plan.json", tmp_path / "one.tar", tmp_path / "two.tar"
    fake.add("tkg/packages/app", "v1", bundle(lock(built(APP))))
    with FakeRegistry() as old:
        old.add("mirror/image", "v1", APP)
        line = (*fetch(fake), "--rewrite", f"gone.invalid/dev={old.host}/mirror")
        listed = f"{HOST}/tkg/packages/app:v1\n"
        ran = run("bundle", "create", "--images", "-", *line, "-o", one, stdin=listed)
        assert ran.code == 0, ran.err
        ran = run("bundle", "plan", "--images", "-", *line, "-o", plan, stdin=listed)
        assert ran.code == 0, ran.err
        ran = run("bundle", "create", "--plan", plan, *line, "-o", two)
        assert ran.code == 0, ran.err
    assert one.read_bytes() == two.read_bytes()
    assert set(shown(one)) == {"tkg/packages/app:v1", f"tkg/packages/app:{tag_of(APP)}"}


@pytest.mark.parametrize("places", [None, {}, [7], ["no reference"], "x"])
def test_a_plan_with_wrong_places_is_refused(
    places: object, world: FakeRegistry, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    document = named("plan", world, "--format", "json").json
    document["images"][0]["places"] = places
    plan.write_text(json.dumps(document))
    ran = run("bundle", "create", "--plan", plan, *fetch(world), "-o", tmp_path / "x.tar")
    assert ran.code == 3
    assert "not a plan" in ran.err


# --- what is missing at the source ------------------------------------------------------------


def without(fake: FakeRegistry, image: Image) -> None:
    """The source never had it, under any tag."""
    digest = image.manifest.digest
    place = fake.store.repositories[f"tkg/{REPO}"]
    place.manifests.pop(digest)
    place.tags = {tag: found for tag, found in place.tags.items() if found != digest}


def test_a_missing_member_is_told_with_its_bundles_and_nothing_moves(
    world: FakeRegistry, tmp_path: Path
) -> None:
    without(world, AGENT)
    path = tmp_path / "x.tar"
    listed = f"{HOST}/tkg/{REPO}:v1\n"
    here = ("--rewrite", f"gone.invalid={world.host}/lost")
    ran = run("bundle", "create", "--images", "-", *fetch(world), *here, "-o", path, stdin=listed)
    assert ran.code == 3
    for name in ("v1", tag_of(INNER), tag_of(SECOND)):
        assert f"{HOST}/tkg/{REPO}:{name}" in ran.err
    for place in (f"{world.host}/tkg/{REPO}", f"{world.host}/lost/dev/image"):
        assert f"{place}@{AGENT.manifest.digest}" in ran.err
    assert [*tmp_path.iterdir()] == []
    assert world.count("GET", APP.blobs[-1].digest) == 0


def test_whatever_needs_no_missing_member_is_carried_with_keep_going(
    world: FakeRegistry, tmp_path: Path
) -> None:
    without(world, APP)
    path, listed = tmp_path / "x.tar", f"{HOST}/tkg/{REPO}:v1\n"
    here = ("--source-repo", f"{HOST}/tkg", "--rewrite", f"gone.invalid={world.host}/lost")
    line = (*fetch(world), *here, "-o", path, "--keep-going", "--format", "json")
    ran = run("bundle", "create", "--images", "-", *line, stdin=listed)
    assert ran.code == 8
    lost = {f"{REPO}:v1", f"{REPO}:{tag_of(INNER)}", f"{REPO}:{tag_of(APP)}"}
    assert {name for name, status in statuses(ran).items() if status == "failed"} == lost
    assert set(shown(path)) == {f"{REPO}:{tag_of(SECOND)}", f"{REPO}:{tag_of(AGENT)}"}
    assert run("bundle", "verify", path).code == 0


def test_a_member_that_another_image_of_the_run_is_need_not_be_anywhere_else(
    world: FakeRegistry, carried: Path, tmp_path: Path
) -> None:
    without(world, APP)
    path = tmp_path / "x.tar"
    assert create(world, path).code == 0
    assert path.read_bytes() == carried.read_bytes()


def test_a_member_that_cannot_be_fetched_takes_its_bundles_with_it(
    world: FakeRegistry, tmp_path: Path
) -> None:
    path, result = tmp_path / "x.tar", tmp_path / "result.json"
    rule = world.on("GET", f"/blobs/{AGENT.children[1].blobs[-1].digest}", flip_byte(9))
    ran = create(world, path, "--keep-going", "--format", "json")
    assert ran.code == 8
    assert set(shown(path)) == {"app:v1", f"{REPO}:{tag_of(APP)}"}
    # What failed comes in a second bundle, and with it what its bundles need to be whole.
    world.rules.remove(rule)
    result.write_text(ran.out)
    rest = tmp_path / "rest.tar"
    again = create(world, rest, "--only-failed", result, "--format", "json")
    assert again.code == 0, again.err
    assert set(shown(rest)) == NAMES - {"app:v1"}


def test_a_damaged_lock_is_an_input_that_is_wrong(fake: FakeRegistry, tmp_path: Path) -> None:
    fake.add(f"tkg/{REPO}", "v1", bundle(lock(f"{HOST}/\x1b[2Jimage:v1")))
    fake.add("tkg/app", "v1", APP)
    ran = create(fake, tmp_path / "x.tar")
    assert ran.code == 3
    assert f"{HOST}/tkg/{REPO}:v1" in ran.err
    assert ".imgpkg/images.yml" in ran.err
    assert "\x1b" not in ran.err
    assert "Traceback" not in ran.err


# --- never a bundle without its members -------------------------------------------------------


@pytest.mark.parametrize("nth", range(1, 9))
def test_a_push_that_is_killed_shows_no_bundle_without_its_members(
    nth: int, carried: Path, target: FakeRegistry
) -> None:
    """At each of its eight manifests: two of them are platforms of the index."""
    trigger = Trigger(nth, half=False)
    rule = target.on("PUT", "/manifests/", trigger)
    line = ("bundle", "push", carried, f"{target.host}/air", "--plain-http", "-j", 2)
    ended = trigger.pull(start(*line))
    target.rules.remove(rule)
    assert ended.code < 0, ended.err
    seen = seen_whole(target)
    assert f"air/{REPO}:v1" not in seen or nth == 8
    assert run(*line).code == 0
    assert seen_whole(target) == {f"air/{name}" for name in NAMES}


@pytest.mark.parametrize("refused", [INNER, SECOND, APP, AGENT], ids=["inner", "2nd", "app", "all"])
def test_a_member_that_is_refused_keeps_its_bundles_from_being_seen(
    refused: Image, carried: Path, target: FakeRegistry, tmp_path: Path
) -> None:
    rule = target.on("PUT", f"/{REPO}/manifests/{tag_of(refused)}", answer(403, "DENIED"))
    ran = push(carried, target, "--keep-going", "--format", "json")
    assert ran.code == 8
    lacking = {f"{REPO}:v1", f"{REPO}:{tag_of(refused)}"}
    lacking |= {f"{REPO}:{tag_of(b)}" for b in (INNER, SECOND) if refused in LOCKS[b]}
    assert seen_whole(target) == {f"air/{name}" for name in NAMES - lacking}
    failed = [each for each in ran.json["images"] if each["status"] == "failed"]
    assert {name for name, status in statuses(ran).items() if status == "failed"} == lacking
    assert all(tag_of(refused) in each["reason"] for each in failed)
    # Then only they are pushed, although their other members are none of this run.
    target.rules.remove(rule)
    result, before = tmp_path / "result.json", len(target.requests)
    result.write_text(ran.out)
    again = push(carried, target, "--only-failed", result)
    assert again.code == 0, again.err
    assert seen_whole(target) == {f"air/{name}" for name in NAMES}
    looked = [seen for seen in target.requests[before:] if seen.method == "HEAD"]
    assert len([seen for seen in looked if "/manifests/" in seen.path]) == len(lacking)


@pytest.mark.parametrize(
    "refused", [f"/blobs/{AGENT.children[0].blobs[-1].digest}", f"/manifests/{tag_of(AGENT)}"]
)
def test_a_member_that_does_not_get_there_keeps_its_bundles_from_being_seen(
    refused: str, carried: Path, target: FakeRegistry
) -> None:
    """Because of a blob of it, or since already what its tag shows now is not told."""
    target.on("HEAD", refused, answer(403, "DENIED"))
    ran = push(carried, target, "--keep-going", "--format", "json")
    assert ran.code == 8
    assert seen_whole(target) == {"air/app:v1", f"air/{REPO}:{tag_of(APP)}"}


def test_without_keep_going_the_first_refusal_leaves_no_bundle_to_be_seen(
    carried: Path, target: FakeRegistry
) -> None:
    target.on("PUT", f"/manifests/{tag_of(APP)}", answer(403, "DENIED"))
    assert push(carried, target).code == 5
    seen = seen_whole(target)
    assert not {f"air/{REPO}:v1", f"air/{REPO}:{tag_of(INNER)}"} & seen


# --- where a lock leads -----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["169.254.169.254", "169.254.7.7:8080", "0.0.0.0:5000"])
def test_a_lock_leads_nowhere_where_clouds_keep_their_secrets(
    host: str, fake: FakeRegistry, tmp_path: Path
) -> None:
    """Whoever publishes one bundle chooses the hosts that its lock names."""
    fake.add("tkg/app", "v1", APP)
    fake.add(f"tkg/{REPO}", "v1", bundle(lock(f"{host}/latest@{APP.manifest.digest}")))
    path = tmp_path / "x.tar"
    listed = f"{HOST}/tkg/{REPO}:v1\n"
    ran = run("bundle", "create", "--images", "-", *fetch(fake), "-o", path, stdin=listed)
    assert ran.code == 4
    assert f"only what was read names {host.partition(':')[0]}" in ran.err
    assert not path.exists()
    # In the bundle's own repository it is found before anybody else is asked.
    fake.add(f"tkg/{REPO}", "", APP)
    ran = run("bundle", "create", "--images", "-", *fetch(fake), "-o", path, stdin=listed)
    assert ran.code == 0, ran.err
