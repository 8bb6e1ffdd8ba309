"""REG: can a stranger push? Then anybody can put another image under a name that TKG installs."""

from __future__ import annotations

from mirror.preflight import writing
from mirror.preflight.anonymous import token
from mirror.preflight.interface import Check, Verdict, passed, untold, warned
from mirror.preflight.products import HARBOR, product
from mirror.preflight.realm import trouble
from mirror.preflight.sample import settled
from mirror.preflight.scene import Scene
from mirror.preflight.writing import LEFT, Attempt, Reading
from mirror.registry.probe import bearer

_FIX = (
    "ask for a login to push: token auth whose service gives strangers pull alone, or a reverse"
    " proxy that lets only GET and HEAD through without one"
)
_FORBIDS = "it forbids it"
_NO_WRITES = "it takes no writes at all (read-only or a cache, see REG-6)"
_REFUSALS = {
    Reading.MAY_NOT: "it asks for a login",
    Reading.NO_PROJECT: "it asks for a login",
    Reading.PROXY_PROJECT: "a proxy cache takes no push",
    Reading.READ_ONLY: _NO_WRITES,
    Reading.CACHE: _NO_WRITES,
}


def refuses(scene: Scene) -> Verdict:
    """REG-2. A manifest that cannot be stored is put as nobody, and with the token anybody gets.

    That leaves nothing behind (facts A6; ``writing`` says how it is told from a cache). An upload
    would be another way to ask, and no better one: who refuses it refuses a manifest too, and
    where one is begun, Distribution 2.8.2 keeps a file of it although it is cancelled at once, and
    Harbor lets no robot cancel it (both measured). So where the manifest tells nothing, the
    operator is told how to ask by hand, and nothing is begun behind his back.
    """
    found = scene.once(nobody)
    return found if isinstance(found, Verdict) else _judged(scene, *found)


def nobody(scene: Scene) -> tuple[Attempt, str] | Verdict:
    """What a stranger comes to who tries to write, and with what Authorization, if any.

    A verdict where he gets no token. Use it as ``scene.once(nobody)``.
    """
    attempt = scene.once(writing.stranger)
    challenge = next((each for each in attempt.answer.challenges if each.scheme == "bearer"), None)
    if attempt.answer.status != 401 or challenge is None:
        return attempt, ""
    if wrong := trouble(scene, challenge):
        return untold(f"a push needs a token, and {wrong.what}", fix=wrong.fix)
    # What is stored all the same is to be deleted again.
    scope = f"repository:{attempt.repository}:pull,push,delete"
    given = token(scene, challenge, scope)
    header = bearer(given) if given.status == 200 else ""
    if not header:
        return passed("a stranger cannot push: no token for strangers")
    return writing.misnamed(scene.stranger, attempt.repository, header, lambda: header), header


def _judged(scene: Scene, attempt: Attempt, header: str) -> Verdict:
    """What an attempt says, and the second question where it says yes: Harbor's yes is one."""
    how = "with a token that anybody gets" if header else "without a login"
    detail = f"PUT of an invalid manifest to {attempt}"
    if attempt.reading is Reading.MAY and scene.once(product).name != HARBOR:
        attempt = _second(scene, attempt.repository, header)
        detail = f"{detail}\nPUT of a manifest without its blobs to {attempt}"
    if attempt.reading in (Reading.MAY, Reading.STORED):
        left = f"; {LEFT}: {attempt.remains}" if attempt.remains else ""
        what = f"anybody can overwrite images: a stranger can push {how}{left}"
        return warned(what, detail, fix=_FIX)
    if refusal := _REFUSALS.get(attempt.reading):
        forbids = attempt.reading is Reading.MAY_NOT and attempt.answer.status == 403
        return passed(f"a stranger cannot push: {_FORBIDS if forbids else refusal}", detail)
    if attempt.reading is Reading.NO_REPOSITORY:
        what = f"there is no {attempt.repository} yet, and so nothing to refuse"
        return untold(what, detail, fix="create it, and ask again")
    return _unclear(scene, attempt, header, detail)


def _second(scene: Scene, repository: str, header: str) -> Attempt:
    if not header:
        return scene.once(writing.stranger_again)
    return writing.incomplete(scene.stranger, repository, header, lambda: header)


def _unclear(scene: Scene, attempt: Attempt, header: str, detail: str) -> Verdict:
    """Raises RegistryFault for what may be another answer later, or is a redirect."""
    path = f"{scene.target.authority}/v2/{attempt.repository}"
    status = settled(scene, attempt.answer, f"PUT {path}/manifests/...", header).status
    scheme = "http" if scene.question.access.plain_http else "https"
    fix = f"ask by hand, where 202 is a yes: curl -si -X POST {scheme}://{path}/blobs/uploads/"
    return untold(
        f"whether a stranger can push is not told: a PUT answered {status}", detail, fix=fix
    )


CHECKS = (Check("REG-2", "a stranger cannot push", refuses, needs=("API-1",)),)
