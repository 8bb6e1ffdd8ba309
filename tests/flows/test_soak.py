"""The soak itself: a tiny round holds, and one in which something is wrong says so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from scripts.soak.__main__ import main
from scripts.soak.plain import Plain
from scripts.soak.rounds import Failed, Plan, Witness, play
from scripts.soak.world import made
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.proxy import FaultProxy

TINY = ["--mb", "1", "--images", "3", "--jobs", "2"]


def test_a_round_with_faults_arrives_whole(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "--seed", "3", "--faults", "gentle"]) == 0
    out = capsys.readouterr().out
    assert re.match(r"seed 3: 3 images, \d+ blobs, .*\nround 1: create ", out)
    assert not re.search(r"\b0 faults", out)


def test_a_killed_tool_goes_on_and_sends_nothing_twice(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "--seed", "4", "--faults", "none", "--kills", "2"]) == 0
    expected = "2 kills, 2 recoveries, 0 finished blobs fetched or sent again, 0 incomplete tags"
    assert expected in capsys.readouterr().out


def test_a_finding_ends_it_with_the_command_that_repeats_it(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tool that may not try again does not survive the faults."""
    assert main([*TINY, "--seed", "3", "--faults", "gentle", "--retries", "0"]) == 1
    err = capsys.readouterr().err
    assert "python -m scripts.soak --seed 3 --round 1 " in err
    assert "FAILED create ended with 4: " in err


def test_another_image_at_the_destination_is_found(registry: Registry, tmp_path: Path) -> None:
    with made(tmp_path, images=2, megabytes=1, seed=1) as world:
        place = next(iter(world.images))
        other = replace(world, images=world.images | {place: b"{}"})
        with pytest.raises(Failed, match=f"{place} is not what the source has"):
            play(other, Plan("1", "none", retries=0), tmp_path)


def test_a_tag_that_is_put_too_early_is_seen(registry: Registry, proxy: FaultProxy) -> None:
    image = build(ImageSpec("x", own=(1000,), platforms=("amd64", "arm64")))
    with httpx.Client(trust_env=False) as client:
        plain = Plain(registry.url, client)
        witness = Witness(plain)
        proxy.on("PUT", "/manifests/", witness)
        Seeder(proxy.url, client).put("good", "v1", image)
        assert not witness.incomplete
        raw = image.manifest.read()
        client.put(f"{proxy.url}/v2/early/manifests/v1", content=raw)
        assert witness.incomplete[0].startswith("early:v1 without ['sha256:")
        first = next(image.walk())
        assert plain.missing("empty", first.manifest.read()) == [b.digest for b in first.blobs]


def test_wrong_bytes_at_the_destination_are_seen(registry: Registry) -> None:
    image = build(ImageSpec("x", own=(1000,)))
    with httpx.Client(trust_env=False) as client:
        Seeder(registry.url, client).put("x", "v1", image)
        plain, raw = Plain(registry.url, client), image.manifest.read()
        assert plain.wrong("x", raw) == []
        layer = image.blobs[1].digest
        hexed = layer.partition(":")[2]
        stored = registry.storage / f"docker/registry/v2/blobs/sha256/{hexed[:2]}/{hexed}/data"
        stored.write_bytes(bytes(image.blobs[1].size))
        assert plain.wrong("x", raw) == [layer]
