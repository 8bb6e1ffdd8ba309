"""Bringing a bundle to a destination that is not as one wishes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, complete, listed, run, stock

QUICK = ("--plain-http", "--retries", 0)
CANARY = "tweety-in-the-mine-7a91"


@pytest.fixture(scope="module")
def images() -> dict[str, Image]:
    with FakeRegistry() as somewhere:
        return stock(somewhere)


@pytest.fixture(scope="module")
def bundle(images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_of(images, tmp_path_factory.mktemp("bundle") / "x.tar")


def made_of(images: dict[str, Image], path: Path) -> Path:
    """A bundle of images by ``path:tag``."""
    with FakeRegistry() as source:
        for name, image in images.items():
            repository, _, tag = name.partition(":")
            source.add(f"tkg/{repository}", tag, image)
        names, own = listed(source, images, path.parent), f"{source.host}/tkg"
        ran = run(
            *("bundle", "create", "--images", names, "--source-repo", own, *QUICK, "-o", path)
        )
    assert ran.code == 0, ran.err
    return path


def push(bundle: Path, fake: FakeRegistry, *more: object, stdin: str = "") -> Ran:
    return run("bundle", "push", bundle, f"{fake.host}/air/gap", *QUICK, *more, stdin=stdin)


def wanted(images: dict[str, Image]) -> set[str]:
    return {f"air/gap/{name}" for name in images}


def uploads(fake: FakeRegistry) -> int:
    return sum(seen.size for seen in fake.requests if seen.method in ("PUT", "PATCH"))


def test_every_image_is_complete_and_every_upload_states_its_length(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    assert push(bundle, fake).code == 0
    assert complete(fake) == wanted(images)
    for name, image in images.items():
        path, _, tag = name.partition(":")
        repository = fake.store.repositories[f"air/gap/{path}"]
        assert repository.tags == {tag: image.manifest.digest}
        everything = {digest: blob.read() for digest, blob in image.everything().items()}
        assert repository.blobs | {d: m[1] for d, m in repository.manifests.items()} == everything
    sent = [seen for seen in fake.requests if seen.method == "PUT"]
    assert all(seen.headers["content-length"] == str(seen.size) for seen in sent)
    assert not any("transfer-encoding" in seen.headers for seen in sent)


def test_a_second_push_moves_nothing_with_one_request_an_image(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    assert push(bundle, fake).code == 0
    before = len(fake.requests)
    ran = push(bundle, fake, "--format", "json")
    assert ran.json["bytes"]["moved"] == 0
    assert [seen.method for seen in fake.requests[before:]] == ["HEAD"] * len(images)


def test_another_tag_of_a_repository_that_is_there_moves_only_what_is_new(
    tmp_path: Path, fake: FakeRegistry
) -> None:
    """The new image has no blob of its own: everything lies in its repository already."""
    old = build(ImageSpec("app", own=(900, 400)))
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    assert push(made_of({"app:v1": old}, first / "x.tar"), fake).code == 0
    before = uploads(fake)
    both = made_of({"app:v1": old, "app:v2": old}, second / "x.tar")
    ran = push(both, fake, "--format", "json")
    assert ran.code == 0, ran.err
    assert uploads(fake) - before == old.manifest.size == ran.json["bytes"]["moved"]
    assert complete(fake) == {"air/gap/app:v1", "air/gap/app:v2"}


def test_what_images_share_is_sent_once(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    ran = push(bundle, fake, "--format", "json")
    unique = {d: b.size for image in images.values() for d, b in image.everything().items()}
    assert uploads(fake) == sum(unique.values()) == ran.json["bytes"]["moved"]
    assert ran.json["bytes"]["mounted"] > 0


# --- taken ------------------------------------------------------------------------------------


def test_a_taken_tag_is_refused_with_both_digests_and_nothing_moves(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    theirs = build(ImageSpec("somebody else's"))
    fake.add("air/gap/app-1", "v1", theirs)
    ran = push(bundle, fake)
    assert ran.code == 6
    assert theirs.manifest.digest in ran.err
    assert images["app-1:v1"].manifest.digest in ran.err
    assert "app-1:v1" in ran.err
    assert "--overwrite" in ran.err
    assert {seen.method for seen in fake.requests} == {"HEAD"}
    assert complete(fake) == {"air/gap/app-1:v1"}
    assert push(bundle, fake, "--keep-going").code == 6
    assert push(bundle, fake, "--overwrite").code == 0
    assert complete(fake) == wanted(images)
    assert fake.store.repositories["air/gap/app-1"].tags == {
        "v1": images["app-1:v1"].manifest.digest
    }


# --- what the destination refuses -------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "pattern", "status", "code"),
    [
        ("HEAD", "/manifests/", 401, 5),
        ("POST", "/uploads/", 403, 5),
        ("PUT", "/uploads/", 403, 5),
        ("PUT", "/uploads/", 500, 4),
        ("PUT", "/manifests/", 403, 5),
        ("PUT", "/manifests/", 503, 4),
        ("PUT", "/manifests/v1", 412, 5),
    ],
)
def test_what_it_answers_decides_the_exit_code_and_no_tag_shows_half_an_image(
    bundle: Path, fake: FakeRegistry, method: str, pattern: str, status: int, code: int
) -> None:
    fake.on(method, pattern, answer(status))
    ran = push(bundle, fake)
    assert ran.code == code
    assert fake.host in ran.err
    assert complete(fake) == set()
    fake.rules.clear()
    assert push(bundle, fake).code == 0


def test_a_registry_that_hangs_up_is_asked_again(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    fake.on("PUT", "/", hang_up(), nth={2, 5, 9})
    fake.on("HEAD", "/", hang_up(), nth={1, 6})
    assert push(bundle, fake, "--retries", 4).code == 0
    assert complete(fake) == wanted(images)


def test_one_refused_blob_leaves_the_other_images_whole(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    fake.on("POST", "/air/gap/app-2/blobs/uploads/", answer(403, "DENIED"))
    ran = push(bundle, fake, "--keep-going", "--format", "json")
    assert ran.code == 8
    assert ran.json["result"] == "partial"
    failed = [image for image in ran.json["images"] if image["status"] == "failed"]
    assert [image["reference"].rpartition("/")[2] for image in failed] == ["app-2:v1"]
    assert complete(fake) == wanted(images) - {"air/gap/app-2:v1"}
    fake.rules.clear()
    assert push(bundle, fake).code == 0
    assert complete(fake) == wanted(images)


def test_one_refused_manifest_leaves_the_other_images_whole(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    fake.on("PUT", "/air/gap/app-3/manifests/sha256", answer(500))
    assert push(bundle, fake, "--keep-going").code == 8
    assert complete(fake) == wanted(images) - {"air/gap/app-3:v1"}


# --- secrets ----------------------------------------------------------------------------------


def test_a_password_is_used_and_never_told(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    fake.require_basic("ann", CANARY)
    login = ("--username", "ann", "--password-stdin", "--log-level", "debug")
    wrong = push(bundle, fake, *login, stdin=CANARY + "x\n")
    assert wrong.code == 5
    right = push(bundle, fake, *login, "--format", "json", stdin=CANARY + "\n")
    assert right.code == 0, right.err
    assert complete(fake) == wanted(images)
    for told in (wrong.out, wrong.err, right.out, right.err):
        assert CANARY not in told
        assert "authorization: " not in told.lower()
    json.loads(right.out)
