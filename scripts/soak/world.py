"""What a soak carries: images in a real registry, and what they are by that registry's own word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.soak.plain import Plain
from scripts.world.registry import Registry
from scripts.world.seed import seed_places
from scripts.world.threads import shared_client
from scripts.world.wanted import Place

__all__ = ["NAMED", "World", "made"]

# The host in the image list: every round rewrites it to the proxy of its own.
NAMED = "registry.example.com"


@dataclass(frozen=True)
class World:
    """A source at ``url``, its image list, and what a transfer has to bring."""

    url: str
    list: Path
    images: dict[Place, bytes]
    """The raw manifest or index of each."""
    blobs: dict[str, int]
    """Sizes by digest."""

    @property
    def needed(self) -> int:
        """Bytes of all blobs, each once."""
        return sum(self.blobs.values())


@contextmanager
def made(scratch: Path, *, images: int, megabytes: int, seed: int) -> Iterator[World]:
    """Seed a source; it lives as long as the context."""
    places = [Place(f"soak/app-{n:03}", "v1") for n in range(images)]
    listed = scratch / "images.txt"
    listed.write_text("".join(f"{NAMED}/{place}\n" for place in places))
    with Registry() as source, shared_client(timeout=60) as client:
        seed_places(source.url, places, seed=str(seed), megabytes=megabytes, client=client)
        plain = Plain(source.url, client)
        raws = {p: plain.manifest(p.repository, p.tag) or b"" for p in places}
        blobs = {k: v for p, raw in raws.items() for k, v in plain.blobs(p.repository, raw).items()}
        yield World(source.url, listed, raws, blobs)
