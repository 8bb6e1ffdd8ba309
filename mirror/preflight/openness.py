"""REG: can a stranger push? Then anybody can put another image under a name that TKG installs."""

from __future__ import annotations

from mirror.errors import RegistryFault
from mirror.preflight.anonymous import token
from mirror.preflight.interface import Check, Verdict, passed, untold, warned
from mirror.preflight.realm import trouble
from mirror.preflight.sample import sample, settled, words
from mirror.preflight.scene import Scene
from mirror.registry.probe import Answer, bearer
from mirror.text import printable

_FIX = (
    "ask for a login to push: token auth whose service gives strangers pull alone, or a reverse"
    " proxy that lets only GET and HEAD through without one"
)
_REFUSALS = {
    401: "it asks for a login",
    403: "it forbids it",
    405: "it takes no writes at all (read-only or a cache, see REG-6)",
}


def refuses(scene: Scene) -> Verdict:
    """REG-2. An upload is begun as nobody, and again with the token that anybody gets.

    Harbor and Distribution refuse before they create anything (measured). Where one is begun
    after all, it is given back at once; no byte is sent. Of such a session Distribution 2.8.2
    keeps the state of a hash, 108 bytes that no list shows (measured).
    """
    answer = _begun(scene, "")
    if 200 <= answer.status < 300:
        return _open(scene, answer, "", "without a login")
    challenge = next((each for each in answer.challenges if each.scheme == "bearer"), None)
    if answer.status != 401 or challenge is None:
        return _refused(scene, answer, "")
    if wrong := trouble(scene, challenge):
        return untold(f"an upload needs a token, and {wrong.what}", fix=wrong.fix)
    # To give an upload back takes the right to delete (Harbor and Distribution, measured).
    scope = f"repository:{scene.once(sample).repository}:pull,push,delete"
    given = token(scene, challenge, scope)
    header = bearer(given) if given.status == 200 else ""
    if not header:
        return passed("a stranger cannot push: no token for strangers")
    again = _begun(scene, header)
    if 200 <= again.status < 300:
        return _open(scene, again, header, "with a token that anybody gets")
    return _refused(scene, again, header)


def _begun(scene: Scene, authorization: str) -> Answer:
    path = f"/v2/{scene.once(sample).repository}/blobs/uploads/"
    answer = scene.stranger.ask("POST", path, body=b"", authorization=authorization)
    return settled(scene, answer, f"POST {path}", authorization)


def _refused(scene: Scene, answer: Answer, authorization: str) -> Verdict:
    repository = scene.once(sample).repository
    told = f"POST /v2/{repository}/blobs/uploads/ answered {answer.status}"
    if answer.status in _REFUSALS:
        return passed(f"a stranger cannot push: {_REFUSALS[answer.status]}", told)
    if answer.status == 404:
        what = f"there is no {repository} yet, and so nothing to refuse"
        return untold(
            what, f"{told}: {words(answer, authorization)}", fix="create it, and ask again"
        )
    return untold(f"whether a stranger can push is not told: {told}", words(answer, authorization))


def _open(scene: Scene, answer: Answer, authorization: str, how: str) -> Verdict:
    ended = _ended(scene, answer, authorization)
    detail = f"an upload to {scene.once(sample).repository} began {how}; {ended}"
    return warned(f"anybody can overwrite images: a stranger can push {how}", detail, fix=_FIX)


def _ended(scene: Scene, answer: Answer, authorization: str) -> str:
    """Give the upload back, only at the registry itself; words for what came of it."""
    try:
        ended = scene.stranger.at(answer.header("location"), "DELETE", authorization)
    except RegistryFault as fault:
        return f"it could not be given back: {printable(fault.fact)}"
    if ended.status < 300 or ended.status == 404:
        return "it was given back"
    return f"it could not be given back: DELETE answered {ended.status}"


CHECKS = (Check("REG-2", "a stranger cannot push", refuses, needs=("API-1",)),)
