"""Growth: what is asked is the ratio; and images written into a storage are images."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from scripts.bench.scale import growth, text
from scripts.bench.tiny import repository, tiny_image
from scripts.world.images import ImageSpec, build
from scripts.world.registry import PROGRAM, Registry
from scripts.world.storage import write_image
from tests.bench.samples import sample
from tests.flows.cli import run

needs_registry = pytest.mark.skipif(not shutil.which(PROGRAM), reason=f"{PROGRAM} is not installed")


def test_ten_times_as_much_may_take_ten_times_as_long() -> None:
    few = {"create": sample(2.0, cpu=1.5, requests=120), "show": sample(0.2, cpu=0.2)}
    many = {"create": sample(40.0, cpu=15.0, requests=1200), "show": sample(3.0, cpu=3.0)}
    assert growth(few["create"], many["create"]) == 10
    lines = text(1000, 10, few, many).splitlines()
    assert lines[0] == "100 images (1,000 blobs) and 1,000 images (10,000 blobs): 10 times as many"
    expected = "create 2.00 40.00 1.50 15.00 10.0 50 50 120 1,200"
    assert lines[2].split() == expected.split()
    assert lines[3].endswith("FASTER THAN LINEAR")


def test_a_failed_step_says_so() -> None:
    few, many = sample(1.0), replace(sample(0.1), error="exit 9: disk\nfull")
    assert "show         failed: exit 9: disk full" in text(1000, 10, {"show": few}, {"show": many})


@needs_registry
def test_images_written_into_a_storage_are_served_whole(tmp_path: Path) -> None:
    index = build(ImageSpec("x", platforms=("amd64", "arm64")))
    write_image(tmp_path / "storage", "x/index", "v1", index)
    write_image(tmp_path / "storage", repository(3), "v1", tiny_image(3, 10))
    listed, bundle = tmp_path / "list", tmp_path / "bundle.tar"
    with Registry(tmp_path / "storage") as registry:
        names = ("x/index", repository(3))
        listed.write_text("".join(f"{registry.host}/{name}:v1\n" for name in names))
        ran = run("bundle", "create", "--images", listed, "-o", bundle, "--plain-http")
        assert ran.code == 0, ran.err
        tags = httpx.get(f"{registry.url}/v2/x/index/tags/list", trust_env=False).json()
    assert tags["tags"] == ["v1"]
    verified = run("bundle", "verify", bundle, "--format", "json")
    assert verified.code == 0
    blobs = len(index.everything()) + 10 + 1
    shown = run("bundle", "show", bundle, "--format", "json").json
    assert shown["blobs"]["count"] == blobs
