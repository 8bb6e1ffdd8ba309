"""REG: can everybody who installs TKG pull without a login? What a stranger is answered."""

from __future__ import annotations

from mirror.preflight import causes, claims
from mirror.preflight.clients import (
    CLIENTS,
    NOBODY,
    OF_TKG,
    Answers,
    Dance,
    challenges_of,
    dance_of,
    first_of,
    let_in,
    outcomes,
)
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.products import HARBOR, product
from mirror.preflight.realm import trouble
from mirror.preflight.sample import bare, sample, settled, words
from mirror.preflight.scene import Scene
from mirror.preflight.service import api_words, root
from mirror.registry.challenge import Challenge
from mirror.registry.probe import Answer, bearer
from mirror.registry.wire import ACCEPT_MANIFESTS
from mirror.text import printable


def answers(scene: Scene) -> Answers:
    """What a stranger is answered on each way by which a client might try it.

    Raises RegistryFault where an answer may be another later, or there is none.
    """
    at, first = scene.once(sample), settled(scene, scene.once(root), "GET /v2/")
    found = scene.once(bare)
    nobody = None
    if first_of(first, "basic"):
        again = scene.stranger.manifest(at.repository, at.name, NOBODY)
        nobody = settled(scene, again, f"GET {at}")
    asked = [c for each in (first, found) for c in _bearer(each)]
    dances = tuple(_dance(scene, c) for n, c in enumerate(asked) if c not in asked[:n])
    gathered = Answers(first, found, nobody, dances)
    return Answers(first, found, nobody, dances, _head(scene, gathered))


def token(scene: Scene, challenge: Challenge, scope: str) -> Answer:
    """What the token service of a challenge gives a stranger; one that ``trouble`` has none with.

    ``scope`` as in a token request: ``repository:tkg/pause:pull``.
    """
    given = scene.stranger.token(challenge, (scope,))
    return settled(scene, given, "its token service")


def _bearer(answer: Answer) -> list[Challenge]:
    given = challenges_of(answer.headers.get("www-authenticate", ()))
    return [each for each in given if each.scheme == "bearer"]


def _dance(scene: Scene, challenge: Challenge) -> Dance:
    if wrong := trouble(scene, challenge):
        return Dance(challenge, wrong.what, wrong.unsure)
    at = scene.once(sample)
    given = token(scene, challenge, f"repository:{at.repository}:pull")
    header = bearer(given) if given.status == 200 else ""
    if not header:
        return Dance(challenge, token=given)
    manifest = scene.stranger.manifest(at.repository, at.name, header)
    return Dance(challenge, token=given, manifest=settled(scene, manifest, f"GET {at}", header))


def _head(scene: Scene, found: Answers) -> Answer | None:
    """What a HEAD is answered as containerd would send it, where a GET is let in."""
    at, authorization = scene.once(sample), ""
    if found.bare.status == 401:
        challenge = first_of(found.bare, "bearer")
        dance = dance_of(found, challenge) if challenge else None
        if dance is None or dance.token is None or not let_in(dance.manifest):
            return None
        authorization = bearer(dance.token)
    elif not let_in(found.bare):
        return None
    path, accept = f"/v2/{at.repository}/manifests/{at.name}", {"Accept": ACCEPT_MANIFESTS}
    answer = scene.stranger.ask("HEAD", path, headers=accept, authorization=authorization)
    return settled(scene, answer, f"HEAD {at}", authorization)


# --- the verdict --------------------------------------------------------------------------


def pulls(scene: Scene) -> Verdict:
    """REG-1, and R4: imgpkg of the Tanzu CLI asks without any login, whatever there is.

    Not by what /v2/ answers: Harbor always says 401 there. Each client's own way is followed
    (``clients``) with what the registry answered.
    """
    at = scene.once(sample)
    if scene.once(product).name == HARBOR and "/" not in at.repository:
        fix = f"name the project: {scene.target.authority}/PROJECT"
        return untold("Harbor keeps images in projects, and DEST names none", fix=fix)
    found = scene.once(answers)
    fared = outcomes(found)
    detail = "\n".join([*map(str, fared), _asked(scene)])
    broken = [each.client for each in fared if each.works is False]
    unsure = [each.client for each in fared if each.works is None]
    if not broken and not unsure:
        return _all_in(scene, found, detail)
    cause = causes.cause(scene, found)
    if OF_TKG.intersection(broken):
        return failed(f"{_cannot(broken)}: {cause.what}", detail, fix=cause.fix)
    if unsure:
        what = f"whether {_listed(unsure)} can pull without a login is not told: {cause.what}"
        return untold(what, detail, fix=cause.fix)
    what = f"TKG can pull without a login, but {_cannot(broken)}: {cause.what}"
    return warned(what, detail, fix=cause.fix)


def _all_in(scene: Scene, found: Answers, detail: str) -> Verdict:
    """All five get in: as TKG's older ones surely would, too (facts A3, rules a and b)?"""
    at, header = scene.once(sample), ""
    given = found.root.challenges
    if found.root.status == 200 and let_in(found.bare):
        answer = found.bare
    elif found.root.status == 401 and [each.scheme for each in given] == ["bearer"]:
        challenge = first_of(found.root, "bearer")
        dance = dance_of(found, challenge) if challenge else None
        header = bearer(dance.token) if dance and dance.token else ""
        answer = (dance and dance.manifest) or found.bare
    else:
        sent = printable(", ".join(each.scheme for each in given), 60) or "no challenge"
        what = f"five clients of today can pull; older ones may stumble over GET /v2/: 401, {sent}"
        return warned(what, detail, fix=causes.ONE_WAY)
    if answer.status == 412:
        what = (
            f"a stranger is let in, and a rule of the project forbids {at}: {words(answer, header)}"
        )
        return warned(what, detail, fix="see REG-8; the rules of the project, not its logins")
    if answer.status == 404:
        return _empty(scene, answer, header, detail)
    how = "with a token that anybody gets" if header else "without any token"
    return passed(f"anybody can pull, {how}: {at} was read", detail)


def _empty(scene: Scene, answer: Answer, header: str, detail: str) -> Verdict:
    """What was asked for is not there: only a right that is written down shows anything then."""
    at = scene.once(sample)
    rights = claims.actions(header, at.repository)
    missing = f"{at} is not there yet"
    if (header and rights and "pull" in rights) or (not header and api_words(answer)):
        return passed(f"anybody may pull; {missing}", detail)
    if header and rights is None:
        what = f"{missing}, and the token does not say what it is good for"
    else:
        what = f"{missing}, or is hidden from strangers: GET answered 404"
    return untold(what, detail, fix="push an image, and ask again")


def _asked(scene: Scene) -> str:
    at = scene.once(sample)
    return f"asked for {at}" + ("" if at.awaited else ", which TKG asks for first")


def _cannot(clients: list[str]) -> str:
    if len(clients) == len(CLIENTS):
        return "nobody can pull without a login"
    return f"{_listed(clients)} cannot pull without a login"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


CHECKS = (
    Check(
        "REG-1",
        "everybody can pull without a login",
        pulls,
        requirement="R4",
        needs=("API-1",),
    ),
)
