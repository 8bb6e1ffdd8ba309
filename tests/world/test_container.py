"""The registry as a container answers as the one on the machine does."""

from __future__ import annotations

import httpx
import pytest

from scripts.world.seed import seed_places
from scripts.world.wanted import Place
from tests.fakes import skopeo


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_container_is_seeded_like_any_registry(container_registry: str) -> None:
    host = container_registry
    assert host.startswith("127.0.0.1:")
    (entry,) = seed_places(f"http://{host}", [Place("tkg/pause", "3.9")], megabytes=1)
    listed = httpx.get(f"http://{host}/v2/tkg/pause/tags/list", trust_env=False).json()
    assert listed == {"name": "tkg/pause", "tags": ["3.9"]}
    if skopeo.installed():
        assert skopeo.digest_of(f"{host}/tkg/pause:3.9") == entry.digest
