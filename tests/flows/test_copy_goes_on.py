"""A copy that is cut, stopped, or refused in parts, and what the next one has to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.behaviours import Behaviour, answer, cut, hang_up, stall
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Hold, cut_request, cut_response, random_cuts
from tests.fakes.registries import SmallDisk
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import complete, finished, listed, run, start
from tests.flows.faulty import LARGE as BLOB
from tests.flows.faulty import PUSHED
from tests.flows.faulty import at_once as at_once
from tests.flows.faulty import front as front
from tests.flows.judge import visible
from tests.flows.test_copy import JSON, copy, reads, statuses, to, wanted
from tests.flows.test_copy import images as images
from tests.flows.test_copy import names as names
from tests.flows.test_copy import target as target
from tests.flows.test_interrupt import PATIENT, again, silence, stopped

# --- cuts -------------------------------------------------------------------------------------

LARGE = build(ImageSpec("large", own=(1_500_000,)))


@pytest.fixture
def large(fake: FakeRegistry, tmp_path: Path) -> Path:
    fake.add("tkg/large", "v1", LARGE)
    return listed(fake, {"large:v1": LARGE}, tmp_path)


def test_a_source_that_is_cut_again_and_again_does_not_end_the_upload(
    fake: FakeRegistry, target: FakeRegistry, large: Path
) -> None:
    """Distribution 2.8 and Harbor forget an upload whose request ends."""
    blob = max(LARGE.blobs, key=lambda each: each.size)
    fake.on("GET", f"/blobs/{blob.digest}", cut(after=400_000))
    ran = copy(large, fake, target)
    assert ran.code == 0, ran.err
    assert complete(target) == {"air/gap/large:v1"}
    assert reads(fake) > 4
    assert target.count("PUT", f"digest={blob.digest}") == 1
    sent = [seen.headers.get("range") for seen in fake.requests if blob.digest in seen.path]
    assert sent[0] is None
    assert sent[1:] == [f"bytes={at}-{blob.size - 1}" for at in range(400_000, blob.size, 400_000)]


def test_a_source_that_gets_on_by_almost_nothing_is_given_up(
    fake: FakeRegistry, target: FakeRegistry, large: Path
) -> None:
    blob = max(LARGE.blobs, key=lambda each: each.size)
    fake.on("GET", f"/blobs/{blob.digest}", cut(after=1000))
    ran = copy(large, fake, target)
    assert ran.code == 4
    assert f"whose matter: the source registry {fake.host}" in ran.err
    assert fake.count("GET", f"/blobs/{blob.digest}") == 1
    assert complete(target) == set()
    assert target.store.uploads == {}


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_registry_that_hangs_up_is_asked_again(
    fake: FakeRegistry,
    target: FakeRegistry,
    images: dict[str, Image],
    names: Path,
    side: str,
    at_once: None,
) -> None:
    guilty = fake if side == "source" else target
    guilty.on("*", "", hang_up(), nth={2, 7, 12})
    ran = copy(names, fake, target, "--retries", 4)
    assert ran.code == 0, ran.err
    assert complete(target) == wanted(images)


# --- cuts between real registries -------------------------------------------------------------


@pytest.fixture
def second(second_registry: Registry) -> Iterator[FaultProxy]:
    """A fault proxy in front of the destination."""
    with FaultProxy(second_registry.url) as running:
        yield running


def line_between(front: FaultProxy, second: FaultProxy, folder: Path) -> list[object]:
    """A copy of what is behind ``front`` to air/gap behind ``second``."""
    names = folder / "names.txt"
    names.write_text("".join(f"{front.host}/{name.replace('air/gap', 'tkg')}\n" for name in PUSHED))
    own = ("--source-repo", f"{front.host}/tkg", "--plain-http")
    return ["copy", f"{second.host}/air/gap", "--images", names, *own]


@pytest.mark.parametrize(
    ("source", "destination"), [(True, False), (False, True), (True, True)], ids=str
)
def test_cuts_on_either_side_are_survived(
    front: FaultProxy,
    second: FaultProxy,
    second_registry: Registry,
    tmp_path: Path,
    at_once: None,
    source: bool,
    destination: bool,
) -> None:
    if source:
        front.on("GET", "/blobs/", random_cuts(7, least=400_000, most=900_000))
    if destination:
        # In blobs of any size: which three come first is up to the threads.
        second.on("PUT", "digest=", cut_request(after=100), nth={1, 2, 3})
    ran = run(*line_between(front, second, tmp_path), "--retries", 4)
    assert ran.code == 0, ran.err
    assert visible(second_registry.url) == PUSHED
    assert bool(front.faults["response cut"]) is source
    assert bool(second.faults["request cut"]) is destination


def test_neither_side_is_blamed_for_the_other(
    front: FaultProxy, second: FaultProxy, tmp_path: Path
) -> None:
    line = [*line_between(front, second, tmp_path), "--retries", 0]
    rule = front.on("GET", f"/blobs/{BLOB.digest}", cut_response(after=100_000))
    assert f"whose matter: the source registry {front.host}" in run(*line).err
    front.rules.remove(rule)
    second.on("PUT", "digest=", cut_request(after=100_000))
    assert f"whose matter: the destination registry {second.host}" in run(*line).err


def test_a_blob_goes_out_while_it_comes_in(
    front: FaultProxy, second: FaultProxy, second_registry: Registry, tmp_path: Path
) -> None:
    """The source has sent a fifth of it, and the upload is under way: nothing is held back."""
    coming, going = Hold(after=300_000), Hold()
    front.on("GET", f"/blobs/{BLOB.digest}", coming)
    second.on("PUT", BLOB.digest, going)
    process = start(*line_between(front, second, tmp_path))
    coming.reached()
    going.reached()
    coming.let_go()
    going.let_go()
    ran = finished(process)
    assert ran.code == 0, ran.err
    assert visible(second_registry.url) == PUSHED


def test_a_full_destination_is_named_and_survived_by_making_room(
    fake: FakeRegistry, large: Path, small_disk: SmallDisk
) -> None:
    host = small_disk.registry.host
    line = ("copy", f"{host}/air/gap", "--images", large, "--source-repo", f"{fake.host}/tkg")
    small_disk.fill(leave=0)
    ran = run(*line, "--plain-http")
    assert ran.code == 4
    assert "no space left on device" in ran.err.lower()
    assert f"the destination registry {host}" in ran.err
    assert visible(small_disk.registry.url) == {}
    small_disk.make_room()
    again = run(*line, "--plain-http")
    assert again.code == 0, again.err
    assert visible(small_disk.registry.url) == {"air/gap/large:v1": LARGE.manifest.digest}


# --- stopped ----------------------------------------------------------------------------------

STOPS = {
    "a blob stops in the middle": ("source", "GET", "/blobs/", stall(100)),
    "an upload never ends": ("destination", "PUT", "/uploads/", None),
}


@pytest.mark.parametrize("place", STOPS)
def test_an_interrupted_copy_ends_and_its_command_goes_on(
    place: str, fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path
) -> None:
    side, method, pattern, behaviour = STOPS[place]
    guilty = fake if side == "source" else target
    line = ("copy", f"{target.host}/air/gap", "--images", names, *PATIENT)
    own = ("--source-repo", f"{fake.host}/tkg", *JSON)
    with ExitStack() as stack:
        acting: Behaviour = behaviour or stack.enter_context(silence())
        rule = guilty.on(method, pattern, acting)
        ended = stopped(start(*line, *own), rule)
    assert ended.code == 130
    assert ended.json["error"]["name"] == "interrupted"
    assert complete(target) == set()
    guilty.rules.remove(rule)
    done = again(ended)
    assert json.loads(done.stdout)["result"] == "ok"
    assert complete(target) == wanted(images)


# --- going on ---------------------------------------------------------------------------------


def test_what_fails_at_either_side_leaves_the_others_whole_and_is_tried_alone_afterwards(
    fake: FakeRegistry, target: FakeRegistry, images: dict[str, Image], names: Path, tmp_path: Path
) -> None:
    fake.on("GET", "/app-1/manifests/", answer(404, "MANIFEST_UNKNOWN"))
    target.on("POST", "/app-2/blobs/uploads/", answer(403, "DENIED"))
    ran = copy(names, fake, target, "--keep-going", *JSON)
    assert ran.code == 8
    assert ran.json["result"] == "partial"
    failed = {"app-1:v1": "failed", "app-2:v1": "failed"}
    assert statuses(ran) == dict.fromkeys(images, "copied") | failed
    assert complete(target) == wanted(images) - {f"air/gap/{name}" for name in failed}
    fake.rules.clear()
    target.rules.clear()
    result, first, second = tmp_path / "result.json", len(fake.requests), len(target.requests)
    result.write_text(ran.out)
    again = copy(names, fake, target, "--only-failed", result, *JSON)
    assert again.code == 0, again.err
    assert statuses(again) == dict.fromkeys(failed, "copied")
    assert complete(target) == wanted(images)
    asked = [*fake.requests[first:], *target.requests[second:]]
    assert all("/app-1/" in seen.path or "/app-2/" in seen.path for seen in asked)


def test_where_nothing_failed_nobody_is_asked(
    fake: FakeRegistry, target: FakeRegistry, names: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    result.write_text(copy(names, fake, target, *JSON).out)
    before = len(fake.requests) + len(target.requests)
    ran = copy(names, fake, target, "--only-failed", result)
    assert (ran.code, "nothing to do" in ran.out) == (0, True)
    assert len(fake.requests) + len(target.requests) == before


def test_a_result_of_another_destination_is_refused(
    fake: FakeRegistry, target: FakeRegistry, names: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    result.write_text(copy(names, fake, target, *JSON).out)
    ran = to(f"{target.host}/elsewhere", names, fake, "--only-failed", result)
    assert ran.code == 3
    assert f"a run to {target.host}/air/gap" in ran.err
