"""REG-7: is there room for what is not there yet, and what is there already?"""

from __future__ import annotations

from dataclasses import replace

import httpx
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci.digest import Digest
from mirror.preflight.harbor_api import UNLIMITED, Quota
from mirror.preflight.interface import Status, Verdict
from mirror.preflight.space import Need, judged, with_slack
from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.harbor import Harbor
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.registries import expecting, look, paths

# An image, one that shares its base, and one for two platforms.
IMAGES = {
    "app-0:v1": build(ImageSpec("app-0", bases=(("base", 90_000),), own=(20_000,))),
    "app-1:v1": build(ImageSpec("app-1", bases=(("base", 90_000),), own=(30_000,))),
    "app-2:v1": build(ImageSpec("app-2", own=(10_000,), platforms=("amd64", "arm64"))),
}
EXPECTED = expecting(IMAGES)
TOTAL = sum(EXPECTED.blobs.values())


def room(harbor: Harbor, quota: int, *, login: tuple[str, str] | None = None) -> Verdict:
    project = harbor.system.projects.get("tkg") or harbor.project("tkg", public=True)
    project.quota = quota
    return look(harbor.host, login=login or harbor.admin.login, expected=EXPECTED)["REG-7"]


def sizes(image: Image) -> int:
    return sum(blob.size for blob in image.everything().values())


# --- Harbor's quota -----------------------------------------------------------------------------


def test_room_enough_and_a_tenth_to_spare(harbor: Harbor) -> None:
    assert room(harbor, with_slack(TOTAL)).status is Status.PASS
    found = room(harbor, with_slack(TOTAL) - 1)
    assert found.status is Status.FAIL
    assert "Project Quotas > tkg" in found.fix


def test_a_quota_that_is_used_up_by_others(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True)
    project.sizes["sha256:other"] = 5 * TOTAL
    assert room(harbor, 6 * TOTAL).status is Status.FAIL
    assert room(harbor, 5 * TOTAL).status is Status.FAIL
    assert room(harbor, 7 * TOTAL).status is Status.PASS


def test_more_than_can_be_looked_for_one_by_one(harbor: Harbor) -> None:
    """What the project uses may be ours, or somebody else's: it is not asked 15,000 times."""
    project = harbor.project("tkg", public=True, quota=60_000_000)
    blobs = {Digest(f"{number:064x}"): 10_000 for number in range(5000)}
    expected = replace(EXPECTED, blobs=blobs)
    project.sizes["sha256:other"] = 20_000_000
    found = look(harbor.host, login=harbor.admin.login, expected=expected)["REG-7"]
    assert found.status is Status.WARN
    assert "at most" in found.summary
    project.sizes["sha256:other"] = 1_000_000
    project.quota = 50_000_000
    found = look(harbor.host, login=harbor.admin.login, expected=expected)["REG-7"]
    assert found.status is Status.FAIL
    assert harbor.count("HEAD", "/blobs/") == 0


def test_no_quota(harbor: Harbor) -> None:
    found = room(harbor, UNLIMITED)
    assert found.status is Status.PASS
    assert "no quota" in found.summary


