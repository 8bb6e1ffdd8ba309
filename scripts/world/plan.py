"""Who is how large: names, a total and a seed -> the specs of a whole world of images (pure).

The spread follows what node listings of Tanzu Kubernetes Grid show: the median image is about half
of the mean and the largest about six times the mean. Six bases are shared by all, as those of
distributions are; about every sixth image has two platforms, and half speak docker's media types.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from scripts.world.images import ImageSpec

__all__ = ["plan_images"]

BASES = 6
BASES_SHARE = 0.15
LEAST_LAYER = 64


def plan_images(names: Iterable[str], *, seed: str, total: int) -> dict[str, ImageSpec]:
    """Return one spec a name, about `total` unique bytes altogether."""
    ordered = sorted(set(names))
    dice = {name: random.Random(f"{seed} {name}") for name in ordered}
    weights = {name: dice[name].lognormvariate(0, 1.1) for name in ordered}
    scale = total * (1 - BASES_SHARE) / (sum(weights.values()) or 1)
    bases = _bases(seed, int(total * BASES_SHARE))
    return {
        name: _spec(name, seed, dice[name], bases, int(weights[name] * scale)) for name in ordered
    }


def _bases(seed: str, budget: int) -> list[tuple[str, int]]:
    # Half of the budget is for the second platform.
    steps = sum(range(1, BASES + 1))
    sizes = [max(budget * n // steps // 2, LEAST_LAYER) for n in range(1, BASES + 1)]
    return [(f"base-{seed}-{n}", size) for n, size in enumerate(sizes)]


def _spec(
    name: str, seed: str, dice: random.Random, bases: list[tuple[str, int]], budget: int
) -> ImageSpec:
    platforms = ("amd64", "arm64") if dice.random() < 1 / 6 else ("amd64",)
    chosen = sorted(dice.sample(bases, dice.randint(0, 2)))
    parts = [dice.expovariate(1) + 0.01 for _ in range(dice.choice((1, 1, 1, 2, 2, 4)))]
    scale = budget / len(platforms) / sum(parts)
    return ImageSpec(
        name,
        seed=seed,
        bases=tuple(chosen),
        own=tuple(max(int(part * scale), LEAST_LAYER) for part in parts),
        platforms=platforms,
        docker=dice.random() < 0.5,
    )
