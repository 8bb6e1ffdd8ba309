"""Which product a registry is: selects further checks, and never decides about any."""

from __future__ import annotations

from dataclasses import dataclass

from mirror.preflight.scene import Scene
from mirror.preflight.service import root


@dataclass(frozen=True, slots=True)
class Product:
    """``name`` is empty where it could not be told; ``version`` where it does not say."""

    name: str = ""
    version: str = ""
    signs: tuple[str, ...] = ()
    """What it was recognised by, for people."""


HARBOR = "Harbor"


def product(scene: Scene) -> Product:
    """Ask as a stranger; use it as ``scene.once(product)``."""
    challenge = next(iter(scene.once(root).challenges), None)
    if challenge and challenge.parameters.get("service") == "harbor-registry":
        ping = scene.stranger.ask("GET", "/api/v2.0/ping")
        if ping.status == 200 and ping.body.strip() == b"Pong":
            return Product(HARBOR, signs=("GET /api/v2.0/ping answered Pong",))
    return Product()
