"""Signatures and referrers from a source: all that is there, and nothing that is only said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.settings import MAX_COMPANION_ROUNDS
from scripts.world.images import Blob, Image, ImageSpec, build
from tests.fakes.behaviours import answer, with_headers
from tests.fakes.companions import hang, list_of, referrer, signature, signature_tag
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run

APP = build(ImageSpec("app"))
INDEX = build(ImageSpec("lamp", platforms=("amd64", "arm64")))
QUICK = ("--plain-http", "--retries", 0)
API = "/referrers/"


@pytest.fixture(params=[False, True], ids=["by tag", "by API"])
def either(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    """A registry without the referrers API, and one with it."""
    with FakeRegistry(referrers=request.param) as fake:
        fake.add("tkg/app", "v1", APP)
        fake.add("tkg/lamp", "v1", INDEX)
        yield fake


@pytest.fixture
def fake(fake: FakeRegistry) -> FakeRegistry:
    fake.add("tkg/app", "v1", APP)
    fake.add("tkg/lamp", "v1", INDEX)
    return fake


@pytest.fixture
def modern() -> Iterator[FakeRegistry]:
    with FakeRegistry(referrers=True) as fake:
        fake.add("tkg/app", "v1", APP)
        yield fake


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


def create(fake: FakeRegistry, output: Path, *more: object, names: str = "tkg/app:v1") -> Ran:
    listed = "".join(f"{fake.host}/{name}\n" for name in names.split())
    return run(
        *("bundle", "create", "--images", "-", *QUICK, "-o", output, "--format", "json"),
        *more,
        stdin=listed,
    )


def held(path: Path) -> set[tuple[str, str | None, str]]:
    """Path, tag and digest of all that a sound bundle holds."""
    assert run("bundle", "verify", path).code == 0
    shown = run("bundle", "show", path, "--format", "json").json
    return {(each["path"], each["tag"], each["digest"]) for each in shown["images"]}


def tagged(path: str, tag: str, image: Image) -> tuple[str, str | None, str]:
    return path, tag, image.manifest.digest


def loose(path: str, image: Image) -> tuple[str, str | None, str]:
    return path, None, image.manifest.digest


OWN = tagged("tkg/app", "v1", APP)


# --- what is found ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["sig", "att", "sbom"])
def test_what_cosign_tags_is_carried(fake: FakeRegistry, output: Path, suffix: str) -> None:
    tag = signature_tag(APP, suffix)
    fake.add("tkg/app", tag, signature(APP))
    ran = create(fake, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN, tagged("tkg/app", tag, signature(APP))}


def test_a_signature_on_the_last_page_of_a_listing(fake: FakeRegistry, output: Path) -> None:
    fake.store.page_size = 2
    for number in range(7):
        fake.add("tkg/app", f"a{number}", APP)
    fake.add("tkg/app", signature_tag(APP), signature(APP))
    assert create(fake, output).code == 0
    assert tagged("tkg/app", signature_tag(APP), signature(APP)) in held(output)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_signature_where_tags_cannot_be_listed(
    fake: FakeRegistry, output: Path, status: int
) -> None:
    fake.add("tkg/app", signature_tag(APP), signature(APP))
    hang(fake, "tkg/app", APP, referrer(APP))
    fake.on("GET", "/tags/list", answer(status))
    ran = create(fake, output)
    assert ran.code == 0, ran.err
    assert len(held(output)) == 3
    assert ran.json["warnings"] == []


@pytest.mark.parametrize("body", [b"<html>", b'{"tags":7}'])
def test_a_signature_where_the_listing_is_rubbish(
    fake: FakeRegistry, output: Path, body: bytes
) -> None:
    fake.add("tkg/app", signature_tag(APP), signature(APP))
    fake.on("GET", "/tags/list", answer(200, body=body))
    assert create(fake, output).code == 0
    assert len(held(output)) == 2


def test_referrers_are_carried_by_digest_alone(either: FakeRegistry, output: Path) -> None:
    sbom, note = referrer(APP), referrer(APP, "note")
    hang(either, "tkg/app", APP, sbom, note)
    ran = create(either, output)
    assert ran.code == 0, ran.err
    assert held(output) == {OWN, loose("tkg/app", sbom), loose("tkg/app", note)}


def test_referrers_on_the_last_page_of_their_list(modern: FakeRegistry, output: Path) -> None:
    modern.store.page_size = 2
    hang(modern, "tkg/app", APP, *(referrer(APP, f"{number}") for number in range(7)))
    assert create(modern, output).code == 0
    assert len(held(output)) == 8


def test_what_hangs_on_a_platform_of_an_index(either: FakeRegistry, output: Path) -> None:
    child = INDEX.children[1]
    sbom = referrer(child)
    hang(either, "tkg/lamp", child, sbom)
    either.add("tkg/lamp", signature_tag(child), signature(child))
    assert create(either, output, names="tkg/lamp:v1").code == 0
    assert held(output) == {
        tagged("tkg/lamp", "v1", INDEX),
        loose("tkg/lamp", sbom),
        tagged("tkg/lamp", signature_tag(child), signature(child)),
    }


def test_a_signature_of_a_bill_of_material(either: FakeRegistry, output: Path) -> None:
    sbom = referrer(APP)
    deeper = referrer(sbom, "signature of the sbom")
    hang(either, "tkg/app", APP, sbom)
    hang(either, "tkg/app", sbom, deeper)
    either.add("tkg/app", signature_tag(deeper), signature(deeper))
    assert create(either, output).code == 0
    assert held(output) == {
        OWN,
        loose("tkg/app", sbom),
        loose("tkg/app", deeper),
        tagged("tkg/app", signature_tag(deeper), signature(deeper)),
    }


def test_a_signature_of_what_is_named_by_digest(fake: FakeRegistry, output: Path) -> None:
    """As the members of imgpkg bundles are."""
    name = f"tkg/app:sha256-{APP.manifest.digest[7:]}.imgpkg@{APP.manifest.digest}"
    fake.add("tkg/app", signature_tag(APP), signature(APP))
    assert create(fake, output, names=name).code == 0
    assert tagged("tkg/app", signature_tag(APP), signature(APP)) in held(output)


def test_a_signature_that_is_listed_among_the_images(fake: FakeRegistry, output: Path) -> None:
    tag = signature_tag(APP)
    fake.add("tkg/app", tag, signature(APP))
    ran = create(fake, output, names=f"tkg/app:v1 tkg/app:{tag}")
    assert ran.code == 0, ran.err
    assert held(output) == {OWN, tagged("tkg/app", tag, signature(APP))}


def test_what_is_found_elsewhere_lands_beside_its_image(fake: FakeRegistry, output: Path) -> None:
    fake.add("far/app", "v1", APP)
    fake.add("far/app", signature_tag(APP), signature(APP))
    hang(fake, "far/app", APP, referrer(APP))
    rewrite = ("--rewrite", f"registry.example.com/near={fake.host}/far")
    ran = run(
        *("bundle", "create", "--images", "-", *QUICK, *rewrite, "-o", output),
        stdin="registry.example.com/near/app:v1\n",
    )
    assert ran.code == 0, ran.err
    assert held(output) == {
        tagged("near/app", "v1", APP),
        tagged("near/app", signature_tag(APP), signature(APP)),
        loose("near/app", referrer(APP)),
    }


def test_the_same_images_give_the_same_bytes(either: FakeRegistry, output: Path) -> None:
    hang(either, "tkg/app", APP, *(referrer(APP, f"{number}") for number in range(5)))
    hang(either, "tkg/lamp", INDEX, *(referrer(INDEX, f"{number}") for number in range(5)))
    names = "tkg/app:v1 tkg/lamp:v1"
    other = output.with_name("other.tar")
    assert create(either, output, "-j", 4, names=names).code == 0
    assert create(either, other, "-j", 1, names=names).code == 0
    assert output.read_bytes() == other.read_bytes()


def test_a_plan_lists_them_and_a_create_of_it_asks_for_no_lists(
    either: FakeRegistry, output: Path
) -> None:
    hang(either, "tkg/app", APP, referrer(APP))
    either.add("tkg/app", signature_tag(APP), signature(APP))
    plan = output.with_name("plan.json")
    name = f"{either.host}/tkg/app:v1\n"
    assert run("bundle", "plan", "--images", "-", *QUICK, "-o", plan, stdin=name).code == 0
    lists = either.count("GET", "/tags/list|/referrers/")
    assert run("bundle", "create", "--plan", plan, *QUICK, "-o", output).code == 0
    assert either.count("GET", "/tags/list|/referrers/") == lists
    assert len(held(output)) == 3


# --- what it costs ----------------------------------------------------------------------------


def test_without_referrers_nothing_is_asked_for(either: FakeRegistry, output: Path) -> None:
    hang(either, "tkg/app", APP, referrer(APP))
    either.add("tkg/app", signature_tag(APP), signature(APP))
    assert create(either, output, "--no-referrers").code == 0
    assert held(output) == {OWN}
    assert either.count("GET", "/tags/list|/referrers/|sha256-") == 0


def test_one_listing_a_repository_and_one_question_for_the_api(
    fake: FakeRegistry, output: Path
) -> None:
    names = [f"tkg/r{number % 17}:v{number}" for number in range(68)]
    for name in names:
        repository, _, tag = name.partition(":")
        fake.add(repository, tag, build(ImageSpec(name, own=(64,))))
    assert create(fake, output, names=" ".join(names)).code == 0
    assert fake.count("GET", "/tags/list") == 17
    assert fake.count("GET", API) == 1
    assert fake.count("GET", "/manifests/") == 68


def test_one_question_an_image_where_there_is_an_api(modern: FakeRegistry, output: Path) -> None:
    names = [f"tkg/r:v{number}" for number in range(20)]
    for name in names:
        modern.add("tkg/r", name.partition(":")[2], build(ImageSpec(name, own=(64,))))
    assert create(modern, output, names=" ".join(names)).code == 0
    assert modern.count("GET", API) == 20
    assert modern.count("GET", "/tags/list") == 1


def test_a_referrer_is_asked_for_once(either: FakeRegistry, output: Path) -> None:
    sbom = referrer(APP)
    hang(either, "tkg/app", APP, sbom)
    assert create(either, output).code == 0
    assert either.count("GET", f"/manifests/{sbom.manifest.digest}") == 1


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
