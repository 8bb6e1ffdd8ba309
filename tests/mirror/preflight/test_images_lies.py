"""IMG-1 to IMG-5 at a registry that lies, or that was filled by somebody who does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from mirror.events import Event, ItemEnded, PhaseStarted
from mirror.oci.digest import Digest
from mirror.preflight.interface import Status
from mirror.preflight.scene import Awaited, Expected
from scripts.world.images import OCI, Blob, Image, ImageSpec, build, make_index
from tests.fakes.behaviours import Behaviour, answer, flip_byte, redirect, with_headers
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.looking import (
    AGENT,
    APP,
    SISTER,
    WORLD,
    bom_of,
    bundle_of,
    but,
    fill,
    look,
    plan_of,
    statuses,
)

OTHER = build(ImageSpec("somebody else's"))


@pytest.fixture
def full(fake: FakeRegistry) -> FakeRegistry:
    """All that is expected is there."""
    fill(fake)
    return fake


def gives(change: Callable[[Reply], Reply]) -> Behaviour:
    """Change the honest answer."""
    return lambda _request, go: change(go())


# --- another image ----------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [bundle_of(), plan_of()], ids=["bundle", "plan"])
def test_another_image_under_a_tag_is_told_with_both_digests(
    full: FakeRegistry, expected: Expected
) -> None:
    full.add("air/gap/app", "v1", OTHER)
    said = look(full, expected)
    assert statuses(said) == but(IMG_2="fail")
    verdict = said["IMG-2"].verdict
    assert verdict.summary == "1 of 4 images is not what is expected"
    ours, theirs = APP.manifest.digest, OTHER.manifest.digest
    assert verdict.detail == f"air/gap/app:v1: expected {ours}, got {theirs}"
    assert "find out who pushed" in verdict.fix
    assert "--overwrite" in verdict.fix


def test_what_is_below_another_image_is_not_asked_for(full: FakeRegistry) -> None:
    """Its layers may be anything, and as many as somebody likes."""
    full.add("air/gap/app", "v1", OTHER)
    look(full, bundle_of())
    assert not any(full.count("HEAD", blob.digest) for blob in OTHER.blobs)


def test_a_header_with_the_right_digest_over_other_bytes_is_found_out(full: FakeRegistry) -> None:
    full.add("air/gap/app", "v1", OTHER)
    stated = with_headers(Docker_Content_Digest=APP.manifest.digest)
    full.on("GET", "/app/manifests/v1", stated)
    said = look(full, bundle_of())
    assert statuses(said) == but(IMG_2="fail")
    assert OTHER.manifest.digest in said["IMG-2"].verdict.detail


def test_a_header_that_contradicts_the_bytes_needs_no_digest_of_ours(full: FakeRegistry) -> None:
    full.on("GET", "/app/manifests/v1", with_headers(Docker_Content_Digest=OTHER.manifest.digest))
    assert statuses(look(full, bom_of())) == but(IMG_2="fail")


def test_one_image_under_every_name_is_suspicious_where_no_digest_is_known(
    fake: FakeRegistry,
) -> None:
    world = dict.fromkeys((f"app-{n}:v1" for n in range(5)), APP)
    fill(fake, world)
    verdict = look(fake, bom_of(world))["IMG-2"].verdict
    assert verdict.status is Status.WARN
    assert verdict.summary == "5 repositories have one and the same image"
    assert "--bundle FILE" in verdict.fix


def test_an_image_of_an_index_with_other_bytes_is_told(full: FakeRegistry) -> None:
    child = AGENT.children[0].manifest.digest
    full.on("GET", f"/agent/manifests/{child}", flip_byte(20))
    assert statuses(look(full, bundle_of())) == but(IMG_3="fail")


def test_an_index_that_promises_another_size_than_its_image_has_is_told(
    fake: FakeRegistry,
) -> None:
    document = json.loads(AGENT.manifest.read())
    document["manifests"][0]["size"] += 1
    bad = Image(Blob.from_bytes(OCI.index, json.dumps(document).encode()), (), AGENT.children)
    fill(fake, {"agent:v1": bad})
    verdict = look(fake, bom_of({"agent:v1": bad}))["IMG-3"].verdict
    assert verdict.status is Status.FAIL
    assert "the index promises" in verdict.detail


# --- no image ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[" * 20_000, b"<html>welcome</html>", b'{"schemaVersion": 1}', b"\xff" * 50],
    ids=["nothing", "empty", "deep", "a web page", "schema 1", "no text"],
)
def test_an_answer_that_is_no_manifest_fails(full: FakeRegistry, body: bytes) -> None:
    full.on("GET", "/app/manifests/v1", lambda _request, _go: Reply(200, {}, body))
    said = look(full, bom_of())
    assert statuses(said) == but(IMG_1="fail", IMG_2="skip")
    assert said["IMG-1"].verdict.detail.startswith("air/gap/app:v1: ")


def test_a_manifest_without_end_is_cut_off(full: FakeRegistry) -> None:
    endless = gives(lambda reply: replace(reply, body=reply.body + b" " * (5 << 20)))
    full.on("GET", "/app/manifests/v1", endless)
    assert statuses(look(full, bundle_of())) == but(IMG_1="fail")


def test_indexes_without_end_are_not_followed(fake: FakeRegistry) -> None:
    image = APP
    for _ in range(20):
        image = make_index((image,), ("amd64",), docker=False)
    fill(fake, {"app:v1": image})
    verdict = look(fake, bom_of({"app:v1": image}))["IMG-3"].verdict
    assert verdict.status is Status.FAIL
    assert "nested more than 12 deep" in verdict.detail


def test_bundles_that_are_each_others_members_lead_nowhere(full: FakeRegistry) -> None:
    """What only a forged bundle.json can say."""
    app, sister = (Digest.parse(each.manifest.digest) for each in (APP, SISTER))
    images = (
        Awaited("registry.example.com/app:v1", "app", f"sha256-{app.hex}.imgpkg", app, (sister,)),
        Awaited(
            "registry.example.com/app:v2", "app", f"sha256-{sister.hex}.imgpkg", sister, (app,)
        ),
    )
    full.add("air/gap/app", images[0].tag or "", APP)
    full.add("air/gap/app", images[1].tag or "", SISTER)
    said = look(full, Expected("tkg.tar", images, bundle_of().blobs))
    assert said["IMG-5"].status is said["IMG-4"].status is Status.PASS


# --- blobs ------------------------------------------------------------------------------------


def test_a_head_that_says_yes_where_get_says_no_is_found_by_a_deep_look(
    full: FakeRegistry,
) -> None:
    lost = SISTER.blobs[-1].digest
    full.on("GET", f"/blobs/{lost}", answer(404, "BLOB_UNKNOWN"))
    assert statuses(look(full, bundle_of())) == but()
    said = look(full, bundle_of(), deep=True)
    assert statuses(said) == but(IMG_4="fail")
    assert said["IMG-4"].verdict.detail.startswith(f"air/gap/sister:v2: air/gap/sister@{lost}")


def test_wrong_bytes_of_the_right_length_are_found_by_a_deep_look(full: FakeRegistry) -> None:
    bad = SISTER.blobs[-1].digest
    full.on("GET", f"/blobs/{bad}", flip_byte(7))
    assert statuses(look(full, bundle_of())) == but()
    said = look(full, bundle_of(), deep=True)
    assert statuses(said) == but(IMG_4="fail")
    assert f"expected {bad}, got sha256:" in said["IMG-4"].verdict.detail


@pytest.mark.parametrize("length", [0, 10_000])
def test_a_blob_of_another_length_is_told_with_both(full: FakeRegistry, length: int) -> None:
    """Harbor can hold one with size 0 (facts of its 2.9)."""
    bad = SISTER.blobs[-1]
    wrong = gives(lambda reply: replace(reply, body=b"x" * length))
    full.on("*", f"/blobs/{bad.digest}", wrong)
    said = look(full, bundle_of())
    assert statuses(said) == but(IMG_4="fail")
    assert f"{length} bytes there, not {bad.size}" in said["IMG-4"].verdict.detail


@pytest.mark.parametrize("status", [404, 405])
def test_a_proxy_that_knows_no_head_fails_nothing_that_can_be_pulled(
    full: FakeRegistry, status: int
) -> None:
    full.on("HEAD", "/blobs/", answer(status))
    assert statuses(look(full, bundle_of())) == but()


def test_a_blob_whose_length_nobody_states_is_there(full: FakeRegistry) -> None:
    full.on("*", "/blobs/", gives(lambda reply: replace(reply, chunked=True)))
    assert statuses(look(full, bundle_of())) == but()


def test_blobs_in_a_store_elsewhere_are_found_without_a_token_for_it(full: FakeRegistry) -> None:
    with FakeRegistry() as store:
        store.store.repositories = full.store.repositories
        full.require_bearer()
        full.on("*", "/blobs/", redirect(store.url))
        assert statuses(look(full, bundle_of(), deep=True)) == but()
        assert not store.leaked()


@pytest.mark.parametrize("path", ["app", "pkg"])
def test_a_deep_look_believes_no_head_for_a_layer_that_another_repository_has(
    full: FakeRegistry, path: str
) -> None:
    """Only one of the two is read, whichever that is."""
    layer = APP.blobs[-1].digest
    full.on("GET", f"/{path}/blobs/{layer}", answer(404, "BLOB_UNKNOWN"))
    said = look(full, bundle_of(), deep=True)
    assert statuses(said) == but(IMG_4="fail")
    assert f"air/gap/{path}@{layer}: not there" in said["IMG-4"].verdict.detail


def test_a_layer_in_two_repositories_is_read_once_and_asked_for_in_both(
    full: FakeRegistry,
) -> None:
    layer = APP.blobs[-1].digest
    look(full, bundle_of(), deep=True)
    assert (
        full.count("HEAD", f"/app/blobs/{layer}") == full.count("HEAD", f"/pkg/blobs/{layer}") == 1
    )
    assert full.count("GET", f"/blobs/{layer}") == 2


# --- what is shown ----------------------------------------------------------------------------


def test_no_word_of_a_registry_steers_the_terminal(full: FakeRegistry) -> None:
    words = {"errors": [{"code": "DENIED", "message": "\x1b[2J\nPASS  IMG-1 \u202e" + "x" * 9000}]}
    full.on("GET", "/manifests/v", answer(403, body=json.dumps(words).encode()))
    verdict = look(full, bundle_of())["IMG-1"].verdict
    assert verdict.status is Status.FAIL
    assert len(verdict.detail.splitlines()) == len(WORLD)
    assert all(line.isprintable() and len(line) < 500 for line in verdict.detail.splitlines())


def test_a_terminal_can_count_what_is_done(full: FakeRegistry) -> None:
    events = list[Event]()
    look(full, bundle_of(), deep=True, listener=events.append)
    phases = [event for event in events if isinstance(event, PhaseStarted)]
    names = [phase.name for phase in phases]
    expected = ["check", "ask for images", "follow", "ask for blobs", "read blobs"]
    assert names == [*expected, "ask for the others", ""]
    for number, phase in enumerate(phases[1:-1], 1):
        begin, end = (events.index(phases[n]) for n in (number, number + 1))
        ended = sum(isinstance(event, ItemEnded) for event in events[begin:end])
        assert ended == phase.items
