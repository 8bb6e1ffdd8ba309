"""Why a stranger cannot pull, in words, and which setting of which product mends it."""

from __future__ import annotations

from typing import NamedTuple

from mirror.preflight import products
from mirror.preflight.clients import Answers, Dance, first_of, let_in, outcomes
from mirror.preflight.realm import trouble
from mirror.preflight.sample import sample, words
from mirror.preflight.scene import Scene
from mirror.registry.challenge import Challenge
from mirror.registry.probe import Answer, bearer
from mirror.text import printable


class Cause(NamedTuple):
    """``what`` as the end of a sentence; ``fix`` as the operator can do it."""

    what: str
    fix: str


ONE_WAY = "answer GET /v2/ with 200 to everybody, or with 401 and one Bearer challenge"

# Each product's switches for strangers who read (A5 of the facts; their own documentation).
_SWITCHES = {
    products.DISTRIBUTION: "take auth.htpasswd out of config.yml and let a reverse proxy ask for a"
    " login for all but GET and HEAD, or use auth.token with a service that lets strangers pull",
    products.ZOT: 'give the repositories "anonymousPolicy": ["read"] in http.accessControl',
    products.ARTIFACTORY: "switch Allow Anonymous Access on, give the user anonymous Read on the"
    " repository, and switch Force Authentication of the docker repository off",
    products.NEXUS: "switch anonymous access on, make the Docker Bearer Token Realm active, and set"
    " forceBasicAuth to false for the repository (by the REST API since 3.89)",
    products.ECR: "no setting does: private ECR knows no pull without a login;"
    " put a registry before it or in its place, Harbor for instance",
}
_NO_REGISTRY = "name the registry's own host and port: what answers there sends no images"
_ANY_SWITCH = "switch pulling without a login on, for every repository of TKG"


def cause(scene: Scene, found: Answers) -> Cause:
    """The first thing that is wrong, of those on the way of the clients that cannot pull."""
    if wrong := _of_root(found) or _of_challenges(scene, found):
        return wrong
    for dance in found.dances:
        if not let_in(dance.manifest):
            return _of_dance(scene, dance)
    if found.bare.status == 401:
        return Cause("every request asks for a login", switches(scene))
    why = next((each.why for each in outcomes(found) if each.works is not True), "")
    if let_in(found.bare):
        return Cause(why, "let HEAD through wherever GET is let through")
    fix = _NO_REGISTRY if found.bare.status == 200 else _ANY_SWITCH
    return Cause(f"{why}{_words(found.bare)}", fix)


def switches(scene: Scene) -> str:
    """What lets strangers pull from this product."""
    name = scene.once(products.product).name
    if name == products.HARBOR:
        return public(scene.once(sample).repository.partition("/")[0])
    return _SWITCHES.get(name, _ANY_SWITCH)


def public(project: str) -> str:
    """How a project of Harbor is made public."""
    return (
        f"make the project public: Projects > {project} > Configuration > Public, or"
        f' PUT /api/v2.0/projects/{project} {{"metadata": {{"public": "true"}}}}'
    )


def _of_root(found: Answers) -> Cause | None:
    """What is wrong at /v2/ alone: manifests would be open."""
    status = found.root.status
    if status not in (200, 401):
        what = f"GET /v2/ is answered {status}, whatever manifests are"
        return Cause(what, "let GET /v2/ through the proxy before it; " + ONE_WAY)
    if status == 200 and found.bare.status == 401 and first_of(found.bare, "bearer"):
        what = "GET /v2/ says that nobody has to log in, and manifests ask for a token"
        return Cause(what, "answer GET /v2/ with 401 and the challenge that manifests have")
    if status == 401 and let_in(found.bare) and not first_of(found.root, "bearer"):
        schemes = [each.scheme.title() for each in found.root.challenges] or ["no way named"]
        what = f"GET /v2/ asks for a login ({printable(schemes[0], 20)}), though manifests are open"
        return Cause(what, "let GET /v2/ be open as manifests are: " + ONE_WAY)
    return None


def _of_challenges(scene: Scene, found: Answers) -> Cause | None:
    """What is wrong with what it asks for."""
    given = found.root.challenges or found.bare.challenges
    schemes = [each.scheme for each in given]
    if "basic" in schemes and "bearer" in schemes:
        what = f"it names {len(given)} ways to log in, {' and '.join(schemes)}"
        return Cause(
            printable(what),
            "send one challenge, the Bearer one: switch the other way to log in off",
        )
    if any(_unquoted(each, found) for each in given):
        what = (
            "clients cannot read the realm of its Bearer challenge: no quotes, or blanks around ="
        )
        return Cause(what, 'write realm="...",service="..." in its WWW-Authenticate header')
    if schemes and "bearer" not in schemes:
        what = f"every request asks for a login ({printable(schemes[0].title(), 20)})"
        return Cause(what, switches(scene))
    return None


def _unquoted(challenge: Challenge, found: Answers) -> bool:
    """True where Go's clients read another realm than is written."""
    read = [each.challenge.parameters.get("realm") for each in found.dances]
    realm = challenge.parameters.get("realm")
    return challenge.scheme == "bearer" and bool(realm and read) and realm not in read


def _of_dance(scene: Scene, dance: Dance) -> Cause:
    """What is wrong on the way to a token, or with what it is good for."""
    if wrong := trouble(scene, dance.challenge):
        return Cause(wrong.what, wrong.fix)
    if dance.token is None or dance.manifest is None:
        status = dance.token.status if dance.token else 0
        what = f"its token service gives a stranger none (it answered {status})"
        return Cause(what, switches(scene))
    return _of_right(scene, dance.manifest, bearer(dance.token) if dance.token else "")


def _of_right(scene: Scene, answer: Answer, authorization: str) -> Cause:
    at = scene.once(sample)
    project = at.repository.partition("/")[0]
    told = _words(answer, authorization)
    if answer.status == 401 and answer.header("www-authenticate") == "":
        what = f"there is no project {project}{told}"
        return Cause(what, "create the project and make it public: see REG-5")
    if scene.once(products.product).name == products.HARBOR and answer.status == 401:
        return Cause(f"the project {project} is private{told}", switches(scene))
    if answer.status == 200:
        return Cause(f"GET of the manifest is answered 200 and no manifest{told}", _NO_REGISTRY)
    what = f"the token that a stranger gets gives no right to {at.repository}"
    return Cause(f"{what}: GET is answered {answer.status}{told}", switches(scene))


def _words(answer: Answer, authorization: str = "") -> str:
    text = words(answer, authorization)
    return f" ({text})" if text else ""
