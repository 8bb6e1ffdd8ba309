"""IMG-1 to IMG-5 at a registry that is honest: what is missing is told, that and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mirror.oci.digest import Digest
from mirror.preflight.interface import Status
from mirror.preflight.scene import Awaited, Expected
from mirror.registry.credentials import Credentials, Secret
from mirror.settings import Settings
from scripts.world.images import ImageSpec, build
from tests.fakes.behaviours import answer
from tests.fakes.harbor import Harbor
from tests.fakes.packages import bundle, lock, tag_of
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.looking import (
    AGENT,
    APP,
    PACKAGE,
    SISTER,
    WORLD,
    bom_of,
    bundle_of,
    but,
    fill,
    look,
    lose_blob,
    lose_manifest,
    lose_tag,
    plan_of,
    scene,
    statuses,
)

EVERY_INPUT = pytest.mark.parametrize(
    "expected", [bundle_of(), plan_of(), bom_of()], ids=["bundle", "plan", "bom"]
)
HEAD, GET = ("HEAD", True), ("GET", True)


@pytest.fixture
def full(fake: FakeRegistry) -> FakeRegistry:
    """All that is expected is there."""
    fill(fake)
    return fake


def told(expected: Expected, **other: str) -> dict[str, str]:
    """All pass but for these; a BOM has nothing that IMG-2 could compare with."""
    return but(**({} if expected.lists_members else {"IMG_2": "skip"}), **other)


# --- all is well ------------------------------------------------------------------------------


@EVERY_INPUT
@pytest.mark.parametrize("deep", [False, True])
def test_a_registry_that_has_everything_passes(
    full: FakeRegistry, expected: Expected, deep: bool
) -> None:
    said = look(full, expected, deep=deep)
    assert statuses(said) == told(expected)
    assert all(not finding.verdict.unknown for finding in said.values())


@pytest.mark.parametrize("deep", [False, True])
def test_each_thing_is_asked_for_once_and_by_nobody(full: FakeRegistry, deep: bool) -> None:
    ann = Credentials("ann", Secret("canary"))
    assert statuses(look(full, bundle_of(), deep=deep, login=ann)) == but()
    asked = [(seen.method, seen.path) for seen in full.requests]
    assert len(asked) == len(set(asked))
    assert not full.leaked()
    heads, gets = (
        {path for sent, path in asked if (sent, "/blobs/" in path) == each} for each in (HEAD, GET)
    )
    assert gets == (heads if deep else set())


def test_without_anything_to_look_for_nothing_is_asked(full: FakeRegistry) -> None:
    said = look(full, None)
    assert set(statuses(said).values()) == {"skip"}
    for name in statuses(said):
        assert not said[name].verdict.unknown
        assert said[name].verdict.fix == "give --bundle FILE, --bom FILE or --plan FILE"
    assert full.requests == []


def test_a_stranger_asks_for_tokens_that_only_pull(full: FakeRegistry) -> None:
    full.require_bearer(ann="canary")
    said = look(full, bundle_of(), login=Credentials("ann", Secret("canary")))
    assert statuses(said) == but()
    asked = [seen.path for seen in full.requests if seen.path.startswith("/token")]
    assert len(asked) == len(WORLD)
    assert not any("push" in path for path in asked)
    assert not any(secret.startswith("Basic") for secret in full.leaked())


# --- something is missing ---------------------------------------------------------------------


@EVERY_INPUT
def test_a_tag_that_is_gone_is_the_one_that_is_told(full: FakeRegistry, expected: Expected) -> None:
    lose_tag(full, "app", "v1")
    said = look(full, expected)
    assert statuses(said) == told(expected, IMG_1="fail")
    verdict = said["IMG-1"].verdict
    assert verdict.summary == "1 of 4 images is not there"
    assert verdict.detail.startswith("air/gap/app:v1: not there")
    assert "\n" not in verdict.detail


@EVERY_INPUT
def test_an_image_of_an_index_that_is_gone_is_told_with_its_platform(
    full: FakeRegistry, expected: Expected
) -> None:
    lost = AGENT.children[1].manifest.digest
    lose_manifest(full, "agent", lost)
    said = look(full, expected)
    assert statuses(said) == told(expected, IMG_3="fail")
    verdict = said["IMG-3"].verdict
    assert verdict.summary == "1 of 2 images of indexes is not there"
    assert verdict.detail.startswith(f"air/gap/agent:v1: air/gap/agent@{lost} (linux/arm64)")
    assert "--overwrite" in verdict.fix


@EVERY_INPUT
@pytest.mark.parametrize("number", [0, -1], ids=["configuration", "layer"])
def test_a_blob_that_is_gone_from_one_repository_is_told_with_its_image(
    full: FakeRegistry, expected: Expected, number: int
) -> None:
    lost = APP.blobs[number].digest
    lose_blob(full, "app", lost)
    said = look(full, expected)
    assert statuses(said) == told(expected, IMG_4="fail")
    assert said["IMG-4"].verdict.detail == f"air/gap/app:v1: air/gap/app@{lost}: not there"


def test_a_layer_below_one_platform_is_told_with_the_tag_of_its_index(full: FakeRegistry) -> None:
    lost = AGENT.children[0].blobs[-1].digest
    lose_blob(full, "agent", lost)
    said = look(full, bundle_of())
    assert statuses(said) == but(IMG_4="fail")
    assert said["IMG-4"].verdict.detail.startswith(f"air/gap/agent:v1: air/gap/agent@{lost}")


@EVERY_INPUT
def test_a_member_that_is_gone_is_told_with_its_bundle(
    full: FakeRegistry, expected: Expected
) -> None:
    digest = APP.manifest.digest
    lose_manifest(full, "pkg", digest)
    said = look(full, expected)
    assert statuses(said) == told(expected, IMG_5="fail")
    verdict = said["IMG-5"].verdict
    assert verdict.summary == "the only member of an imgpkg bundle is not there"
    assert verdict.detail.startswith(f"air/gap/pkg:v1: air/gap/pkg@{digest}: not there")
    assert "--overwrite" not in verdict.fix


@EVERY_INPUT
def test_a_member_that_has_lost_its_tag_is_told(full: FakeRegistry, expected: Expected) -> None:
    lose_tag(full, "pkg", tag_of(APP))
    said = look(full, expected)
    assert statuses(said) == told(expected, IMG_5="fail")
    assert f"its tag {tag_of(APP)}: not there" in said["IMG-5"].verdict.detail


def test_the_tag_of_a_member_that_names_another_image_is_told(full: FakeRegistry) -> None:
    full.store.repositories["air/gap/pkg"].tags[tag_of(APP)] = PACKAGE.manifest.digest
    said = look(full, bundle_of())
    assert statuses(said) == but(IMG_5="fail")
    assert f"names {PACKAGE.manifest.digest}" in said["IMG-5"].verdict.detail
    assert "--overwrite" in said["IMG-5"].verdict.fix


def test_a_bundle_in_a_bundle_is_followed_where_only_a_bom_is_given(fake: FakeRegistry) -> None:
    inner = bundle(lock(f"gone.invalid/x@{SISTER.manifest.digest}"), name="inner")
    outer = bundle(lock(f"gone.invalid/x@{inner.manifest.digest}"), name="outer")
    fake.add("air/gap/repo", "v1", outer)
    fake.add("air/gap/repo", tag_of(inner), inner)
    said = look(fake, bom_of({"repo:v1": outer}))
    assert said["IMG-5"].status is Status.FAIL
    assert said["IMG-5"].verdict.summary == "1 of 2 members of imgpkg bundles is not there"
    fake.add("air/gap/repo", tag_of(SISTER), SISTER)
    assert look(fake, bom_of({"repo:v1": outer}))["IMG-5"].status is Status.PASS


def test_a_lock_that_imgpkg_could_not_read_fails(fake: FakeRegistry) -> None:
    broken = bundle(b"images: [")
    fake.add("air/gap/repo", "v1", broken)
    said = look(fake, bom_of({"repo:v1": broken}))
    assert said["IMG-5"].status is Status.FAIL
    assert "air/gap/repo:v1: cannot look into it" in said["IMG-5"].verdict.detail


def test_an_image_that_cannot_be_looked_into_leaves_the_question_open(full: FakeRegistry) -> None:
    """Whether it is a bundle is in its configuration; that one is missing is IMG-4's to tell."""
    lose_blob(full, "pkg", PACKAGE.blobs[0].digest)
    said = look(full, bom_of())
    assert statuses(said) == but(IMG_2="skip", IMG_4="fail", IMG_5="skip")
    assert said["IMG-5"].verdict.unknown


