"""Layers that may not be redistributed: left out with a word, or carried where that is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.world.images import Blob
from scripts.world.registry import Registry
from tests.fakes.behaviours import answer, flip_byte
from tests.fakes.simple import FakeRegistry
from tests.fakes.windows import base_of, image, windows
from tests.flows.cli import Ran, run
from tests.mirror.bundle.archives import unpack

QUICK = ("--plain-http", "--retries", 0)
CARRY = "--include-foreign-layers"
PAUSE = windows("pause")
BASE = base_of("pause")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


@pytest.fixture
def destination() -> FakeRegistry:
    """A registry that takes layers with urls, as Harbor does."""
    made = FakeRegistry()
    made.store.foreign = True
    return made


def create(fake: FakeRegistry, output: Path, *more: object, names: str = "pause:v1") -> Ran:
    text = "".join(f"{fake.host}/tkg/{name}\n" for name in names.split())
    given = ("bundle", "create", "--images", "-", "--source-repo", f"{fake.host}/tkg")
    return run(*given, *QUICK, "-o", output, *more, stdin=text)


def push(bundle: Path, host: str, *more: object) -> Ran:
    return run("bundle", "push", bundle, f"{host}/air/gap", *QUICK, *more)


def holds(bundle: Path, blob: Blob) -> bool:
    assert run("bundle", "verify", bundle).code == 0
    return blob.read() in bundle.read_bytes()


def warnings(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return "\n".join(ran.json["warnings"])


# --- into a bundle ----------------------------------------------------------------------------


def test_they_are_left_out_and_the_operator_hears_what_that_means(
    fake: FakeRegistry, output: Path
) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    told = warnings(create(fake, output, "--format", "json"))
    assert f"{fake.host}/tkg/pause:v1: foreign layers are left out (1)" in told
    assert "Windows nodes cannot start it" in told
    assert CARRY in told
    assert not holds(output, BASE)
    assert fake.count("HEAD", BASE.digest) == fake.count("GET", BASE.digest) == 0


def test_they_are_carried_where_the_registry_has_them(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    assert warnings(create(fake, output, CARRY, "--format", "json")) == ""
    assert holds(output, BASE)
    assert fake.count("HEAD", f"/blobs/{BASE.digest}") == 1
    assert fake.count("GET", f"/blobs/{BASE.digest}") == 1


def test_those_that_the_registry_does_not_have_are_named_and_no_url_is_asked(
    fake: FakeRegistry, output: Path
) -> None:
    """C2: ``urls`` (foreign layers) never fetched: a request elsewhere would fail the test."""
    fake.add("tkg/pause", "v1", windows("pause", held=False))
    fake.add("tkg/csi", "v1", windows("csi"))
    told = warnings(create(fake, output, CARRY, "--format", "json", names="pause:v1 csi:v1"))
    assert "/tkg/pause:v1: foreign layers are left out (1)" in told
    assert "the source does not have them" in told
    assert "csi" not in told
    assert CARRY not in told
    assert not holds(output, BASE)
    assert holds(output, base_of("csi"))


def test_urls_are_not_asked_where_the_registry_has_nothing(
    fake: FakeRegistry, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeRegistry() as elsewhere:
        monkeypatch.setattr("tests.fakes.windows.ELSEWHERE", f"{elsewhere.url}/v2/x/blobs/")
        fake.add("tkg/pause", "v1", windows("pause", held=False))
        assert create(fake, output, CARRY).code == 0
        assert elsewhere.requests == []


def test_a_layer_is_asked_for_once_however_many_images_have_it(
    fake: FakeRegistry, output: Path
) -> None:
    for number in range(3):
        fake.add("tkg/app", f"v{number}", image(f"app {number}", "windows", BASE))
    assert create(fake, output, CARRY, names="app:v0 app:v1 app:v2").code == 0
    assert fake.count("HEAD", BASE.digest) == fake.count("GET", BASE.digest) == 1


def test_a_layer_is_fetched_where_it_is_and_lands_with_every_image(
    fake: FakeRegistry, output: Path, destination: FakeRegistry
) -> None:
    fake.add("tkg/a", "v1", image("a", "windows", BASE, held=False))
    fake.add("tkg/b", "v1", image("b", "windows", BASE))
    assert create(fake, output, CARRY, names="a:v1 b:v1").code == 0
    assert fake.count("GET", f"tkg/b/blobs/{BASE.digest}") == 1
    with destination:
        assert push(output, destination.host).code == 0
        for name in ("a", "b"):
            assert BASE.digest in destination.store.repositories[f"air/gap/{name}"].blobs


def test_a_proxy_that_knows_no_head_hides_no_layer(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    fake.on("HEAD", "/blobs/", answer(404))
    assert create(fake, output, CARRY).code == 0
    assert holds(output, BASE)


@pytest.mark.parametrize("status", [401, 403])
def test_a_layer_that_is_refused_is_one_that_is_not_there(
    fake: FakeRegistry, output: Path, status: int
) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    fake.on("HEAD", BASE.digest, answer(status))
    assert "does not have" in warnings(create(fake, output, CARRY, "--format", "json"))
    assert not holds(output, BASE)


def test_a_layer_of_another_size_is_not_the_one(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    fake.store.repositories["tkg/pause"].blobs[BASE.digest] = b"much shorter"
    assert "does not have" in warnings(create(fake, output, CARRY, "--format", "json"))
    assert not holds(output, BASE)


def test_wrong_bytes_are_found_as_in_any_layer(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    fake.on("GET", BASE.digest, flip_byte(3))
    assert create(fake, output, CARRY).code == 6
    assert not output.exists()


def test_a_registry_that_fails_when_asked_fails_the_image(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    fake.add("tkg/plain", "v1", image("plain", "linux"))
    fake.on("*", BASE.digest, answer(503))
    ran = create(fake, output, CARRY, names="pause:v1 plain:v1")
    assert ran.code == 4
    assert "/tkg/pause:v1: " in ran.err
    assert not output.exists()
    again = create(fake, output, CARRY, "--keep-going", names="pause:v1 plain:v1")
    assert again.code == 8
    assert run("bundle", "verify", output).code == 0


def test_a_layer_that_is_ordinary_elsewhere_belongs_to_both_images(
    fake: FakeRegistry, output: Path, destination: FakeRegistry
) -> None:
    plain = Blob.from_bytes("application/vnd.docker.image.rootfs.diff.tar.gzip", BASE.read())
    fake.add("tkg/a", "v1", image("a", "windows", BASE, held=False))
    fake.add("tkg/b", "v1", image("b", "linux", plain, urls=False))
    assert create(fake, output, names="a:v1 b:v1").code == 0
    assert holds(output, BASE)
    with destination:
        assert push(output, destination.host).code == 0
        assert BASE.digest in destination.store.repositories["air/gap/a"].blobs


# --- plans ------------------------------------------------------------------------------------


def test_a_plan_counts_them_where_they_are_carried(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    names, text = output.with_name("names.txt"), f"{fake.host}/tkg/pause:v1\n"
    names.write_text(text)
    given = ("bundle", "plan", "--images", names, *QUICK, "--format", "json")
    without = run(*given).json["totals"]
    carried = run(*given, CARRY, "-o", output.with_name("plan.json")).json["totals"]
    assert carried["blobs"] == without["blobs"] + 1
    assert carried["bytes"] == without["bytes"] + BASE.size
    plan = ("--plan", output.with_name("plan.json"))
    assert run("bundle", "create", *plan, *QUICK, CARRY, "-o", output).code == 0
    assert output.stat().st_size == carried["disk"]


# --- out of a bundle --------------------------------------------------------------------------


def test_they_are_pushed_with_the_image_and_a_second_push_moves_nothing(
    fake: FakeRegistry, output: Path, destination: FakeRegistry
) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    assert create(fake, output, CARRY).code == 0
    with destination:
        assert push(output, destination.host).code == 0
        there = destination.store.repositories["air/gap/pause"]
        assert there.blobs[BASE.digest] == BASE.read()
        assert there.tags == {"v1": PAUSE.manifest.digest}
        again = push(output, destination.host, "--format", "json")
        assert again.json["bytes"]["moved"] == 0


def test_they_are_left_out_of_a_push_as_of_the_bundle(
    fake: FakeRegistry, output: Path, destination: FakeRegistry
) -> None:
    fake.add("tkg/pause", "v1", PAUSE)
    assert create(fake, output).code == 0
    with destination:
        assert push(output, destination.host).code == 0
        there = destination.store.repositories["air/gap/pause"]
        assert BASE.digest not in there.blobs
        assert there.tags == {"v1": PAUSE.manifest.digest}


def test_a_push_without_them_is_made_good_by_a_push_with_them(
    fake: FakeRegistry, output: Path, destination: FakeRegistry
) -> None:
    """The tag shows the same digest before and after."""
    fake.add("tkg/pause", "v1", PAUSE)
    assert create(fake, output).code == 0
    with destination:
        assert push(output, destination.host).code == 0
        assert create(fake, output, CARRY, "--force").code == 0
        there = destination.store.repositories["air/gap/pause"]
        assert push(output, destination.host).code == 0
        assert there.blobs[BASE.digest] == BASE.read()
        again = push(output, destination.host, "--format", "json")
        assert {found["status"] for found in again.json["images"]} == {"present"}


@pytest.mark.parametrize("carry", [(), (CARRY,)])
def test_a_registry_that_refuses_them_is_explained_and_not_waited_for(
    fake: FakeRegistry, output: Path, carry: tuple[str, ...]
) -> None:
    """As Distribution 2.8 answers: 500, whether the layer is there or not (measured)."""
    fake.add("tkg/pause", "v1", PAUSE)
    assert create(fake, output, *carry).code == 0
    with FakeRegistry() as strict:
        ran = run("bundle", "push", output, f"{strict.host}/air", "--plain-http")
        assert strict.count("PUT", f"/manifests/{PAUSE.children[1].manifest.digest}") == 2
        assert strict.store.repositories["air/pause"].tags == {}
    explained(ran, left=not carry)


def explained(ran: Ran, *, left: bool) -> None:
    assert ran.code == 4
    assert f"foreign layers in the image: 1, not carried: {int(left)}" in ran.err
    assert "validation.manifests.urls.allow" in ran.err
    assert (CARRY in ran.err) is left


@pytest.mark.parametrize("docker", [True, False])
def test_a_real_registry_takes_them_where_it_is_told_to(
    fake: FakeRegistry, output: Path, registry: Registry, *, docker: bool
) -> None:
    made = windows("pause", docker=docker)
    fake.add("tkg/pause", "v1", made)
    assert create(fake, output, CARRY).code == 0
    explained(push(output, registry.host), left=False)
    with Registry(foreign=True) as tolerant:
        ran = push(output, tolerant.host, "--format", "json")
        assert ran.code == 0, ran.err
        digests = {line.path.rpartition("/")[2] for line in tolerant.requests()}
        assert base_of("pause", docker=docker).digest in digests
        (found,) = ran.json["images"]
        assert found["digest"] == made.manifest.digest


def test_a_real_registry_wants_ocis_layers_without_urls_themselves(
    fake: FakeRegistry, output: Path, registry: Registry
) -> None:
    """Here the option makes the difference: left out, 400, and carried, 201 (measured)."""
    fake.add("tkg/pause", "v1", windows("pause", docker=False, urls=False))
    assert create(fake, output).code == 0
    explained(push(output, registry.host), left=True)
    assert create(fake, output, CARRY, "--force").code == 0
    ran = push(output, registry.host)
    assert ran.code == 0, ran.err


def test_dockers_list_leaves_out_what_docker_could_not_load(
    fake: FakeRegistry, output: Path
) -> None:
    fake.add("tkg/a", "v1", image("a", "windows", BASE))
    assert create(fake, output, CARRY, names="a:v1").code == 0
    assert json.loads(dict(unpack(output))["manifest.json"]) == []
