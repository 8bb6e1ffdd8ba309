"""Some platforms of an index: its digest stays, and what is not carried is said and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.world.images import Image
from scripts.world.registry import Registry
from tests.fakes.behaviours import answer
from tests.fakes.simple import FakeRegistry
from tests.fakes.windows import attestation, child, image, index, windows
from tests.flows.cli import Ran, complete, run
from tests.flows.judge import visible
from tests.mirror.bundle.archives import unpack

QUICK = ("--plain-http", "--retries", 0)
LINUX = ("--platform", "linux/amd64")
PAUSE = windows("pause", held=False)
LINUX_PAUSE, WINDOWS_PAUSE = PAUSE.children
PLAIN = image("plain", "linux")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


@pytest.fixture
def source(fake: FakeRegistry) -> FakeRegistry:
    """It has an index for Linux and Windows, and an image that is no index."""
    fake.add("tkg/pause", "v1", PAUSE)
    fake.add("tkg/plain", "v1", PLAIN)
    return fake


@pytest.fixture
def tolerant() -> FakeRegistry:
    """A registry that takes sparse indexes."""
    made = FakeRegistry()
    made.store.sparse = True
    return made


def listed(fake: FakeRegistry, names: str) -> str:
    return "".join(f"{fake.host}/tkg/{name}\n" for name in names.split())


def create(
    fake: FakeRegistry, output: Path, *more: object, names: str = "pause:v1 plain:v1"
) -> Ran:
    given = ("bundle", "create", "--images", "-", "--source-repo", f"{fake.host}/tkg")
    return run(*given, *QUICK, "-o", output, *more, stdin=listed(fake, names))


def push(bundle: Path, host: str, *more: object) -> Ran:
    return run("bundle", "push", bundle, f"{host}/air/gap", *QUICK, *more)


def held(bundle: Path) -> set[str]:
    """Digests of all blobs of a sound bundle."""
    assert run("bundle", "verify", bundle).code == 0
    return {f"sha256:{name[13:]}" for name, _content in unpack(bundle) if name.startswith("blobs/")}


def everything(*images: Image) -> set[str]:
    return {digest for each in images for digest in each.everything()}


# --- into a bundle ----------------------------------------------------------------------------


def test_only_the_wanted_platform_is_fetched_and_the_index_keeps_its_digest(
    source: FakeRegistry, output: Path
) -> None:
    ran = create(source, output, *LINUX, "--format", "json")
    assert ran.code == 0, ran.err
    assert held(output) == everything(LINUX_PAUSE, PLAIN) | {PAUSE.manifest.digest}
    assert {i["digest"] for i in ran.json["images"]} == {
        PAUSE.manifest.digest,
        PLAIN.manifest.digest,
    }
    assert source.count("GET", WINDOWS_PAUSE.manifest.digest) == 0


def test_the_operator_hears_once_that_an_index_is_sparse_and_what_that_means(
    source: FakeRegistry, output: Path
) -> None:
    source.add("tkg/csi", "v1", windows("csi", held=False))
    names = "pause:v1 csi:v1 plain:v1"
    (told,) = create(source, output, *LINUX, "--format", "json", names=names).json["warnings"]
    assert told.startswith("sparse indexes: 2, with their digest and some images")
    assert "Distribution, Harbor" in told
    assert "NAME:TAG@DIGEST" in told


def test_nothing_is_said_where_nothing_is_left_out(source: FakeRegistry, output: Path) -> None:
    ran = create(source, output, *LINUX, "--format", "json", names="plain:v1")
    assert ran.json["warnings"] == []


def test_an_image_that_is_no_index_is_carried_whatever_it_is_for(
    source: FakeRegistry, output: Path
) -> None:
    ran = create(source, output, "--platform", "windows/amd64", names="plain:v1")
    assert ran.code == 0, ran.err
    assert held(output) == everything(PLAIN)


def test_an_attestation_goes_with_its_image(fake: FakeRegistry, output: Path) -> None:
    one, other = image("one", "linux"), image("other", "windows")
    of_one, of_other = attestation(one), attestation(other)
    root = index(child(one, "linux/amd64"), child(other, "windows/amd64"), of_one, of_other)
    fake.add("tkg/app", "v1", root)
    assert create(fake, output, *LINUX, names="app:v1").code == 0
    assert held(output) == everything(one, of_one.image) | {root.manifest.digest}


def test_platforms_in_any_order_make_the_same_bundle(source: FakeRegistry, output: Path) -> None:
    other = output.with_name("other.tar")
    two = ("--platform", "windows/amd64", *LINUX)
    assert create(source, output, *two).code == 0
    assert create(source, other, *LINUX, *two).code == 0
    assert output.read_bytes() == other.read_bytes()
    document = json.loads(unpack(output)[0][1])
    assert document["platforms"] == ["linux/amd64", "windows/amd64"]


def test_show_says_of_what_a_bundle_has_only_a_part(source: FakeRegistry, output: Path) -> None:
    assert create(source, output, *LINUX).code == 0
    assert run("bundle", "show", output, "--format", "json").json["platforms"] == ["linux/amd64"]
    assert "linux/amd64" in run("bundle", "show", output).out
    assert create(source, output, "--force").code == 0
    assert "platforms" not in run("bundle", "show", output, "--format", "json").json


def test_another_choice_does_not_go_on_with_what_the_first_one_left(
    source: FakeRegistry, output: Path
) -> None:
    rule = source.on("GET", PLAIN.blobs[1].digest, answer(503))
    assert create(source, output, *LINUX).code == 4
    source.rules.remove(rule)
    assert create(source, output, "--platform", "windows/amd64").code == 0
    assert held(output) == everything(WINDOWS_PAUSE, PLAIN) | {PAUSE.manifest.digest}


def test_a_source_that_is_sparse_itself_gives_what_it_has(
    source: FakeRegistry, output: Path, tolerant: FakeRegistry
) -> None:
    assert create(source, output, *LINUX).code == 0
    with tolerant:
        assert push(output, tolerant.host).code == 0
        second = output.with_name("second.tar")
        given = ("--images", "-", "--source-repo", f"{tolerant.host}/air/gap", "-o", second)
        names = f"{tolerant.host}/air/gap/pause:v1\n"
        assert run("bundle", "create", *given, *QUICK, stdin=names).code == 3
        assert run("bundle", "create", *given, *QUICK, *LINUX, stdin=names).code == 0
    assert held(second) == everything(LINUX_PAUSE) | {PAUSE.manifest.digest}


def test_an_index_that_was_pushed_sparse_is_completed_where_that_is_asked_for(
    source: FakeRegistry, output: Path, tolerant: FakeRegistry
) -> None:
    """The tag names the same digest before and after, so nothing else tells the two apart."""
    full, tolerant.store.foreign = output.with_name("full.tar"), True
    assert create(source, output, *LINUX).code == create(source, full).code == 0
    with tolerant:
        assert push(output, tolerant.host).code == 0
        held_there = tolerant.store.repositories["air/gap/pause"].manifests
        assert WINDOWS_PAUSE.manifest.digest not in held_there
        assert push(full, tolerant.host).code == 0
        assert WINDOWS_PAUSE.manifest.digest not in held_there
        assert push(full, tolerant.host, "--overwrite").code == 0
        assert WINDOWS_PAUSE.manifest.digest in held_there
        again = push(full, tolerant.host, "--overwrite", "--format", "json")
        assert again.json["bytes"]["moved"] == 0


# --- what cannot be chosen --------------------------------------------------------------------


def test_an_index_that_has_no_such_platform_is_a_failure_that_lists_those_it_has(
    source: FakeRegistry, output: Path
) -> None:
    ran = create(source, output, "--platform", "linux/arm64")
    assert ran.code == 3
    assert "it has no image for linux/arm64; it has linux/amd64, windows/amd64" in ran.err
    assert "whose matter: the command line" in ran.err
    assert "--platform" in ran.err.partition("next:")[2]
    assert list(output.parent.iterdir()) == []


def test_with_keep_going_the_others_are_carried(source: FakeRegistry, output: Path) -> None:
    ran = create(source, output, "--platform", "linux/arm64", "--keep-going", "--format", "json")
    assert ran.code == 8
    statuses = {i["reference"].rpartition("/")[2]: i["status"] for i in ran.json["images"]}
    assert statuses == {"pause:v1": "failed", "plain:v1": "copied"}
    assert held(output) == everything(PLAIN)


@pytest.mark.parametrize(
    "wrong", ["linux", "amd64", "linux/", "Linux/amd64", "linux/amd64,linux/arm64", "", "a/b/c/d"]
)
def test_a_platform_that_is_none_is_refused_before_anything_is_asked(
    source: FakeRegistry, output: Path, wrong: str
) -> None:
    for command in ("create", "plan"):
        given = ("bundle", command, "--images", "-", *QUICK, "--platform", wrong, "-o", output)
        ran = run(*given, stdin=listed(source, "pause:v1"))
        assert ran.code == 2
        assert "linux/amd64, windows/amd64, linux/arm/v7" in ran.err
    assert source.requests == []


def test_platforms_without_end_are_refused(source: FakeRegistry, output: Path) -> None:
    many = [each for n in range(65) for each in ("--platform", f"linux/a{n}")]
    assert create(source, output, *many).code == 2


# --- plans ------------------------------------------------------------------------------------


@pytest.fixture
def plan(source: FakeRegistry, tmp_path: Path) -> Path:
    """A plan for Linux alone."""
    path = tmp_path / "plan.json"
    given = ("bundle", "plan", "--images", "-", "--source-repo", f"{source.host}/tkg")
    ran = run(*given, *QUICK, *LINUX, "-o", path, stdin=listed(source, "pause:v1 plain:v1"))
    assert ran.code == 0, ran.err
    return path


@pytest.mark.parametrize("again", [(), LINUX])
def test_a_create_follows_its_plan(
    source: FakeRegistry, plan: Path, output: Path, again: tuple[str, ...]
) -> None:
    document = json.loads(plan.read_text())
    assert document["platforms"] == ["linux/amd64"]
    assert document["totals"]["blobs"] == len(everything(LINUX_PAUSE, PLAIN)) + 1
    ran = run("bundle", "create", "--plan", plan, *QUICK, *again, "-o", output)
    assert ran.code == 0, ran.err
    assert output.stat().st_size == document["totals"]["disk"]
    direct = output.with_name("direct.tar")
    assert create(source, direct, *LINUX).code == 0
    assert output.read_bytes() == direct.read_bytes()


def test_a_plan_and_another_choice_contradict_each_other(
    source: FakeRegistry, plan: Path, output: Path
) -> None:
    before = len(source.requests)
    other = ("--platform", "windows/amd64")
    ran = run("bundle", "create", "--plan", plan, *QUICK, *other, "-o", output)
    assert ran.code == 2
    assert "linux/amd64" in ran.err
    assert len(source.requests) == before


def test_a_plan_of_everything_says_so_too(source: FakeRegistry, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    given = ("bundle", "plan", "--images", "-", *QUICK, "-o", path)
    assert run(*given, stdin=listed(source, "pause:v1")).code == 0
    assert "platforms" not in json.loads(path.read_text())
    ran = run("bundle", "create", "--plan", path, *QUICK, *LINUX, "-o", tmp_path / "x.tar")
    assert ran.code == 2
    assert "it has all" in ran.err


@pytest.mark.parametrize("value", [[], ["linux"], ["b/b", "a/a"], "linux/amd64", None, [7]])
def test_a_plan_with_platforms_that_are_none_is_no_plan(
    plan: Path, output: Path, value: object
) -> None:
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"platforms": value}))
    ran = run("bundle", "create", "--plan", plan, *QUICK, "-o", output)
    assert ran.code == 3
    assert "not a plan" in ran.err


# --- out of a bundle --------------------------------------------------------------------------


def test_a_sparse_index_is_put_after_the_children_that_are_there(
    source: FakeRegistry, output: Path, tolerant: FakeRegistry
) -> None:
    assert create(source, output, *LINUX).code == 0
    with tolerant:
        ran = push(output, tolerant.host)
        assert ran.code == 0, ran.err
        there = tolerant.store.repositories["air/gap/pause"]
        assert there.tags == {"v1": PAUSE.manifest.digest}
        assert {*there.manifests, *there.blobs} == everything(LINUX_PAUSE) | {PAUSE.manifest.digest}
        puts = [s.path.rpartition("/")[2] for s in tolerant.requests if "/pause/man" in s.path]
        assert puts.index(LINUX_PAUSE.manifest.digest) < len(puts) - 1
        again = push(output, tolerant.host, "--format", "json")
        assert again.json["bytes"]["moved"] == 0


def test_a_registry_that_refuses_it_is_explained_and_shows_no_tag(
    source: FakeRegistry, output: Path, registry: Registry
) -> None:
    assert create(source, output, *LINUX).code == 0
    with FakeRegistry() as strict:
        explained(push(output, strict.host))
        assert "air/gap/pause:v1" not in complete(strict)
        assert strict.count("PUT", "/pause/manifests/v1") == 1
    explained(push(output, registry.host))
    ran = push(output, registry.host, "--keep-going", "--format", "json")
    assert ran.code == 8
    assert visible(registry.url) == {"air/gap/plain:v1": PLAIN.manifest.digest}


@pytest.mark.parametrize("status", [400, 404, 422])
def test_whatever_it_refuses_with(source: FakeRegistry, output: Path, status: int) -> None:
    """Google's go-containerregistry answers 404 where Distribution has 400."""
    assert create(source, output, *LINUX).code == 0
    with FakeRegistry() as strict:
        strict.on("PUT", "/pause/manifests/v1", answer(status, "MANIFEST_UNKNOWN"))
        explained(push(output, strict.host), 3 if status == 404 else 4)


def explained(ran: Ran, code: int = 4) -> None:
    assert ran.code == code
    assert "the index lists 2 images, not carried: 1 (it is sparse for --platform)" in ran.err
    assert "without --platform" in ran.err.partition("next:")[2]
    assert "validation.manifests.indexes" in ran.err


def test_the_platforms_own_image_under_its_tag_is_what_every_registry_takes(
    source: FakeRegistry, output: Path, registry: Registry
) -> None:
    """What the notice tells an operator to do instead."""
    names = f"pause:v1@{LINUX_PAUSE.manifest.digest} plain:v1"
    assert create(source, output, names=names).code == 0
    assert push(output, registry.host).code == 0
    assert visible(registry.url) == {
        "air/gap/pause:v1": LINUX_PAUSE.manifest.digest,
        "air/gap/plain:v1": PLAIN.manifest.digest,
    }