def test_everything_that_is_missing_is_counted_and_the_first_ten_named(fake: FakeRegistry) -> None:
    world = {f"app-{n:02}:v1": build(ImageSpec(f"app-{n}")) for n in range(25)}
    fill(fake, {"app-24:v1": world["app-24:v1"]})
    said = look(fake, bundle_of(world))
    verdict = said["IMG-1"].verdict
    assert verdict.summary == "24 of 25 images are not there"
    *lines, last = verdict.detail.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"air/gap/app-{n:02}:v1" for n in range(10)
    ]
    assert last == "and 14 more"
    assert statuses(said) == but(IMG_1="fail", IMG_3="skip", IMG_5="skip")


def test_all_gaps_are_told_at_once(full: FakeRegistry) -> None:
    lose_tag(full, "app", "v1")
    lose_manifest(full, "agent", AGENT.children[0].manifest.digest)
    lose_blob(full, "sister", SISTER.blobs[-1].digest)
    lose_manifest(full, "pkg", APP.manifest.digest)
    assert statuses(look(full, bundle_of())) == dict.fromkeys(but(), "fail") | {"IMG-2": "pass"}


def test_an_empty_registry_is_told_once(fake: FakeRegistry) -> None:
    said = look(fake, bundle_of({"app:v1": APP}))
    assert said["IMG-1"].status is Status.FAIL
    for name in ("IMG-2", "IMG-3", "IMG-4", "IMG-5"):
        assert said[name].verdict.unknown
        assert "IMG-1" in said[name].verdict.summary


