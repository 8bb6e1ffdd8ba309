"""API: does it speak the distribution API, as what product, and does it send logins well?"""

from __future__ import annotations

from mirror.preflight.interface import Check, Verdict, failed, passed
from mirror.preflight.scene import Scene
from mirror.registry.probe import Answer

_VERSION = "docker-distribution-api-version"


def root(scene: Scene) -> Answer:
    """What ``GET /v2/`` answers to a stranger."""
    return scene.stranger.ask("GET", "/v2/")


def speaks(scene: Scene) -> Verdict:
    """API-1. 200 or a 401 with a challenge is the API's own answer (distribution-spec, "end-1")."""
    answer = scene.once(root)
    told = f"GET /v2/ answered {answer.status}"
    if answer.status == 200 or (answer.status == 401 and "www-authenticate" in answer.headers):
        version = answer.header(_VERSION)
        return passed("it speaks the distribution API", f"{told} {version}".strip())
    fix = "name the registry's own host and port: no web page, and no path before /v2/"
    return failed(f"it does not speak the distribution API: {told}", answer.text, fix=fix)


CHECKS = (Check("API-1", "it speaks the distribution API", speaks, needs=("NET-6",)),)
