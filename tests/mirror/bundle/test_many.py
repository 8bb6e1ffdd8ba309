"""Many images: what each blob of a bundle costs in memory, counted by Python's own allocator.

10,000 images with 100,000 blobs must stay below 200 MB, of which the libraries have some 40.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bom.images import ImageSet, images_of_list
from mirror.bundle.reader import Bundle, read_head
from mirror.bundle.writer import BundleWriter
from mirror.events import silent
from mirror.plan import contents_of, deliveries, fetches
from mirror.planfile import to_json
from mirror.ports import Move, Sink, Source
from mirror.report import json
from mirror.resolve import Resolution, Resolved
from mirror.settings import Settings
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.engine import Engine, Tally
from mirror.transfer.retry import Retry
from mirror.verify import Nothing, verify_all
from scripts.bench.tiny import tiny_image
from tests.mirror.bundle.small import HOST, graph_of, small

IMAGES = {f"app-{number:03}:v1": tiny_image(number, 10) for number in range(200)}
BLOBS = 11 * len(IMAGES)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(IMAGES).write(tmp_path_factory.mktemp("many") / "x.tar")


@pytest.fixture(scope="module")
def wanted() -> ImageSet:
    return images_of_list("".join(f"{HOST}/tkg/{name}\n" for name in IMAGES), "list.txt")


def stays_below(bound: int, act: Callable[[], object]) -> bool:
    """True where an act takes fewer bytes a blob at its height.

    Python counts for all threads together, and one of an earlier test may still be at its end (4 MB
    were seen once): whatever comes besides is not there three times.
    """
    act()  # whatever is loaded and cached once
    return any(height(act) // BLOBS < bound for _ in range(3))


def height(act: Callable[[], object]) -> int:
    """Bytes that were held at a time while it ran, its result included."""
    tracemalloc.start()
    try:
        kept = act()
        found = tracemalloc.get_traced_memory()[1]
        del kept
        return found
    finally:
        tracemalloc.stop()


def test_a_bundle_that_is_shown(bundle: Path) -> None:
    assert stays_below(600, lambda: json.dump(json.bundle(read_head(bundle)[0])))


def test_a_bundle_that_is_verified(bundle: Path) -> None:
    assert stays_below(1300, lambda: verify_all([bundle], Settings(concurrency=1), silent))


def test_a_bundle_that_is_pushed(bundle: Path) -> None:
    def push() -> object:
        with Bundle(bundle) as opened:
            images = opened.contents().images
            moves = deliveries(((image.path, image.graph) for image in images), [])
            return images, moved(opened, Nothing(), moves)

    assert stays_below(1300, push)


def test_images_that_are_planned(wanted: ImageSet) -> None:
    def plan() -> object:
        images = resolved(wanted)
        resolution = Resolution(images, (), ())
        return json.dump(to_json(wanted, resolution, contents_of(wanted, images)))

    assert stays_below(750, plan)


def test_images_that_are_carried(wanted: ImageSet, bundle: Path, tmp_path: Path) -> None:
    def create() -> object:
        images = resolved(wanted)
        contents = contents_of(wanted, images)
        with (
            Bundle(bundle) as source,
            closing(BundleWriter(tmp_path / "x.tar", contents, mtime=0, force=True)) as writer,
        ):
            outcomes = moved(source, writer, fetches(images))
            writer.finish()
        return images, contents, outcomes

    assert stays_below(1100, create)


def moved(source: Source, sink: Sink, moves: list[Move]) -> list[Outcome[Move, Tally]]:
    crew = Crew(1)
    return Engine(source, sink, "here", crew, Retry(0, crew, silent), silent).run(moves)


def resolved(wanted: ImageSet) -> tuple[Resolved, ...]:
    """What a registry's answers become."""
    pairs = zip(wanted.images, IMAGES.values(), strict=True)
    return tuple(Resolved(each, each.reference.name, graph_of(image)) for each, image in pairs)