# --- what need not be there -------------------------------------------------------------------


def test_a_bundle_with_one_platform_asks_for_that_platform(full: FakeRegistry) -> None:
    left_out = AGENT.children[1]
    lose_manifest(full, "agent", left_out.manifest.digest)
    for blob in left_out.blobs:
        lose_blob(full, "agent", blob.digest)
    without = {left_out.manifest.digest, *(blob.digest for blob in left_out.blobs)}
    said = look(full, bundle_of(without=without))
    assert statuses(said) == but()
    assert "not asked for, since they need not be there: 1" in said["IMG-4"].verdict.detail
    assert statuses(look(full, plan_of(WORLD, "linux/amd64"))) == but()
    assert statuses(look(full, plan_of(WORLD, "linux/arm64")))["IMG-3"] == "fail"
    by_bom = look(full, bom_of())["IMG-3"]
    assert by_bom.status is Status.FAIL
    assert "if --platform left them out, give --bundle FILE" in by_bom.verdict.fix


def test_what_not_every_release_has_is_told_and_fails_nothing(full: FakeRegistry) -> None:
    more = Awaited("registry.example.com/tkg/tkr-azure:v1", "tkr-azure", "v1", None, required=False)
    known = bom_of()
    said = look(full, replace(known, images=(*known.images, more)))
    assert statuses(said) == but(IMG_2="skip")
    assert said["IMG-1"].verdict.summary.startswith("all 4 images")
    assert "air/gap/tkr-azure:v1: not there, and not every release" in said["IMG-1"].verdict.detail


def test_an_image_without_a_tag_is_asked_for_by_its_digest(full: FakeRegistry) -> None:
    digest = Digest.parse(APP.manifest.digest)
    image = Awaited("registry.example.com/tkg/app", "app", None, digest)
    lose_tag(full, "app", "v1")
    found = look(full, Expected("tkg.tar", (image,), bundle_of().blobs))
    assert found["IMG-1"].status is found["IMG-2"].status is Status.PASS


