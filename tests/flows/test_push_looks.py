"""Who looks whether a blob arrived: the registry before it takes a manifest, or the push itself.

Of a push of more than a few blobs the registry is seen to refuse a manifest whose blobs it lacks.
One that does not is asked for each blob after its upload.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.behaviours import Go, answer
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import complete, run
from tests.flows.judge import visible
from tests.flows.test_push import QUICK, made_of, push, wanted

BLOB, MANIFEST = "/blobs/sha256", "/manifests/sha256"


@pytest.fixture(scope="module")
def images() -> dict[str, Image]:
    """Seven images of six blobs, configurations included."""
    return {f"app-{n}:v1": build(ImageSpec(f"app-{n}", own=(90,) * 5)) for n in range(7)}


@pytest.fixture(scope="module")
def bundle(images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_of(images, tmp_path_factory.mktemp("bundle") / "x.tar")


def test_distribution_looks_itself_and_is_asked_once(
    bundle: Path, images: dict[str, Image], registry: Registry
) -> None:
    ran = run("bundle", "push", bundle, f"{registry.host}/air/gap", "-j", 1, *QUICK)
    assert ran.code == 0, ran.err
    lines = registry.requests()
    early = [(line.method, line.status) for line in lines if MANIFEST in line.path]
    assert early == [("PUT", 400)]
    asked = [line for line in lines if line.method == "HEAD" and BLOB in line.path]
    # The first blob before its upload, and nothing after any.
    assert [line.status for line in asked] == [404]
    assert visible(registry.url) == {
        f"air/gap/{name}": image.manifest.digest for name, image in images.items()
    }


def test_a_registry_that_takes_any_manifest_is_asked_for_every_blob(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    fake.on("PUT", MANIFEST, answer(201), nth=1)
    assert push(bundle, fake, "-j", 1).code == 0
    assert fake.count("HEAD", BLOB) == 6 * len(images) + 1
    assert complete(fake) == wanted(images)


def test_a_registry_that_takes_any_manifest_and_keeps_no_blob_is_found_out(
    bundle: Path, fake: FakeRegistry
) -> None:
    fake.on("PUT", MANIFEST, answer(201))
    fake.on("PUT", "/blobs/uploads/", taken_and_lost)
    ran = push(bundle, fake)
    assert ran.code == 4
    assert "answered 201 to its upload a moment ago" in ran.err
    assert not complete(fake)


def test_a_blob_that_is_lost_by_a_registry_that_looks_is_brought_once_more(
    bundle: Path, images: dict[str, Image], fake: FakeRegistry
) -> None:
    fake.on("PUT", "/blobs/uploads/", taken_and_lost, nth=9)
    assert push(bundle, fake, "-j", 1).code == 0
    assert fake.count("PUT", "/blobs/uploads/") == 6 * len(images) + 1
    assert complete(fake) == wanted(images)


def test_an_image_by_digest_is_not_there_before_its_blobs(
    images: dict[str, Image], fake: FakeRegistry, tmp_path: Path
) -> None:
    """The next run would find it under its only name, and call it whole."""
    fake.on("PUT", MANIFEST, answer(201))
    bundle = made_of_digests(images, tmp_path)
    fake.on("POST", "/blobs/uploads/", answer(500))
    assert push(bundle, fake).code == 4
    assert fake.count("PUT", "/manifests/") == 1
    (early,) = (seen for seen in fake.requests if MANIFEST in seen.path and seen.method == "PUT")
    assert not any(image.manifest.digest in early.path for image in images.values())


def test_a_question_that_is_stored_is_deleted(bundle: Path, fake: FakeRegistry) -> None:
    careless: list[str] = []

    def store(request: Request, _go: Go) -> Reply:
        careless.append(request.path)
        return Reply(201)

    fake.on("PUT", MANIFEST, store, nth=1)
    assert push(bundle, fake).code == 0
    assert [s.path for s in fake.requests if s.method == "DELETE"] == careless != []


def made_of_digests(images: dict[str, Image], folder: Path) -> Path:
    """A bundle of these images, none of which has a tag."""
    with FakeRegistry() as source:
        names = [(name.partition(":")[0], image) for name, image in images.items()]
        added = [(path, source.add(f"tkg/{path}", "", image)) for path, image in names]
        own, references = f"{source.host}/tkg", folder / "images"
        references.write_text("".join(f"{own}/{path}@{digest}\n" for path, digest in added))
        chosen = "--images", references, "--source-repo", own
        assert run("bundle", "create", *chosen, *QUICK, "-o", folder / "x.tar").code == 0
    return folder / "x.tar"


def taken_and_lost(request: Request, _go: Go) -> Reply:
    """Say 201 with the right digest, and keep nothing."""
    return Reply(201, {"Docker-Content-Digest": request.query["digest"]})
