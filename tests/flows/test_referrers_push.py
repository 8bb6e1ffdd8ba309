"""Signatures and referrers at a destination: found by whoever looks for them there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes import skopeo
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.companions import (
    fallback_tag,
    hang,
    list_of,
    referrer,
    signature,
    signature_tag,
)
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run

APP = build(ImageSpec("app"))
# As many as make workers meet at one list.
SBOMS = tuple(referrer(APP, f"sbom {number}") for number in range(12))
DEEP = referrer(SBOMS[0], "of the sbom")
QUICK = ("--plain-http", "--retries", 0)
PLACE = "air/gap/app"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image, a signature, twelve referrers of it and one of a referrer."""
    path = tmp_path_factory.mktemp("bundle") / "x.tar"
    with FakeRegistry(referrers=True) as source:
        source.add("tkg/app", "v1", APP)
        source.add("tkg/app", signature_tag(APP), signature(APP))
        hang(source, "tkg/app", APP, *SBOMS)
        hang(source, "tkg/app", SBOMS[0], DEEP)
        ran = run(
            *("bundle", "create", "--images", "-", "--source-repo", f"{source.host}/tkg"),
            *(*QUICK, "-o", path),
            stdin=f"{source.host}/tkg/app:v1\n",
        )
    assert ran.code == 0, ran.err
    return path


