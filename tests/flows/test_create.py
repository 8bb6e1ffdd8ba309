"""Making a bundle from a source that is not as one wishes."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.wanted import places_of_bom
from tests.fakes.behaviours import answer, flip_byte
from tests.fakes.registries import TKG_BOM, TKR_BOM
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, listed, run, stock

QUICK = ("--plain-http", "--retries", 0)


@pytest.fixture
def images(fake: FakeRegistry) -> dict[str, Image]:
    return stock(fake)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


def create(fake: FakeRegistry, images: dict[str, Image], output: Path, *more: object) -> Ran:
    names = listed(fake, images, output.parent)
    return run("bundle", "create", "--images", names, *QUICK, "-o", output, *more)


def held(path: Path) -> dict[str, str]:
    """What a sound bundle holds: digest by ``path:tag``."""
    assert run("bundle", "verify", path).code == 0
    shown = run("bundle", "show", path, "--format", "json").json
    return {f"{each['path']}:{each['tag']}": each["digest"] for each in shown["images"]}


def digests(images: dict[str, Image], prefix: str = "tkg/") -> dict[str, str]:
    return {prefix + name: image.manifest.digest for name, image in images.items()}


def left_behind(output: Path) -> set[str]:
    return {path.name for path in output.parent.iterdir()} - {"images.txt"}


# --- what is asked for ------------------------------------------------------------------------


def test_a_list_from_a_file_and_from_standard_input(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    assert create(fake, images, output).code == 0
    assert held(output) == digests(images)
    text = "# images\n" + "".join(f"{fake.host}/tkg/{name}\r\n" for name in images)
    other = output.with_name("other.tar")
    ran = run("bundle", "create", "--images", "-", *QUICK, "-o", other, stdin=text)
    assert ran.code == 0, ran.err
    assert other.read_bytes() == output.read_bytes()


def test_source_repo_is_what_a_list_loses(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    assert create(fake, images, output, "--source-repo", f"{fake.host}/tkg").code == 0
    assert held(output) == digests(images, "")


def test_a_rewrite_changes_where_an_image_is_fetched_and_not_where_it_lands(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    fake.add("deep/special", "v1", build(ImageSpec("special")))
    text = "registry.example.com/far/app-1:v1\nregistry.example.com/far/off/special:v1\n"
    rewrites = (
        *("--rewrite", f"registry.example.com/far={fake.host}/tkg"),
        *("--rewrite", f"registry.example.com/far/off={fake.host}/deep"),
    )
    ran = run("bundle", "create", "--images", "-", *QUICK, *rewrites, "-o", output, stdin=text)
    assert ran.code == 0, ran.err
    assert {*held(output)} == {"far/app-1:v1", "far/off/special:v1"}
    assert fake.count("GET", "/v2/tkg/app-1/manifests/v1") == 1


def create_from_bom(
    fake: FakeRegistry, bom: Path, output: Path, *more: object, without: str = "nothing"
) -> Ran:
    for place in places_of_bom(bom, "tkg"):
        if without not in place.repository:
            fake.add(place.repository, place.tag, build(ImageSpec(place.repository)))
    return run(
        *("bundle", "create", "--bom", bom, "--source-repo", f"{fake.host}/tkg"),
        *("--rewrite", f"registry.example.com/extra={fake.host}/extra", *QUICK),
        *("-o", output, *more),
    )


def test_the_boms_own_image_may_be_absent(fake: FakeRegistry, output: Path) -> None:
    ran = create_from_bom(fake, TKR_BOM, output, "--format", "json", without="tkr-bom")
    assert ran.code == 0, ran.err
    (absent,) = [image for image in ran.json["images"] if image["status"] == "absent"]
    assert "/tkr-bom:" in absent["reference"]
    assert len(ran.json["warnings"]) == 1
    assert "tkr-bom" in ran.err
    assert not any("tkr-bom" in name for name in held(output))


def test_an_image_of_a_component_may_not(fake: FakeRegistry, output: Path) -> None:
    ran = create_from_bom(fake, TKR_BOM, output, without="etcd")
    assert ran.code == 3
    assert "/tkg/etcd:" in ran.err


def test_override_repositories_keep_their_image_path(fake: FakeRegistry, output: Path) -> None:
    ran = create_from_bom(fake, TKG_BOM, output)
    assert ran.code == 0, ran.err
    assert fake.count("GET", "/v2/extra/lighthouse/lamp/manifests/v") == 1
    assert {"lighthouse/lamp:v0.4.2_example.1", "buoy:v0.1.9_example.1"} <= {*held(output)}


# --- what cannot be had -----------------------------------------------------------------------


def test_all_that_is_missing_is_listed_at_once_and_nothing_is_fetched(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    wanted = images | {f"gone-{n}:v1": images["app-1:v1"] for n in range(5)}
    ran = create(fake, wanted, output)
    assert ran.code == 3
    assert ran.out == ""
    assert all(ran.err.count(f"tkg/gone-{n}:v1") >= 1 for n in range(5))
    assert "tkg/app-1:v1" not in ran.err
    assert fake.count("GET", "/blobs/") == 0
    assert left_behind(output) == set()


def test_a_registry_that_is_not_there_is_told_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        text = "".join(f"{host}/tkg/app-{n}:v1\n" for n in range(100))
        began = time.monotonic()
        ran = run("bundle", "create", "--images", "-", *QUICK, "-o", tmp_path / "x", stdin=text)
        assert time.monotonic() - began < 5
    assert ran.code == 4
    assert f": {host} gave no answer before: " in ran.err
    # That would say that one image is part of another.
    assert "it needs" not in ran.err


@pytest.mark.parametrize(("status", "code"), [(401, 5), (403, 5), (500, 4), (429, 4), (418, 4)])
def test_what_the_source_answers_decides_the_exit_code(
    fake: FakeRegistry, images: dict[str, Image], output: Path, status: int, code: int
) -> None:
    fake.on("GET", "/blobs/", answer(status, Retry_After="0"))
    ran = create(fake, images, output)
    assert ran.code == code
    assert f"answered {status}" in ran.err
    assert not output.exists()


def test_a_source_that_wants_a_name(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    fake.require_basic("ann", "correct horse")
    ran = create(fake, images, output)
    assert ran.code == 5
    assert "log in" in ran.err


def test_a_source_that_lies_about_a_blob(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    fake.on("GET", "/blobs/", flip_byte(5))
    ran = create(fake, images, output)
    assert ran.code == 6
    assert "sha256:" in ran.err
    assert left_behind(output) == {"x.tar.partial", "x.tar.journal"}
    fake.rules.clear()
    assert create(fake, images, output).code == 0
    assert held(output) == digests(images)


def test_a_cache_that_was_ill_once_is_asked_once_more(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    fake.on("GET", "/blobs/", flip_byte(5), nth=3)
    assert create(fake, images, output).code == 0
    assert held(output) == digests(images)


def test_a_source_that_lies_about_a_manifest(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    child = images["app-0:v1"].children[0].manifest.digest
    fake.on("GET", f"/manifests/{child}", flip_byte(5))
    ran = create(fake, images, output)
    assert ran.code == 6
    assert child in ran.err
    assert fake.count("GET", "/blobs/") == 0


def test_what_may_pass_is_tried_again(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    fake.on("GET", "/blobs/", answer(503, Retry_After="0"), nth=range(1, 6))
    fake.on("GET", "/manifests/", answer(429, Retry_After="0"), nth={1, 3})
    assert create(fake, images, output, "--retries", 6).code == 0
    assert held(output) == digests(images)


# --- two for one place ------------------------------------------------------------------------


def test_two_inputs_for_one_destination_move_nothing(fake: FakeRegistry, output: Path) -> None:
    one, two = build(ImageSpec("one")), build(ImageSpec("two"))
    fake.add("left/app", "v1", one)
    fake.add("app", "v1", two)
    text = f"{fake.host}/left/app:v1\n{fake.host}/app:v1\n"
    left = ("--source-repo", f"{fake.host}/left")
    ran = run("bundle", "create", "--images", "-", *QUICK, *left, "-o", output, stdin=text)
    assert ran.code == 6
    assert one.manifest.digest in ran.err
    assert two.manifest.digest in ran.err
    assert not any(fake.count("GET", image.blobs[-1].digest) for image in (one, two))
    assert left_behind(output) == set()


# --- pins -------------------------------------------------------------------------------------


def test_a_plan_keeps_an_image_whose_tag_moved(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    plan = output.with_name("plan.json")
    names = listed(fake, images, output.parent)
    assert run("bundle", "plan", "--images", names, *QUICK, "-o", plan).code == 0
    fake.add("tkg/app-1", "v1", build(ImageSpec("another")))
    assert run("bundle", "create", "--plan", plan, *QUICK, "-o", output).code == 0
    assert held(output) == digests(images)


def test_a_plan_never_takes_what_the_tag_names_now(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    plan = output.with_name("plan.json")
    names = listed(fake, images, output.parent)
    assert run("bundle", "plan", "--images", names, *QUICK, "-o", plan).code == 0
    del fake.store.repositories["tkg/app-1"].manifests[images["app-1:v1"].manifest.digest]
    fake.add("tkg/app-1", "v1", build(ImageSpec("another")))
    ran = run("bundle", "create", "--plan", plan, *QUICK, "-o", output)
    assert ran.code == 3
    assert "tkg/app-1" in ran.err
    assert not output.exists()


def test_a_plan_that_lists_signatures_is_not_silently_carried_with_them(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    plan = output.with_name("plan.json")
    names = listed(fake, images, output.parent)
    assert run("bundle", "plan", "--images", names, *QUICK, "-o", plan).code == 0
    ran = run("bundle", "create", "--plan", plan, "--no-referrers", *QUICK, "-o", output)
    assert ran.code == 2
    assert "--no-referrers" in ran.err
    assert not output.exists()


# --- keeping going ----------------------------------------------------------------------------


def test_one_broken_blob_leaves_a_bundle_of_the_others(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    own = images["app-2:v1"].blobs[-1].digest
    rule = fake.on("GET", f"/blobs/{own}", flip_byte(9))
    ran = create(fake, images, output, "--keep-going", "--format", "json")
    assert ran.code == 8
    assert ran.json["result"] == "partial"
    failed = [image for image in ran.json["images"] if image["status"] == "failed"]
    assert [image["reference"] for image in failed] == [f"{fake.host}/tkg/app-2:v1"]
    assert own in failed[0]["reason"]
    assert held(output) == {n: d for n, d in digests(images).items() if "app-2" not in n}
    # Mended, a further run asks for that one blob alone.
    fake.rules.remove(rule)
    before = fake.count("GET", "/blobs/")
    assert create(fake, images, output, "--force").code == 0
    assert fake.count("GET", "/blobs/") == before + 1
    assert held(output) == digests(images)
    assert left_behind(output) == {"x.tar"}


def test_a_blob_that_two_images_need_breaks_both(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    shared = {b.digest for b in images["app-2:v1"].everything().values()} & {
        b.digest for b in images["app-3:v1"].everything().values()
    }
    fake.on("GET", f"/blobs/{shared.pop()}", answer(404, "BLOB_UNKNOWN"))
    assert create(fake, images, output, "--keep-going").code == 8
    assert {*held(output)} == {"tkg/app-0:v1", "tkg/app-1:v1"}


def test_an_image_that_is_not_there_is_left_out(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    wanted = images | {"gone:v1": images["app-1:v1"]}
    ran = create(fake, wanted, output, "--keep-going", "--format", "json")
    assert ran.code == 8
    assert [i["reference"] for i in ran.json["images"] if i["status"] == "failed"] == [
        f"{fake.host}/tkg/gone:v1"
    ]
    assert held(output) == digests(images)


# --- the output -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("x")])
def test_what_stands_there_is_refused_before_anybody_is_asked(
    fake: FakeRegistry, images: dict[str, Image], output: Path, make: Callable[[Path], None]
) -> None:
    make(output)
    ran = create(fake, images, output)
    assert ran.code == 9
    assert str(output) in ran.err
    assert fake.requests == []
    assert left_behind(output) == {"x.tar"}


def test_force_replaces_a_bundle(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    output.write_bytes(b"old")
    assert create(fake, images, output, "--force").code == 0
    assert held(output) == digests(images)


@pytest.mark.parametrize("left", [-1, -10_000, 1])
def test_a_copy_that_ended_early_shows_so_and_what_it_should_hold(
    fake: FakeRegistry, images: dict[str, Image], output: Path, left: int
) -> None:
    assert create(fake, images, output).code == 0
    assert "damaged" not in run("bundle", "show", output).out
    size = output.stat().st_size
    os.truncate(output, size + left)
    shown = run("bundle", "show", output)
    assert f"damaged  {size + left} of {size} bytes" in shown.out
    assert "app-1" in shown.out


@pytest.mark.parametrize("extra", [(), ("--format", "json")])
def test_results_on_one_side_and_talk_on_the_other(
    fake: FakeRegistry, images: dict[str, Image], output: Path, extra: tuple[str, ...]
) -> None:
    ran = create(fake, images, output, *extra)
    assert ran.code == 0
    assert re.search("resolve|fetch", ran.err)
    assert not re.search("resolve|fetch:", ran.out)
    if not extra:
        assert ran.out.startswith("ok: ")


def test_what_is_no_bundle_is_wrong_input_to_every_command(output: Path) -> None:
    output.write_bytes(b"not a bundle")
    for command in (("show", output), ("verify", output), ("push", output, "127.0.0.1:9/air")):
        assert run("bundle", *command).code == 3


def test_a_registry_that_has_one_image_under_every_name_is_suspected(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    one = images["app-1:v1"]
    same = {f"app-{number}:v1": one for number in range(4)}
    for name in same:
        path, _, tag = name.partition(":")
        fake.add(f"tkg/{path}", tag, one)
    ran = create(fake, same, output)
    assert ran.code == 0
    assert f"4 repositories hold one and the same image, {one.manifest.digest}" in ran.err


def test_where_every_image_fails_it_is_no_partial_run(
    fake: FakeRegistry, images: dict[str, Image], output: Path
) -> None:
    """The code and the words are those of what failed: nothing is complete."""
    fake.on("GET", "/blobs/", answer(403, "DENIED"))
    ran = create(fake, images, output, "--keep-going", "--format", "json")
    assert ran.code == 5
    assert ran.json["result"] == "failed"
    assert {image["status"] for image in ran.json["images"]} == {"failed"}
    assert "whose matter: the source registry" in ran.err
    assert "--force" not in ran.err
