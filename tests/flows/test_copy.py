"""From one registry to another, with nothing on this machine in between."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from tests.fakes.behaviours import Behaviour, Go, answer, flip_byte
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, complete, listed, run, stock

QUICK = ("--plain-http", "--retries", 0)
JSON = ("--format", "json")


@pytest.fixture
def target() -> Iterator[FakeRegistry]:
    """The other registry."""
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def images(fake: FakeRegistry) -> dict[str, Image]:
    """What ``fake`` has in its project tkg."""
    return stock(fake)


@pytest.fixture
def names(fake: FakeRegistry, images: dict[str, Image], tmp_path: Path) -> Path:
    return listed(fake, images, tmp_path)


def copy(names: Path, source: FakeRegistry, target: FakeRegistry, *more: object) -> Ran:
    return to(f"{target.host}/air/gap", names, source, *more)


def to(dest: str, names: Path, source: FakeRegistry, *more: object, stdin: str = "") -> Ran:
    own = f"{source.host}/tkg"
    return run(*("copy", dest, "--images", names, "--source-repo", own, *QUICK, *more), stdin=stdin)


def wanted(images: dict[str, Image]) -> set[str]:
    return {f"air/gap/{name}" for name in images}


def statuses(ran: Ran) -> dict[str, str]:
    """What became of each image, by ``path:tag``."""
    return {each["reference"].rpartition("/")[2]: each["status"] for each in ran.json["images"]}


def reads(fake: FakeRegistry) -> int:
    """How many blobs were asked for."""
    return fake.count("GET", "/blobs/")


def manifests(images: dict[str, Image]) -> int:
    """Bytes of all manifests and indexes."""
    return sum(node.manifest.size for image in images.values() for node in image.walk())


# --- from one to another ----------------------------------------------------------------------


def test_every_image_arrives_as_it_was_and_each_blob_is_read_once(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    ran = copy(names, fake, target, *JSON)
    assert ran.code == 0, ran.err
    assert complete(target) == wanted(images)
    for name, image in images.items():
        path, _, tag = name.partition(":")
        place = target.store.repositories[f"air/gap/{path}"]
        assert place.tags == {tag: image.manifest.digest}
        everything = {digest: blob.read() for digest, blob in image.everything().items()}
        assert place.blobs | {d: m[1] for d, m in place.manifests.items()} == everything
    unique = {d: b.size for image in images.values() for d, b in image.everything().items()}
    assert ran.json["bytes"]["moved"] == sum(unique.values())
    assert reads(fake) == len(
        {b.digest for i in images.values() for n in i.walk() for b in n.blobs}
    )
    assert ran.json["requests"] == len(fake.requests) + len(target.requests)
    assert not [seen for seen in fake.requests if seen.method != "GET"]


def test_nothing_is_written_on_this_machine(
    fake: FakeRegistry,
    target: FakeRegistry,
    names: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(scratch)
    assert copy(names, fake, target).code == 0
    assert {each.name for each in tmp_path.iterdir()} == {"scratch", names.name}
    assert not [*scratch.iterdir()]


def test_the_variables_for_tkg_are_printed(
    fake: FakeRegistry, target: FakeRegistry, names: Path
) -> None:
    ran = copy(names, fake, target)
    assert f'export TKG_CUSTOM_IMAGE_REPOSITORY="{target.host}/air/gap"' in ran.out
    again = copy(names, fake, target, *JSON)
    assert again.json["variables"]["TKG_CUSTOM_IMAGE_REPOSITORY"] == f"{target.host}/air/gap"


def test_a_second_copy_moves_no_byte(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    assert copy(names, fake, target).code == 0
    blobs, before = reads(fake), len(target.requests)
    ran = copy(names, fake, target, *JSON)
    assert ran.json["bytes"]["moved"] == ran.json["bytes"]["mounted"] == 0
    assert {*statuses(ran).values()} == {"present"}
    assert reads(fake) == blobs
    assert [seen.method for seen in target.requests[before:]] == ["HEAD"] * len(images)


def test_a_plan_pins_what_is_copied_though_the_tag_has_moved_on(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    own = ("--source-repo", f"{fake.host}/tkg")
    assert run("bundle", "plan", "--images", names, *own, *QUICK, "-o", plan).code == 0
    fake.add("tkg/app-1", "v1", build(ImageSpec("newer")))
    ran = run("copy", f"{target.host}/air/gap", "--plan", plan, *QUICK)
    assert ran.code == 0, ran.err
    there = target.store.repositories["air/gap/app-1"].tags
    assert there == {"v1": images["app-1:v1"].manifest.digest}


def test_a_rewrite_changes_where_an_image_is_read_and_not_where_it_lands(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"gone.example.com/tkg/{name}\n" for name in images))
    where = ("--source-repo", "gone.example.com/tkg", "--rewrite", f"gone.example.com={fake.host}")
    ran = run("copy", f"{target.host}/air/gap", "--images", names, *where, *QUICK)
    assert ran.code == 0, ran.err
    assert complete(target) == wanted(images)


# --- within one -------------------------------------------------------------------------------


def test_within_one_registry_blobs_are_mounted_and_none_is_read(
    fake: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    ran = copy(names, fake, fake, *JSON)
    assert ran.code == 0, ran.err
    assert complete(fake) == wanted(images) | {f"tkg/{name}" for name in images}
    assert ran.json["bytes"]["moved"] == manifests(images)
    assert reads(fake) == 0
    assert fake.count("PUT", "/blobs/") == 0
    places = {(n, b.digest) for n, i in images.items() for node in i.walk() for b in node.blobs}
    assert fake.count("POST", "mount=") == len(places)


@pytest.mark.parametrize("refusal", [answer(401), answer(404)], ids=["private", "unknown"])
def test_where_a_mount_is_refused_the_blob_is_read_and_sent(
    fake: FakeRegistry, images: dict[str, Image], names: Path, refusal: Behaviour
) -> None:
    fake.on("POST", "/uploads/", of_mounts(refusal))
    ran = copy(names, fake, fake, *JSON)
    assert ran.code == 0, ran.err
    assert complete(fake) == wanted(images) | {f"tkg/{name}" for name in images}
    assert ran.json["bytes"]["moved"] > manifests(images)
    assert reads(fake) > 0


def test_onto_itself_everything_is_there(
    fake: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    ran = to(f"{fake.host}/tkg", names, fake, *JSON)
    assert ran.code == 0, ran.err
    assert statuses(ran) == dict.fromkeys(images, "present")
    assert ran.json["bytes"]["moved"] == ran.json["bytes"]["mounted"] == 0
    assert {seen.method for seen in fake.requests} == {"GET", "HEAD"}
    assert reads(fake) == 0


def test_a_tag_that_went_on_is_set_back_in_its_own_repository_without_a_blob(
    fake: FakeRegistry, images: dict[str, Image], names: Path, tmp_path: Path
) -> None:
    """The plan's image is there by digest; the tag names another one now."""
    plan, own = tmp_path / "plan.json", ("--source-repo", f"{fake.host}/tkg")
    assert run("bundle", "plan", "--images", names, *own, *QUICK, "-o", plan).code == 0
    fake.add("tkg/app-1", "v1", build(ImageSpec("newer")))
    line = ("copy", f"{fake.host}/tkg", "--plan", plan, *QUICK, *JSON)
    assert run(*line).code == 6
    ran = run(*line, "--overwrite")
    assert ran.code == 0, ran.err
    digest = images["app-1:v1"].manifest.digest
    assert fake.store.repositories["tkg/app-1"].tags == {"v1": digest}
    assert reads(fake) == fake.count("POST", "") == 0