@pytest.fixture(params=[False, True], ids=["tag", "API"])
def either(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    with FakeRegistry(referrers=request.param) as fake:
        yield fake


def push(bundle: Path, host: str, *more: object) -> Ran:
    return run(
        *("bundle", "push", bundle, f"{host}/air/gap", *QUICK, "--format", "json", *more),
    )


def found(fake: FakeRegistry, subject: Image) -> set[str]:
    """Who refers to an image, as a client of the specification finds out."""
    url, digest = f"{fake.url}/v2/{PLACE}", subject.manifest.digest
    listed = httpx.get(f"{url}/referrers/{digest}")
    if listed.status_code == 404:
        listed = httpx.get(
            f"{url}/manifests/{fallback_tag(subject)}",
            headers={"Accept": "application/vnd.oci.image.index.v1+json"},
        )
    return {entry["digest"] for entry in listed.json()["manifests"]}


def digests(*images: Image) -> set[str]:
    return {image.manifest.digest for image in images}


def test_every_referrer_is_found_whoever_put_it(bundle: Path, either: FakeRegistry) -> None:
    ran = push(bundle, either.host, "-j", 8)
    assert ran.code == 0, ran.err
    assert found(either, APP) == digests(*SBOMS)
    assert found(either, SBOMS[0]) == digests(DEEP)
    tags = either.store.repositories[PLACE].tags
    assert {"v1", signature_tag(APP)} <= {*tags}
    assert either.store.referrers == (fallback_tag(APP) not in tags)


def test_pushed_again_nothing_moves_and_little_is_asked(bundle: Path, either: FakeRegistry) -> None:
    assert push(bundle, either.host).code == 0
    before = len(either.requests)
    again = push(bundle, either.host)
    assert again.code == 0, again.err
    assert {image["status"] for image in again.json["images"]} == {"present"}
    assert {seen.method for seen in either.requests[before:]} <= {"HEAD", "GET"}
    # One an image, and one a referrer; one more that learns of no API.
    assert len(either.requests) - before <= 15 + 13 + 4


def test_a_registry_without_the_api_is_asked_for_it_once(
    bundle: Path, either: FakeRegistry
) -> None:
    assert push(bundle, either.host).code == 0
    before = either.count("GET", "/referrers/")
    assert push(bundle, either.host, "-j", 16).code == 0
    asked = either.count("GET", "/referrers/") - before
    assert asked == (13 if either.store.referrers else 1)


def test_the_list_has_the_same_bytes_whoever_came_first(bundle: Path) -> None:
    made = set()
    for workers in (1, 8):
        with FakeRegistry() as fake:
            assert push(bundle, fake.host, "-j", workers).code == 0
            made.add(fake.store.repositories[PLACE].tags[fallback_tag(APP)])
    assert len(made) == 1


def test_what_was_signed_at_the_destination_stays(bundle: Path, fake: FakeRegistry) -> None:
    theirs = referrer(APP, "signed here")
    fake.add(PLACE, "", theirs)
    fake.add(PLACE, fallback_tag(APP), list_of(theirs))
    assert push(bundle, fake.host).code == 0
    assert found(fake, APP) == digests(*SBOMS, theirs)


def test_a_push_that_died_before_the_list_is_mended(bundle: Path, fake: FakeRegistry) -> None:
    rule = fake.on("PUT", f"/manifests/{fallback_tag(APP)}", hang_up())
    assert push(bundle, fake.host).code == 4
    assert fallback_tag(APP) not in fake.store.repositories[PLACE].tags
    fake.rules.remove(rule)
    assert push(bundle, fake.host).code == 0
    assert found(fake, APP) == digests(*SBOMS)


def test_a_list_that_may_not_change_fails_its_referrers_alone(
    bundle: Path, fake: FakeRegistry
) -> None:
    fake.on("PUT", f"/manifests/{fallback_tag(APP)}$", answer(412, "PRECONDITION"))
    ran = push(bundle, fake.host, "--keep-going")
    assert ran.code == 8
    failed = {i["digest"] for i in ran.json["images"] if i["status"] == "failed"}
    assert failed == digests(*SBOMS)
    assert found(fake, SBOMS[0]) == digests(DEEP)
    assert "sha256-*" in push(bundle, fake.host).err


def test_all_tags_of_a_repository_listed_as_images(fake: FakeRegistry, tmp_path: Path) -> None:
    """The list of referrers is one of them, and must not be in its own way."""
    path = tmp_path / "x.tar"
    with FakeRegistry() as source:
        source.add("tkg/app", "v1", APP)
        hang(source, "tkg/app", APP, *SBOMS)
        text = "".join(f"{source.host}/tkg/app:{tag}\n" for tag in ("v1", fallback_tag(APP)))
        own = ("--source-repo", f"{source.host}/tkg")
        ran = run("bundle", "create", "--images", "-", *own, *QUICK, "-o", path, stdin=text)
        assert ran.code == 0, ran.err
    for _ in range(2):
        ran = push(path, fake.host, "-j", 8)
        assert ran.code == 0, ran.err
    assert found(fake, APP) == digests(*SBOMS)


# --- with a real registry ---------------------------------------------------------------------


@pytest.mark.skipif(not skopeo.installed(), reason="skopeo is not installed")
def test_distribution_takes_them_and_skopeo_sees_them(
    bundle: Path, registry: Registry, tmp_path: Path
) -> None:
    ran = push(bundle, registry.host)
    assert ran.code == 0, ran.err
    place = f"{registry.host}/{PLACE}"
    assert skopeo.tags(place) == sorted(
        ["v1", signature_tag(APP), fallback_tag(APP), fallback_tag(SBOMS[0])]
    )
    assert skopeo.digest_of(f"{place}:{signature_tag(APP)}") == signature(APP).manifest.digest
    listed = json.loads(skopeo.raw(f"{place}:{fallback_tag(APP)}"))
    assert {entry["digest"] for entry in listed["manifests"]} == digests(*SBOMS)
    sbom = SBOMS[3].manifest
    raw = skopeo.raw(f"{place}@{sbom.digest}")
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == sbom.digest
    again = push(bundle, registry.host)
    assert {image["status"] for image in again.json["images"]} == {"present"}


def test_from_one_real_registry_to_the_next(
    bundle: Path, registry: Registry, fake: FakeRegistry, tmp_path: Path
) -> None:
    """What was put there is found there again: lists under tags are read as they are written."""
    assert push(bundle, registry.host).code == 0
    path = tmp_path / "next.tar"
    ran = run(
        *("bundle", "create", "--images", "-", "--source-repo", f"{registry.host}/air/gap"),
        *(*QUICK, "-o", path),
        stdin=f"{registry.host}/air/gap/app:v1\n",
    )
    assert ran.code == 0, ran.err
    assert push(path, fake.host).code == 0
    assert found(fake, APP) == digests(*SBOMS)
    assert found(fake, SBOMS[0]) == digests(DEEP)
