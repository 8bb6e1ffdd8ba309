"""The BOM pair of a release as it was shipped: all of its images, from one registry to another."""

from __future__ import annotations

from pathlib import Path

import httpx

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import ACCEPT, bom_image
from scripts.world.wanted import Place, wanted
from tests.bom.documents import REAL, needs_real
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import run

BOMS = (
    REAL / "bom" / "tkg-bom-v1.6.0.yaml",
    REAL / "bom" / "tkr-bom-v1.23.8+vmware.2-tkg.1.yaml",
)
# Of all components, and the TKr BOM's own; the TKG BOM's own is one of a component's too.
IMAGES = 181 + 1


def image_of(number: int, place: Place) -> Image:
    """As few blobs as an image can have: the test is about how many images there are."""
    if place.bom:
        return bom_image(place.bom)
    platforms = ("amd64", "arm64") if number % 12 == 0 else ("amd64",)
    spec = ImageSpec(str(place), own=(64,), platforms=platforms, docker=number % 2 == 1)
    return build(spec)


@needs_real
def test_every_image_of_a_release_arrives_as_it_was(
    fake: FakeRegistry, registry: Registry, tmp_path: Path
) -> None:
    places = wanted(BOMS, [], "tkg")
    images = {place: image_of(number, place) for number, place in enumerate(places)}
    for place, image in images.items():
        fake.add(place.repository, place.tag, image)
    bundle = tmp_path / "tkg.tar"
    boms = [each for path in BOMS for each in ("--bom", path)]
    made = run(
        *("bundle", "create", *boms, "--source-repo", f"{fake.host}/tkg", "--plain-http"),
        *("-o", bundle, "--format", "json"),
    )
    assert made.code == 0, made.err
    # TKr packages are asked for, and missing ones are no failure.
    there = [each for each in made.json["images"] if each["status"] != "absent"]
    assert len(there) == len(images) == IMAGES
    assert run("bundle", "verify", bundle).code == 0
    pushed = run("bundle", "push", bundle, f"{registry.host}/air", "--plain-http")
    assert pushed.code == 0, pushed.err
    with httpx.Client(base_url=f"{registry.url}/v2/air/", trust_env=False) as client:
        for place, image in images.items():
            path = f"{place.repository.removeprefix('tkg/')}/manifests/{place.tag}"
            answer = client.get(path, headers=ACCEPT)
            assert answer.content == image.manifest.read(), path
            assert answer.headers["Content-Type"] == image.manifest.media_type