def of_mounts(refusal: Behaviour) -> Behaviour:
    """Answer so to mounts from the project tkg alone."""

    def behave(request: Request, go: Go) -> Reply:
        asked = request.query.get("from", "").startswith("tkg/")
        return refusal(request, go) if asked else go()

    return behave


# --- refused ----------------------------------------------------------------------------------


def test_a_taken_tag_is_refused_before_a_blob_moves(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    theirs = build(ImageSpec("somebody else's"))
    target.add("air/gap/app-1", "v1", theirs)
    ran = copy(names, fake, target)
    assert ran.code == 6
    assert f"there {theirs.manifest.digest}, ours {images['app-1:v1'].manifest.digest}" in ran.err
    assert {seen.method for seen in target.requests} == {"HEAD"}
    assert reads(fake) == 0
    assert copy(names, fake, target, "--keep-going").code == 6
    assert copy(names, fake, target, "--overwrite").code == 0
    assert complete(target) == wanted(images)


def test_two_images_for_one_place_are_refused_before_the_destination_is_asked(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    fake.add("other/app-1", "v1", images["app-2:v1"])
    names = tmp_path / "images.txt"
    names.write_text(f"{fake.host}/tkg/app-1:v1\nelsewhere.example.com/app-1:v1\n")
    rewrite = f"elsewhere.example.com={fake.host}/other"
    ran = copy(names, fake, target, "--rewrite", rewrite)
    assert ran.code == 6
    assert "two images want the destination app-1:v1" in ran.err
    assert target.requests == []


@pytest.mark.parametrize(
    ("side", "method", "pattern", "status", "code"),
    [
        ("source", "GET", "/manifests/", 403, 5),
        ("source", "GET", "/blobs/", 403, 5),
        ("source", "GET", "/blobs/", 404, 3),
        ("source", "GET", "/blobs/", 503, 4),
        ("destination", "HEAD", "/manifests/", 401, 5),
        ("destination", "POST", "/uploads/", 403, 5),
        ("destination", "PUT", "/uploads/", 500, 4),
        ("destination", "PUT", "/manifests/", 503, 4),
    ],
)
def test_each_side_answers_for_itself_and_no_tag_shows_half_an_image(
    fake: FakeRegistry,
    target: FakeRegistry,
    images: dict[str, Image],
    names: Path,
    side: str,
    method: str,
    pattern: str,
    status: int,
    code: int,
) -> None:
    guilty = fake if side == "source" else target
    guilty.on(method, pattern, answer(status))
    ran = copy(names, fake, target)
    assert ran.code == code
    assert f"whose matter: the {side} registry {guilty.host}" in ran.err
    assert complete(target) == set()
    guilty.rules.clear()
    assert copy(names, fake, target).code == 0
    assert complete(target) == wanted(images)


def test_a_failure_is_told_in_json_too(
    fake: FakeRegistry, target: FakeRegistry, names: Path
) -> None:
    target.on("POST", "/uploads/", answer(403, "DENIED"))
    ran = copy(names, fake, target, *JSON)
    assert ran.code == 5
    assert ran.json["schema"] == "tkg-mirror/run/v1"
    assert ran.json["result"] == "failed"
    assert ran.json["error"]["whose"] == f"the destination registry {target.host}"


@pytest.mark.parametrize(
    ("wrong", "code", "word"),
    [
        (["h.example.com/air"], 2, "nothing to carry"),
        (["h.example.com/air", "--images", "-", "--plan", "p.json"], 2, "--plan"),
        (["h.example.com/air:v1", "--images", "-"], 3, "air:v1"),
        (["", "--images", "-"], 3, "not an image reference"),
        (["h.example.com/air", "--images", "-", "--only-failed", "-"], 2, "standard input"),
        (["--images", "-"], 2, "DEST"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_refused(wrong: list[str], code: int, word: str) -> None:
    ran = run("copy", *wrong, stdin="registry.example.com/tkg/app:v1\n")
    assert ran.code == code
    assert word in ran.err


# --- wrong bytes ------------------------------------------------------------------------------


def test_wrong_bytes_are_asked_for_once_more(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    digest = images["app-2:v1"].blobs[-1].digest
    fake.on("GET", f"/blobs/{digest}", flip_byte(9), nth=1)
    ran = copy(names, fake, target)
    assert ran.code == 0, ran.err
    assert complete(target) == wanted(images)
    assert fake.count("GET", f"/blobs/{digest}") == 2


def test_bytes_that_stay_wrong_are_never_committed(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    digest = images["app-2:v1"].blobs[-1].digest
    fake.on("GET", f"/blobs/{digest}", flip_byte(9))
    ran = copy(names, fake, target)
    assert ran.code == 6
    assert f"{fake.host}/tkg/app-" in ran.err
    assert complete(target) == set()
    kept = copy(names, fake, target, "--keep-going", *JSON)
    assert kept.code == 8
    failed = {name for name, status in statuses(kept).items() if status == "failed"}
    assert "app-2:v1" in failed
    assert complete(target) == wanted(images) - {f"air/gap/{name}" for name in failed}
    assert not any(digest in place.blobs for place in target.store.repositories.values())
    assert target.store.uploads == {}


# --- credentials ------------------------------------------------------------------------------


def test_each_side_hears_its_own_password_alone(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path, tmp_path: Path
) -> None:
    """What reached another side than its own fails the test by the ledger."""
    fake.require_basic("ann", "only-the-source-may-hear")
    target.require_bearer(bob="only-the-destination-may-hear")
    config = tmp_path / "config.json"
    assert copy(names, fake, target, "--registry-config", logins(config, fake)).code == 5
    assert complete(target) == set()
    ran = copy(names, fake, target, "--registry-config", logins(config, fake, target))
    assert ran.code == 0, ran.err
    assert complete(target) == wanted(images)
    assert "may-hear" not in ran.out + ran.err


def logins(path: Path, *fakes: FakeRegistry) -> Path:
    """A file of the credentials for these registries."""
    # base64 of ann:only-the-source-may-hear and bob:only-the-destination-may-hear
    coded = (
        "YW5uOm9ubHktdGhlLXNvdXJjZS1tYXktaGVhcg==",
        "Ym9iOm9ubHktdGhlLWRlc3RpbmF0aW9uLW1heS1oZWFy",
    )
    auths = {fake.host: {"auth": each} for fake, each in zip(fakes, coded, strict=False)}
    path.write_text(json.dumps({"auths": auths}))
    return path


def test_one_password_for_two_registries_is_refused_with_the_way_out(
    fake: FakeRegistry, target: FakeRegistry, names: Path
) -> None:
    login = ("--username", "ann", "--password-stdin")
    ran = to(f"{target.host}/air", names, fake, *login, stdin="secret-of-one\n")
    assert ran.code == 2
    for word in (fake.host, target.host, "docker login", "--registry-config"):
        assert word in ran.err
    assert fake.requests == target.requests == []


def test_within_one_registry_one_password_will_do(
    fake: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    fake.require_basic("ann", "secret-of-one")
    login = ("--username", "ann", "--password-stdin")
    ran = to(f"{fake.host}/air/gap", names, fake, *login, *JSON, stdin="secret-of-one\n")
    assert ran.code == 0, ran.err
    assert ran.json["bytes"]["moved"] == manifests(images)
