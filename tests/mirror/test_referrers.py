"""Where companions are looked for when their image is not where it is named."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bom.images import ImageSet, WantedImage
from bom.reference import Reference
from mirror.create import Creation, resolve
from mirror.errors import Side, Unresolved
from mirror.events import silent
from mirror.referrers import Referrers
from mirror.registry.access import Access
from mirror.registry.remote import Registries
from mirror.resolve import Resolution, Resolver
from mirror.rewrite import Rewrites
from mirror.settings import Settings
from mirror.transfer.crew import Crew
from mirror.transfer.retry import Retry
from scripts.world.images import Image, ImageSpec, build
from tests.fakes.behaviours import answer, hang_up
from tests.fakes.companions import hang, referrer, signature, signature_tag
from tests.fakes.simple import FakeRegistry

APP = build(ImageSpec("app"))
QUICK = Settings(retries=0, first_pause=0.0)


def wanted(fake: FakeRegistry, *elsewhere: str, host: str = "") -> WantedImage:
    """The image by digest, as a bundle's lock names it, and other places that may have it."""
    digest = APP.manifest.digest
    places = tuple(Reference.parse(f"{fake.host}/{each}@{digest}") for each in elsewhere)
    name = Reference.parse(f"{host or fake.host}/near/app@{digest}")
    return WantedImage(name, name.host, "near/app", places=places)


def resolved(
    images: Sequence[WantedImage], rewrites: Rewrites | None = None
) -> dict[str, tuple[str, str]]:
    """By reference: the digest, and where it was found."""
    with Registries(Access(Side.SOURCE, QUICK, plain_http=True)) as source:
        creation = Creation(ImageSet(tuple(images)), source, QUICK, silent, rewrites or Rewrites())
        found: Resolution = resolve(creation)
    return {str(i.wanted.reference): (str(i.digest), i.origin) for i in found.images}


def stock(fake: FakeRegistry) -> None:
    fake.add("far/app", "v1", APP)
    fake.add("far/app", signature_tag(APP), signature(APP))
    hang(fake, "far/app", APP, referrer(APP))


def companions(host: str, found_at: str) -> dict[str, tuple[str, str]]:
    def entry(name: str, image: Image) -> tuple[str, tuple[str, str]]:
        return f"{host}/near/app{name}", (image.manifest.digest, found_at)

    return dict(
        [
            entry(f"@{APP.manifest.digest}", APP),
            entry(f":{signature_tag(APP)}", signature(APP)),
            entry(f"@{referrer(APP).manifest.digest}", referrer(APP)),
        ]
    )


def test_companions_of_what_was_found_elsewhere(fake: FakeRegistry) -> None:
    stock(fake)
    found = resolved([wanted(fake, "nowhere/app", "far/app")])
    assert found == companions(fake.host, f"{fake.host}/far/app")


def test_companions_of_what_a_rewrite_led_elsewhere(fake: FakeRegistry) -> None:
    """The rewrite leads their names there too, and must not be applied to where it led."""
    stock(fake)
    pairs = (f"registry.example.com/near={fake.host}/far", f"{fake.host}/far={fake.host}/nowhere")
    image = wanted(fake, host="registry.example.com")
    found = resolved([image], Rewrites.parse(pairs))
    assert found == companions("registry.example.com", f"{fake.host}/far/app")


def test_a_registry_that_fell_silent_is_not_asked_for_every_image(fake: FakeRegistry) -> None:
    images = []
    for number in range(9):
        image = build(ImageSpec(f"app-{number}", own=(64,)))
        fake.add(f"near/app-{number}", "v1", image)
        name = Reference.parse(f"{fake.host}/near/app-{number}:v1")
        images.append(WantedImage(name, name.host, f"near/app-{number}"))
    fake.on("GET", "/tags/list", hang_up())
    with pytest.raises(Unresolved) as caught:
        resolved(images)
    assert len(caught.value.causes) == 9
    assert caught.value.hint.count("--no-referrers") == 1
    assert fake.count("GET", "/tags/list") <= QUICK.concurrency


def test_more_referrers_than_a_run_may_hold(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.referrers.MAX_REFERRERS_OF_RUN", 3)
    stock(fake)
    hang(fake, "far/app", APP, *(referrer(APP, f"{number}") for number in range(4)))
    with pytest.raises(Unresolved, match="3 referrers are enough"):
        resolved([wanted(fake, "far/app")])


def test_more_names_than_a_run_may_hold_are_asked_for_one_by_one(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.referrers.MAX_COMPANION_TAGS_OF_RUN", 1)
    stock(fake)
    assert len(resolved([wanted(fake, "far/app")])) == 3


def test_a_referrer_that_cannot_be_had_fails_by_its_own_name(fake: FakeRegistry) -> None:
    stock(fake)
    digest = referrer(APP).manifest.digest
    fake.on("GET", f"/manifests/{digest}", answer(500))
    with pytest.raises(Unresolved) as caught:
        resolved([wanted(fake, "far/app")])
    assert [name for name, _fault in caught.value.causes] == [f"{fake.host}/near/app@{digest}"]
    assert "--no-referrers" in caught.value.hint


def test_what_was_looked_into_is_not_looked_into_again(fake: FakeRegistry) -> None:
    """The same image under two names of one repository, and in a later round."""
    fake.add("far/app", "v2", APP)
    stock(fake)
    with Registries(Access(Side.SOURCE, QUICK, plain_http=True)) as source:
        crew = Crew(2, keep_going=True)
        retry = Retry(0, crew, silent)
        resolver = Resolver(source, Rewrites(), {}, crew, retry, silent)
        names = [Reference.parse(f"{fake.host}/far/app:{tag}") for tag in ("v1", "v2")]
        images = resolver.run([WantedImage(n, n.host, "far/app") for n in names]).images
        finder = Referrers(source, resolver)
        first = finder(images)
        before = len(fake.requests)
        assert finder(images).wanted == first.wanted
        assert len(fake.requests) == before
    assert fake.count("GET", "/tags/list") == fake.count("GET", "/referrers/") == 1
    assert len({each.reference for each in first.wanted}) == 2
