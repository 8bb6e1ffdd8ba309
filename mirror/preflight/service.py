"""API: does it speak the distribution API, as what product, and does it send logins well?"""

from __future__ import annotations

from mirror.oci.mediatypes import MANIFESTS
from mirror.preflight.interface import Check, Verdict, failed, passed, warned
from mirror.preflight.sample import bare, settled
from mirror.preflight.scene import Scene
from mirror.registry.probe import Answer
from mirror.text import printable

_VERSION = "docker-distribution-api-version"
_WRONG_PLACE = "name the registry's own host and port: no web page, and no path before /v2/"


def root(scene: Scene) -> Answer:
    """What ``GET /v2/`` answers to a stranger."""
    return scene.stranger.ask("GET", "/v2/")


def api_words(answer: Answer) -> bool:
    """True for an answer in the words of the distribution API, whatever it says."""
    if answer.header(_VERSION) or isinstance(answer.object().get("errors"), list):
        return True
    return answer.media_type in MANIFESTS


def speaks(scene: Scene) -> Verdict:
    """API-1. 200 or a 401 with a challenge is the API's own answer (distribution-spec, "end-1").

    One that says anything else there and still answers for manifests is a registry behind a proxy
    that lets /v2/ not through: what that breaks, REG-1 says.
    """
    answer = scene.once(root)
    told = f"GET /v2/ answered {answer.status}"
    if 300 <= answer.status < 400:
        return _redirects(told, answer)
    settled(scene, answer, "GET /v2/")
    challenged = answer.status == 401 and "www-authenticate" in answer.headers
    if challenged or (answer.status == 200 and _is_registry(scene, answer)):
        version = printable(answer.header(_VERSION), 40)
        return passed("it speaks the distribution API", f"{told} {version}".strip())
    if answer.status not in (200, 401) and api_words(scene.once(bare)):
        fix = "let GET /v2/ through the proxy before it, for everybody and without a login"
        return warned(f"it answers for images, but {told}", answer.text, fix=fix)
    said = f"it does not speak the distribution API: {told}"
    said += " with a web page" if answer.media_type == "text/html" else ""
    return failed(said, answer.text, fix=_WRONG_PLACE)


def _is_registry(scene: Scene, answer: Answer) -> bool:
    """Whether a 200 is more than the OK of a web server: by its header, or by its other answers.

    The header is Docker's; OCI's specification has none, and asks for no body.
    """
    if answer.media_type == "text/html":
        return False
    if answer.header(_VERSION):
        return True
    other = scene.once(bare)
    return api_words(other) or "www-authenticate" in other.headers


def _redirects(told: str, answer: Answer) -> Verdict:
    place = printable(answer.header("location"), 120)
    what = f"it does not answer by itself: {told}, a redirect to {place or 'nowhere'}"
    fix = "name the host and port it redirects to"
    return failed(what, answer.text, fix=f"{fix}, or leave --plain-http out for one by https")


CHECKS = (Check("API-1", "it speaks the distribution API", speaks, needs=("NET-6",)),)
