"""A run with --keep-going lists what failed, and --only-failed does that and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bom.limits import MAX_LIST_LINES
from mirror.report import earlier
from scripts.world.images import Image
from tests.fakes.behaviours import answer, flip_byte
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, complete, listed, run, stock

QUICK = ("--plain-http", "--retries", 0)
KEEP = ("--keep-going", "--format", "json")


@pytest.fixture
def images(fake: FakeRegistry) -> dict[str, Image]:
    return stock(fake)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


def create(fake: FakeRegistry, images: dict[str, Image], output: Path, *more: object) -> Ran:
    names = listed(fake, images, output.parent)
    own = f"{fake.host}/tkg"
    return run(
        *("bundle", "create", "--images", names, "--source-repo", own, *QUICK),
        *("-o", output, *more),
    )


def push(bundle: Path, fake: FakeRegistry, *more: object) -> Ran:
    return run("bundle", "push", bundle, f"{fake.host}/air/gap", *QUICK, *more)


def held(path: Path) -> set[str]:
    assert run("bundle", "verify", path).code == 0
    shown = run("bundle", "show", path, "--format", "json").json
    return {f"{each['path']}:{each['tag']}" for each in shown["images"]}


def saved(ran: Ran, folder: Path) -> Path:
    path = folder / "result.json"
    path.write_text(ran.out)
    return path


def broken(fake: FakeRegistry, images: dict[str, Image], output: Path) -> Path:
    """The result of a create in which app-2 failed; the source is whole again afterwards."""
    rule = fake.on("GET", f"/blobs/{images['app-2:v1'].blobs[-1].digest}", flip_byte(9))
    ran = create(fake, images, output, *KEEP)
    assert ran.code == 8
    fake.rules.remove(rule)
    return saved(ran, output.parent)


def test_create_fetches_only_what_failed_and_says_that_the_bundle_holds_no_more(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    result, before = broken(fake, images, output), len(fake.requests)
    rest = output.with_name("rest.tar")
    ran = create(fake, images, rest, "--only-failed", result, "--format", "json")
    assert ran.code == 0, ran.err
    assert [each["reference"] for each in ran.json["images"]] == [f"{fake.host}/tkg/app-2:v1"]
    assert any(str(result) in warning for warning in ran.json["warnings"])
    assert held(rest) == {"app-2:v1"}
    assert all("/tkg/app-2/" in seen.path for seen in fake.requests[before:])
    told = create(fake, images, rest, "--only-failed", result, "--force")
    assert "and no others" in told.out
    # Together they are everything.
    assert held(output) | held(rest) == set(images)


def test_push_pushes_only_what_failed(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    assert create(fake, images, output).code == 0
    with FakeRegistry() as target:
        rule = target.on("PUT", "/app-1/manifests/", answer(403, "DENIED"))
        ran = push(output, target, *KEEP)
        assert ran.code == 8
        target.rules.remove(rule)
        result, before = saved(ran, output.parent), len(target.requests)
        assert complete(target) == {f"air/gap/{name}" for name in images if "app-1" not in name}
        again = push(output, target, "--only-failed", result)
        assert again.code == 0, again.err
        assert str(result) in again.out
        assert complete(target) == {f"air/gap/{name}" for name in images}
        assert all("/app-1/" in seen.path for seen in target.requests[before:])


def test_where_nothing_failed_nothing_is_done(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    result = saved(create(fake, images, output, "--format", "json"), output.parent)
    before, other = len(fake.requests), output.with_name("other.tar")
    ran = create(fake, images, other, "--only-failed", result)
    assert ran.code == 0
    assert "nothing to do" in ran.out
    assert not other.exists()
    ran = push(output, fake, "--only-failed", result, "--format", "json")
    assert ran.code == 0
    assert (ran.json["result"], ran.json["images"]) == ("ok", [])
    assert "nothing to do" in ran.json["warnings"][0]
    assert len(fake.requests) == before


def test_a_result_of_other_images_is_refused_before_anybody_is_asked(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    result, before = broken(fake, images, output), len(fake.requests)
    fewer = {name: image for name, image in images.items() if "app-2" not in name}
    rest = output.with_name("rest.tar")
    for ran in (
        create(fake, fewer, rest, "--only-failed", result),
        push(output, fake, "--only-failed", result),  # which holds all but app-2
    ):
        assert ran.code == 3
        assert "app-2" in ran.err
    assert len(fake.requests) == before
    assert not rest.exists()


def test_a_result_of_another_destination_is_refused_before_anybody_is_asked(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    """What did not fail there is not here: this registry would never get it."""
    assert create(fake, images, output).code == 0
    with FakeRegistry() as there, FakeRegistry() as here:
        there.on("PUT", "/app-1/manifests/", answer(403, "DENIED"))
        some = saved(push(output, there, *KEEP), output.parent)
        ran = push(output, here, "--only-failed", some)
        assert ran.code == 3
        assert f"{there.host}/air/gap" in ran.err
        there.rules.clear()
        none = saved(push(output, there, *KEEP), output.parent)
        assert push(output, here, "--only-failed", none).code == 3
        below = f"{there.host}/air/gap/below"
        before = len(there.requests)
        ran = run("bundle", "push", output, below, *QUICK, "--only-failed", none)
        assert ran.code == 3
        assert (len(there.requests), len(here.requests)) == (before, 0)
        same = f"{there.host}/air/gap/"
        assert run("bundle", "push", output, same, *QUICK, "--only-failed", none).code == 0


def test_the_result_of_a_run_that_never_ended_is_refused(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    """It names two images and says nothing of the others: done alone, these would be lost."""
    wanted = images | {"gone-1:v1": images["app-1:v1"], "gone-2:v1": images["app-1:v1"]}
    ran = create(fake, wanted, output, "--format", "json")
    assert len(ran.json["images"]) == 2
    result = saved(ran, output.parent)
    ran = create(fake, wanted, output, "--only-failed", result)
    assert ran.code == 3
    assert "did not reach its end" in ran.err


def changed(**change: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document | change


def with_image(**change: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document | {"images": [document["images"][0] | change]}


WRONG = {
    "no object": lambda document: [document],
    "another schema": changed(schema="tkg-mirror/plan/v1"),
    "no result": changed(result=None),
    "another result": changed(result="fine"),
    "failed images and the result ok": changed(result="ok"),
    "no images": changed(images=None),
    "an image that is a text": changed(images=["a.b/c:d"]),
    "an image twice": lambda d: d | {"images": [d["images"][0]] * 2},
    "no reference": with_image(reference=None),
    "a reference that is none": with_image(reference="../../etc/passwd"),
    "a status of its own": with_image(status="lost"),
    "no status": with_image(status=None),
    "a digest that is none": with_image(digest="sha256:1"),
    "a reason that is none": with_image(reason=7),
    "variables that are none": changed(variables=[]),
    "variables without a repository": changed(variables={}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_result_of_a_run_is_wrong_input(wrong: str, tmp_path: Path) -> None:
    image = {"reference": "a.b/c:d", "digest": None, "status": "failed", "reason": "x"}
    document = {"schema": "tkg-mirror/run/v1", "result": "failed", "images": [image]}
    result = tmp_path / "result.json"
    result.write_text(json.dumps(WRONG[wrong](document)))
    line = ("bundle", "create", "--images", "-", *QUICK, "-o", tmp_path / "x.tar")
    ran = run(*line, "--only-failed", result, stdin="a.b/c:d\n")
    assert ran.code == 3
    assert str(result) in ran.err
    assert "Traceback" not in ran.err


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    list_too = ("bundle", "create", "--images", "-", "-o", tmp_path / "x.tar")
    assert run(*list_too, "--only-failed", "-", stdin="a.b/c:d\n").code == 2
    line = ("bundle", "push", "x.tar", "h.example/p", "--username", "ann", "--password-stdin")
    assert run(*line, "--only-failed", "-", stdin="correct horse\n").code == 2


# --- the list of what failed ------------------------------------------------------------------


def test_what_failed_is_listed_where_a_later_fault_ends_the_run(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    """The smaller bundle of the images that are whole cannot be begun."""
    fake.on("GET", f"/blobs/{images['app-2:v1'].blobs[-1].digest}", flip_byte(9))
    output.with_name("x.tar.rest.partial").mkdir()
    ran = create(fake, images | {"gone:v1": images["app-1:v1"]}, output, *KEEP)
    assert ran.code == 9
    assert (ran.json["result"], ran.json["error"]["name"]) == ("failed", "machine")
    failed = {each["reference"]: each["reason"] for each in ran.json["images"]}
    assert {*failed} == {f"{fake.host}/tkg/{name}" for name in ("app-2:v1", "gone:v1")}
    assert all(failed.values())
    assert all(f"failed: {name}: " in ran.err for name in failed)


def test_what_failed_is_listed_where_a_push_ends_in_a_later_fault(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    assert create(fake, images, output).code == 0
    with FakeRegistry() as target:
        target.on("HEAD", "/app-1/manifests/", answer(403, "DENIED"))
        target.add("air/gap/app-3", "v1", images["app-0:v1"])
        ran = push(output, target, *KEEP)
    assert (ran.code, ran.json["error"]["name"]) == (6, "tag-taken")
    (failed,) = ran.json["images"]
    assert failed["reference"] == f"{fake.host}/tkg/app-1:v1"
    assert "answered 403" in failed["reason"]


@pytest.mark.parametrize("command", ["create", "push"])
def test_every_image_of_a_partial_run_is_in_its_result(
    command: str, fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    assert create(fake, images, output).code == 0
    fake.on("*", "/app-2/", answer(500))
    other = output.with_name("other.tar")
    ran = push(output, fake, *KEEP) if command == "push" else create(fake, images, other, *KEEP)
    assert ran.code == 8
    assert len(ran.json["images"]) == len(images)
    (failed,) = [each for each in ran.json["images"] if each["status"] == "failed"]
    assert "app-2" in failed["reference"]
    assert "answered 500" in failed["reason"]


def test_the_result_of_a_very_large_run_is_read_too() -> None:
    """A list may name 100,000 images, and each reason has commas of its own."""
    images = [
        {"reference": f"a.b/c:{n}", "digest": None, "status": "failed", "reason": "no, nobody"}
        for n in range(MAX_LIST_LINES)
    ]
    document = {"schema": "tkg-mirror/run/v1", "result": "failed", "images": images}
    assert len(earlier.parse(json.dumps(document).encode(), "x").failed) == MAX_LIST_LINES
