"""The scenarios and their worlds: as large as they say, and smaller in proportion."""

from __future__ import annotations

import pytest

from scripts.bench.scenarios import FULL_MB, SCENARIOS, STEPS, chosen, scaled
from scripts.bench.site import Wanted
from scripts.bench.world import earlier
from scripts.bench.worlds import WORLDS, specs
from scripts.world.images import build

BY_LETTER = {scenario.letter: scenario for scenario in SCENARIOS}


def test_every_scenario_has_a_world_and_known_steps() -> None:
    assert "".join(BY_LETTER) == "abcdefgh"
    for scenario in SCENARIOS:
        assert scenario.world in WORLDS
        assert set(scenario.steps) <= set(STEPS)
        assert scenario.rounds >= scenario.peer_rounds >= 1


def test_letters_choose_in_the_order_of_the_scenarios() -> None:
    assert [scenario.letter for scenario in chosen("f, a,b")] == ["a", "b", "f"]


@pytest.mark.parametrize("letters", ["", "x", "a,z", ","])
def test_what_is_no_scenario_is_refused_with_those_that_are(letters: str) -> None:
    with pytest.raises(ValueError, match="a,b,c,d,e,f,g,h"):
        chosen(letters)


def test_a_whole_bench_is_as_it_was_asked_for() -> None:
    assert scaled(SCENARIOS, FULL_MB) == list(SCENARIOS)


def test_a_quick_look_shrinks_bytes_and_images_and_their_names() -> None:
    small = {s.letter: s for s in scaled(SCENARIOS, FULL_MB // 20, 1)}
    assert (small["a"].images, small["a"].mb, small["a"].rounds) == (6, 100, 1)
    assert (small["c"].title, small["d"].title) == ("20 images on ten bases", "one blob of 200 MB")
    assert (small["d"].images, small["f"].mb) == (1, 6)


def test_more_bytes_are_larger_images() -> None:
    twice = {s.letter: s for s in scaled(SCENARIOS, 2 * FULL_MB)}
    assert (twice["a"].images, twice["a"].mb) == (60, 4000)


def test_many_small_images_have_6000_blobs() -> None:
    scenario = BY_LETTER["b"]
    found = specs(scenario.world, scenario.images, scenario.mb)
    assert len(found) == 968
    assert sum(len(spec.own) + 1 for spec in found.values()) == 6000


def test_300_images_stand_on_ten_bases() -> None:
    scenario = BY_LETTER["c"]
    found = specs(scenario.world, scenario.images, scenario.mb).values()
    bases = {spec.bases for spec in found}
    assert len(bases) == 10
    own = sum(sum(spec.own) for spec in found)
    shared = sum(size for base in bases for _, size in base)
    assert 0.9 < (own + shared) / (scenario.mb << 20) <= 1
    assert shared > 2 * own


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_has_about_the_bytes_it_was_asked_for(world: str) -> None:
    images = [build(spec) for spec in specs(world, 20, 4).values()]
    blobs = {blob.digest: blob.size for i in images for node in i.walk() for blob in node.blobs}
    assert 0.8 < sum(blobs.values()) / (4 << 20) < 1.3


def test_of_a_grown_world_a_tenth_of_the_bytes_is_new() -> None:
    sizes = [50, 400, 30, 300, 150, 40, 30]
    images = [Wanted(f"bench/{n}", "v1", "sha256:0", size) for n, size in enumerate(sizes)]
    kept = earlier(images, 0.1)
    assert [image.bytes for image in images if image not in kept] == [50, 30]
    # One image at least is new, however large the smallest is.
    assert earlier(images[1:2] * 2, 0.1) == images[1:2]
