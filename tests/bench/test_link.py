"""The thin link: its clock, and that what goes in comes out."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import httpx
import pytest

from scripts.bench.link import Line
from scripts.bench.rig import linked
from scripts.world.images import ImageSpec, build
from scripts.world.registry import PROGRAM, Registry
from scripts.world.seed import Seeder

needs_registry = pytest.mark.skipif(not shutil.which(PROGRAM), reason=f"{PROGRAM} is not installed")


def test_a_piece_takes_its_time_and_then_the_way() -> None:
    line = Line(delay=0.04, rate=8e6)
    assert line.send(80_000, now=10.0) == pytest.approx(10.05)
    # The second one waits for the first to have left, not for it to have arrived.
    assert line.send(80_000, now=10.0) == pytest.approx(10.06)
    assert line.free == pytest.approx(10.02)


def test_an_idle_line_owes_nothing() -> None:
    line = Line(delay=0.04, rate=8e6)
    line.send(800_000, now=1.0)
    assert line.send(8, now=60.0) == pytest.approx(60.040001)


def test_a_connection_begins_when_its_handshake_is_over() -> None:
    assert Line(delay=0.04, rate=8e6, free=5.08).send(8, now=5.0) == pytest.approx(5.120001)


@needs_registry
def test_uploads_and_downloads_pass_it_whole(registry: Registry) -> None:
    image = build(ImageSpec("x", own=(300_000,)))
    layer = image.blobs[1]
    with linked(registry.host) as host, httpx.Client(trust_env=False) as client:
        Seeder(f"http://{host}", client).put("x", "v1", image)
        got = client.get(f"http://{host}/v2/x/blobs/{layer.digest}").content
    assert f"sha256:{hashlib.sha256(got).hexdigest()}" == layer.digest
    assert {line.status for line in registry.requests()} <= {200, 201, 202, 404}


@needs_registry
def test_a_registry_that_is_gone_ends_the_connection(tmp_path: Path) -> None:
    with Registry(tmp_path / "storage") as registry:
        host = registry.host
    with linked(host) as near, pytest.raises(httpx.TransportError):
        httpx.get(f"http://{near}/v2/", trust_env=False)