def test_a_quota_that_this_account_is_not_told(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    robot = harbor.robot("tkg", "mirror", "a secret")
    found = room(harbor, 1 << 40, login=robot.login)
    assert found.status is Status.WARN
    assert "quota not visible" in found.summary


def test_an_image_that_is_there_needs_no_room(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True)
    harbor.add("tkg/app-0", "v1", IMAGES["app-0:v1"])
    harbor.add("tkg/app-2", "v1", IMAGES["app-2:v1"])
    rest = TOTAL - project.used
    # What app-1 shares with app-0 is in the project already.
    assert 0 < rest < sizes(IMAGES["app-1:v1"])
    found = room(harbor, project.used + with_slack(rest))
    assert found.status is Status.PASS
    assert f"to upload {rest}" in found.detail
    assert room(harbor, project.used + with_slack(rest) - 1).status is Status.FAIL


def test_a_bundle_that_is_there_needs_no_room_at_all(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True)
    for name, image in IMAGES.items():
        harbor.add(f"tkg/{name.partition(':')[0]}", "v1", image)
    found = room(harbor, project.used)
    assert (found.status, found.summary) == (
        Status.PASS,
        "nothing is to be uploaded: all of it is there",
    )


def test_images_that_a_policy_hides_are_no_fault_of_the_count(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True)
    harbor.add("tkg/app-0", "v1", IMAGES["app-0:v1"])
    project.content_trust = True
    # Their manifests are 412; their blobs are found one by one.
    assert room(harbor, 10 * TOTAL).status is Status.PASS


# --- what is there ------------------------------------------------------------------------------


def seeded(registry: Registry, repository: str, image: Image) -> None:
    with httpx.Client(trust_env=False) as client:
        Seeder(registry.url, client).put(repository, "v1", image)


def test_blobs_that_an_interrupted_push_left_are_found(fake: FakeRegistry) -> None:
    image = IMAGES["app-0:v1"]
    place = fake.store.repositories["tkg/app-0"]
    place.blobs |= {blob.digest: blob.read() for blob in image.blobs}
    found = look(fake.host, expected=expecting({"app-0:v1": image}))["REG-7"]
    there = sum(blob.size for blob in image.blobs)
    assert found.status is Status.WARN
    assert f"{there / 1024:.1f} KiB are there" in found.summary


def test_other_registries_tell_nothing_about_room(registry: Registry) -> None:
    found = look(registry.host, expected=EXPECTED)["REG-7"]
    assert found.status is Status.WARN
    assert "df -h" in found.fix
    for name, image in IMAGES.items():
        seeded(registry, f"tkg/{name.partition(':')[0]}", image)
    assert look(registry.host, expected=EXPECTED)["REG-7"].status is Status.PASS


def test_what_is_there_is_looked_for_with_a_token(token_registry: TokenRegistry) -> None:
    tokens = token_registry.tokens
    tokens.users[USER], tokens.anonymous = PASSWORD, frozenset()
    login = (USER, PASSWORD)
    first = look(token_registry.host, login=login, expected=EXPECTED)["REG-7"]
    assert first.summary.startswith(f"{TOTAL / 1024:.1f} KiB to upload")
    assert look(token_registry.host, expected=EXPECTED)["REG-7"].status is Status.SKIP


def test_a_manifest_of_other_bytes_counts_for_nothing(fake: FakeRegistry) -> None:
    fake.add("tkg/app-0", "v1", IMAGES["app-0:v1"])
    fake.on("GET", "/manifests/", answer(200, body=b"{}"))
    fake.on("HEAD", "/blobs/", answer(404))
    found = look(fake.host, expected=EXPECTED)["REG-7"]
    assert found.summary.startswith(f"{TOTAL / 1024:.1f} KiB to upload;")


def test_a_registry_that_hangs_up_halfway_leaves_the_count_at_most(fake: FakeRegistry) -> None:
    fake.on("GET", "/v2/tkg/app-1/", hang_up())
    found = look(fake.host, expected=EXPECTED)["REG-7"]
    assert found.summary.startswith(f"at most {TOTAL / 1024:.1f} KiB to upload")


# --- who is asked -------------------------------------------------------------------------------


def test_without_a_bundle_nothing_is_counted(registry: Registry) -> None:
    for expected in (None, paths("antrea")):
        found = look(registry.host, expected=expected)["REG-7"]
        assert (found.status, found.unknown) == (Status.SKIP, False)


def test_it_waits_for_the_right_to_write(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    guest = harbor.user("ann", PASSWORD, {"tkg": "guest"})
    found = room(harbor, 1 << 40, login=guest.login)
    assert "REG-4" in found.summary
    assert harbor.count("GET", "/manifests/") == 0


# --- the judgement ------------------------------------------------------------------------------

BYTES = st.integers(0, 1 << 50)


@given(missing=BYTES, known=BYTES, whole=st.booleans(), hard=BYTES, used=BYTES)
def test_a_pass_has_room_for_the_worst_and_a_failure_none_for_the_best(
    missing: int, known: int, whole: bool, hard: int, used: int
) -> None:
    need = Need(missing, known, whole)
    found = judged("tkg", need, Quota(hard, used))
    if found.status is Status.PASS:
        assert used + with_slack(missing) <= hard
    elif found.status is Status.FAIL:
        assert used + with_slack(need.least(used)) > hard
    else:
        assert not whole


@given(BYTES, st.booleans(), BYTES)
def test_what_is_known_whole_needs_all_of_it(missing: int, whole: bool, used: int) -> None:
    need = Need(missing, 0, whole)
    assert 0 <= need.least(used) <= missing
    assert need.least(used) == missing or not whole
