"""The worlds that are carried: `python -m scripts.bench.worlds few --mb 200 --storage DIR ...`.

It runs as a program of its own, since whoever measures has to stay small. The images go into the
storage directory by way of a registry of its own, so that another one, with TLS or behind a link,
can serve them afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from scripts.world.images import ImageSpec, build
from scripts.world.plan import plan_images
from scripts.world.registry import Registry
from scripts.world.seed import THREADS, Seeder
from scripts.world.threads import shared_client

__all__ = ["WORLDS", "main", "specs"]

MIB = 1 << 20
LEAST_LAYER = 64
BASES = 10
# Of a world on ten bases: what the bases have of its bytes.
BASES_SHARE = 0.75


def specs(world: str, images: int, megabytes: int) -> dict[str, ImageSpec]:
    """Return one spec a repository; all have the tag v1."""
    return WORLDS[world]([f"bench/app-{n:04}" for n in range(images)], megabytes * MIB)


def _few(names: list[str], total: int) -> dict[str, ImageSpec]:
    """Images as releases have them: a few are large, some share a base, every sixth is an index."""
    return plan_images(names, seed="bench", total=total)


def _small(names: list[str], total: int) -> dict[str, ImageSpec]:
    """Six blobs an image and a few more, a config included, none shared: 968 images have 6,000."""
    more = round(len(names) * (6000 - 6 * 968) / 968)
    counts = [5 + (n < more) for n in range(len(names))]
    dice = random.Random("small")
    weights = [[dice.lognormvariate(0, 1.1) for _ in range(count)] for count in counts]
    scale = total / sum(map(sum, weights))
    return {
        name: _spec(name, [weight * scale for weight in own], docker=n % 2 == 0)
        for n, (name, own) in enumerate(zip(names, weights, strict=True))
    }


def _sharing(names: list[str], total: int) -> dict[str, ImageSpec]:
    """Each image on one of ten bases of three layers, with two layers of its own."""
    layer = int(total * BASES_SHARE / BASES / 3)
    own = total * (1 - BASES_SHARE) / len(names) / 2
    return {
        name: _spec(name, [own, own], bases=[(f"base-{n % BASES}-{k}", layer) for k in range(3)])
        for n, name in enumerate(names)
    }


def _one(names: list[str], total: int) -> dict[str, ImageSpec]:
    """All bytes in one layer."""
    return {name: _spec(name, [total / len(names)]) for name in names}


def _spec(
    name: str, own: Iterable[float], *, bases: Iterable[tuple[str, int]] = (), docker: bool = False
) -> ImageSpec:
    sizes = tuple(max(int(size), LEAST_LAYER) for size in own)
    return ImageSpec(name, seed="bench", bases=tuple(bases), own=sizes, docker=docker)


WORLDS: dict[str, Callable[[list[str], int], dict[str, ImageSpec]]] = {
    "few": _few,
    "small": _small,
    "sharing": _sharing,
    "one": _one,
}


def _seed(url: str, wanted: dict[str, ImageSpec]) -> dict[str, object]:
    """Put every image, and tell each, and how many blobs and bytes they have altogether."""
    blobs: dict[str, int] = {}

    def put(name: str) -> dict[str, object]:
        image = build(wanted[name])
        blobs.update({blob.digest: blob.size for node in image.walk() for blob in node.blobs})
        return asdict(seeder.put(name, "v1", image))

    with shared_client(timeout=60) as client, ThreadPoolExecutor(THREADS) as pool:
        seeder = Seeder(url, client)
        images = list(pool.map(put, wanted))
    return {"images": images, "blobs": len(blobs), "bytes": sum(blobs.values())}


def main() -> None:
    """Seed a storage directory, and write what is in it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.worlds", description=__doc__)
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--mb", type=int, default=8, help="unique megabytes, about")
    parser.add_argument("--storage", type=Path, required=True, metavar="DIR")
    given = parser.parse_args()
    with Registry(given.storage) as registry:
        seeded = _seed(registry.url, specs(given.world, given.images, given.mb))
    print(json.dumps(seeded, indent=1))


if __name__ == "__main__":
    main()
