"""Signatures and referrers from a source: all that is there is carried."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.settings import MAX_SAME
from scripts.world.images import ImageSpec, build
from tests.fakes.behaviours import answer
from tests.fakes.companions import hang, referrer, signature, signature_tag
from tests.fakes.packages import bundle, lock, tag_of
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import run
from tests.flows.hanging import API, APP, INDEX, OWN, QUICK, create, held, loose, tagged
from tests.flows.hanging import either as either
from tests.flows.hanging import fake as fake
from tests.flows.hanging import modern as modern
from tests.flows.hanging import output as output

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


def test_what_hangs_on_a_bundles_member_alone_though_its_image_was_found_elsewhere(
    either: FakeRegistry, output: Path
) -> None:
    """As `imgpkg copy --cosign-signatures` leaves it: in the bundle's repository."""
    package = bundle(lock(f"gone.invalid/dev/app@{APP.manifest.digest}"))
    either.add("tkg/package", "v1", package)
    either.add("tkg/package", tag_of(APP), APP)
    either.add("tkg/package", signature_tag(APP), signature(APP))
    hang(either, "tkg/package", APP, referrer(APP))
    ran = create(either, output, names="tkg/app:v1 tkg/package:v1")
    assert ran.code == 0, ran.err
    assert held(output) == {
        OWN,
        tagged("tkg/package", "v1", package),
        tagged("tkg/package", tag_of(APP), APP),
        tagged("tkg/package", signature_tag(APP), signature(APP)),
        loose("tkg/package", referrer(APP)),
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


def test_one_signature_in_many_repositories_is_no_cause_for_alarm(
    fake: FakeRegistry, output: Path
) -> None:
    """Package bundles share members, and each bundle's repository has their signatures."""
    names = [f"tkg/copy-{number}" for number in range(MAX_SAME + 1)]
    for number, name in enumerate(names):
        other = build(ImageSpec(f"other-{number}"))
        fake.add(name, "v1", other)
        fake.add(name, signature_tag(other), signature(APP))
    ran = create(fake, output, names=" ".join(f"{name}:v1" for name in names))
    assert ran.code == 0, ran.err
    assert len(held(output)) == 2 * len(names)
    assert ran.json["warnings"] == []