# --- how it is mended -------------------------------------------------------------------------


def test_the_fix_is_the_command_that_brings_what_is_missing(fake: FakeRegistry) -> None:
    push = f"tkg-mirror bundle push tkg.tar {fake.host}/air/gap --plain-http"
    assert look(fake, bundle_of())["IMG-1"].verdict.fix == push
    for given in (plan_of(), bom_of()):
        first = f"where the images can be fetched: {given.create}; then {push}"
        assert look(fake, given)["IMG-1"].verdict.fix == first


def test_a_private_project_is_no_missing_image(full: FakeRegistry) -> None:
    full.require_bearer(ann="canary").anonymous = frozenset()
    verdict = look(full, bundle_of())["IMG-1"].verdict
    assert verdict.summary == "4 of 4 images are refused without a login"
    assert "make the project public" in verdict.fix
    assert "push" not in verdict.fix


def test_a_policy_that_refuses_an_image_is_told(full: FakeRegistry) -> None:
    full.on("GET", "/app/manifests/", answer(412, "PROJECTPOLICYVIOLATION"))
    verdict = look(full, bundle_of())["IMG-1"].verdict
    assert verdict.status is Status.FAIL
    assert "PROJECTPOLICYVIOLATION" in verdict.detail
    assert "a rule of the project forbids it" in verdict.fix


def test_a_harbor_without_the_project_is_told_to_make_it(harbor: Harbor) -> None:
    verdict = look(harbor, bundle_of())["IMG-1"].verdict
    assert verdict.summary == "4 of 4 images are not there"
    assert verdict.fix.startswith("create the project at the destination first; tkg-mirror bundle")


# --- a registry that has enough ---------------------------------------------------------------


def test_at_most_eight_questions_are_under_way(fake: FakeRegistry) -> None:
    from mirror.preflight.asker import Asker

    with scene(fake, bundle_of(), settings=Settings(concurrency=64)) as many:
        assert Asker(many).crew.workers == 8
    with scene(fake, bundle_of(), settings=Settings(concurrency=2)) as few:
        assert Asker(few).crew.workers == 2


@pytest.mark.parametrize("pattern", ["/manifests/", "/blobs/"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_registry_that_asks_for_patience_gets_it(
    full: FakeRegistry, pattern: str, status: int
) -> None:
    full.on("*", pattern, answer(status, Retry_After="0"), nth={2, 3})
    assert statuses(look(full, bundle_of(), settings=Settings(retries=3))) == but()


def test_one_image_without_an_answer_is_no_pass_and_no_failure(full: FakeRegistry) -> None:
    full.on("GET", "/sister/manifests/", answer(500))
    said = look(full, bundle_of())
    assert said["IMG-1"].status is Status.SKIP
    assert said["IMG-1"].verdict.unknown
    assert said["IMG-1"].verdict.summary == "1 of 4 images is not told"
    assert "air/gap/sister:v2: " in said["IMG-1"].verdict.detail
    lose_tag(full, "app", "v1")
    verdict = look(full, bundle_of())["IMG-1"].verdict
    assert verdict.status is Status.FAIL
    assert verdict.summary == "1 of 4 images is not there, and 1 gave no usable answer"


@pytest.mark.parametrize("pattern", ["/manifests/", "/blobs/"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_registry_that_only_fails_is_not_asked_for_everything(
    fake: FakeRegistry, pattern: str, deep: bool
) -> None:
    world = {f"app-{n:02}:v1": build(ImageSpec(f"app-{n}")) for n in range(30)}
    fill(fake, world)
    fake.on("GET" if deep else "*", pattern, answer(502))
    said = look(fake, bundle_of(world), deep=deep)
    assert all(finding.status is not Status.FAIL for finding in said.values())
    check = said["IMG-1" if pattern == "/manifests/" else "IMG-4"].verdict
    assert check.unknown
    assert "502" in check.detail
    refused = [seen for seen in fake.requests if seen.status == 502]
    # Twice as many in vain as are asked at a time, and those that are under way by then.
    assert 16 <= len(refused) <= 24
