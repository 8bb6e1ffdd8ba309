"""What registries say hangs on images: not believed, and not in the way where it cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirror.settings import MAX_COMPANION_ROUNDS
from scripts.world.images import Blob, Image, ImageSpec, build
from tests.fakes.behaviours import answer, with_headers
from tests.fakes.companions import hang, list_of, referrer, signature, signature_tag
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.hanging import API, APP, INDEX, OWN, create, held, loose, tagged
from tests.flows.hanging import either as either
from tests.flows.hanging import fake as fake
from tests.flows.hanging import modern as modern
from tests.flows.hanging import output as output

# --- what is only said ------------------------------------------------------------------------


def lists(*entries: dict[str, object]) -> Reply:
    """An answer of the referrers API."""
    kind = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    return Reply(200, {"Content-Type": kind}, json.dumps(index).encode())


def test_what_names_another_subject_is_left_out(modern: FakeRegistry, output: Path) -> None:
    stranger = referrer(INDEX)
    modern.add("tkg/app", "", stranger)
    entry = stranger.manifest.descriptor()
    modern.on("GET", f"{API}{APP.manifest.digest}", lambda _request, _go: lists(entry))
    ran = create(modern, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN}
    (warning,) = ran.json["warnings"]
    assert stranger.manifest.digest in warning
    assert "another subject" in warning


def test_an_image_that_is_listed_as_its_own_referrer_is_not_lost(
    modern: FakeRegistry, output: Path
) -> None:
    entry = APP.manifest.descriptor()
    modern.on("GET", API, lambda _request, _go: lists(entry))
    ran = create(modern, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN}
    assert modern.count("GET", "/manifests/") == 1


def test_a_kind_of_manifest_that_is_not_known_is_left_out(
    modern: FakeRegistry, output: Path
) -> None:
    """The artifact manifest that a release candidate of OCI 1.1 had."""
    kind = "application/vnd.oci.artifact.manifest.v1+json"
    entry = Blob.from_bytes(kind, b"{}").descriptor()
    modern.on("GET", API, lambda _request, _go: lists(entry))
    ran = create(modern, output)
    assert ran.code == 0, ran.err
    assert kind in ran.json["warnings"][0]
    assert held(output) == {OWN}


def test_a_referrer_that_is_gone_is_left_out(either: FakeRegistry, output: Path) -> None:
    gone, sbom = referrer(APP, "gone"), referrer(APP)
    hang(either, "tkg/app", APP, gone, sbom)
    either.on("GET", gone.manifest.digest, answer(404, "MANIFEST_UNKNOWN"))
    ran = create(either, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN, loose("tkg/app", sbom)}
    assert gone.manifest.digest in ran.json["warnings"][0]


def test_what_has_the_tag_of_the_list_and_is_none(fake: FakeRegistry, output: Path) -> None:
    fake.add("tkg/app", f"sha256-{APP.manifest.digest[7:]}", build(ImageSpec("odd")))
    ran = create(fake, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN}


def test_a_list_that_cannot_be_read_is_told(fake: FakeRegistry, output: Path) -> None:
    broken = Blob.from_bytes("application/vnd.oci.image.index.v1+json", b'{"schemaVersion":2}')
    fake.add("tkg/app", f"sha256-{APP.manifest.digest[7:]}", Image(broken))
    ran = create(fake, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN}
    assert "taken for no list of referrers" in ran.json["warnings"][0]


def test_referrers_invented_without_end(modern: FakeRegistry, output: Path) -> None:
    """Each has a new one: honest hashes cannot form a loop, but they can go on."""

    def invent(request: Request, _go: object) -> Reply:
        subject = request.path.rpartition("/")[2]
        held = modern.store.repositories["tkg/app"].manifests
        kind, raw = held[subject]
        more = referrer(Image(Blob(kind, subject, len(raw), lambda: (raw,))), "more")
        modern.add("tkg/app", "", more)
        return lists(more.manifest.descriptor())

    modern.on("GET", API, invent)
    ran = create(modern, output)
    assert ran.code == 4
    assert f"nested more than {MAX_COMPANION_ROUNDS} deep" in ran.err
    assert modern.count("GET", API) <= MAX_COMPANION_ROUNDS + 1
    assert not output.exists()


def test_a_next_page_elsewhere_is_refused(modern: FakeRegistry, output: Path) -> None:
    with FakeRegistry(referrers=True) as other:
        link = f'<{other.url}/v2/tkg/app/referrers/x?start=1>; rel="next"'
        modern.on("GET", API, with_headers(Link=link))
        ran = create(modern, output)
        assert not other.requests
    assert ran.code == 4
    assert "--no-referrers" in ran.err


# --- what fails -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["/tags/list", API])
def test_a_registry_that_fails_when_asked_names_the_way_out(
    modern: FakeRegistry, output: Path, where: str
) -> None:
    modern.on("GET", where, answer(500))
    ran = create(modern, output)
    assert ran.code == 4
    assert "--no-referrers" in ran.err
    assert not output.exists()
    assert create(modern, output, "--no-referrers").code == 0


def test_one_image_whose_referrers_cannot_be_had_leaves_the_others(
    modern: FakeRegistry, output: Path
) -> None:
    other = build(ImageSpec("other"))
    modern.add("tkg/other", "v1", other)
    hang(modern, "tkg/other", other, referrer(other))
    modern.on("GET", f"{API}{APP.manifest.digest}", answer(500))
    ran = create(modern, output, "--keep-going", names="tkg/app:v1 tkg/other:v1")
    assert ran.code == 8
    assert held(output) == {
        tagged("tkg/other", "v1", other),
        loose("tkg/other", referrer(other)),
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 501])
def test_a_registry_that_declines_has_no_referrers_api(
    modern: FakeRegistry, output: Path, status: int
) -> None:
    sbom = referrer(APP)
    modern.add("tkg/app", "", sbom)
    modern.add("tkg/app", f"sha256-{APP.manifest.digest[7:]}", list_of(sbom))
    modern.on("GET", API, answer(status))
    ran = create(modern, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN, loose("tkg/app", sbom)}


def test_a_page_for_people_is_no_list(fake: FakeRegistry, output: Path) -> None:
    fake.on("GET", API, answer(200, body=b"<html>", Content_Type="text/html"))
    hang(fake, "tkg/app", APP, referrer(APP))
    assert create(fake, output).code == 0
    assert len(held(output)) == 2


def test_what_may_pass_is_asked_again(modern: FakeRegistry, output: Path) -> None:
    hang(modern, "tkg/app", APP, referrer(APP))
    modern.add("tkg/app", signature_tag(APP), signature(APP))
    modern.on("GET", API, answer(503, Retry_After="0"), nth=1)
    modern.on("GET", "/tags/list", answer(503, Retry_After="0"), nth=1)
    assert create(modern, output, "--retries", 2).code == 0
    assert len(held(output)) == 3


def test_an_image_that_failed_alone_is_tried_again_with_all_that_hangs_on_it(
    modern: FakeRegistry, output: Path
) -> None:
    """The result of the first run cannot name what nobody could ask for."""
    hang(modern, "tkg/app", APP, referrer(APP))
    hang(modern, "tkg/app", referrer(APP), referrer(referrer(APP), "deeper"))
    modern.add("tkg/app", signature_tag(APP), signature(APP))
    modern.add("tkg/other", "v1", build(ImageSpec("other")))
    modern.on("GET", f"{API}{APP.manifest.digest}", answer(500), nth=1)
    names = "tkg/app:v1 tkg/other:v1"
    first = create(modern, output, "--keep-going", names=names)
    assert first.code == 8
    result = output.with_name("result.json")
    result.write_text(first.out)
    second = output.with_name("second.tar")
    ran = create(modern, second, "--only-failed", result, names=names)
    assert ran.code == 0, ran.err
    assert held(second) == {
        OWN,
        tagged("tkg/app", signature_tag(APP), signature(APP)),
        loose("tkg/app", referrer(APP)),
        loose("tkg/app", referrer(referrer(APP), "deeper")),
    }
