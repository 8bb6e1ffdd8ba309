"""API: which product a registry is. Selects further checks, and never decides about any."""

from __future__ import annotations

import re
from typing import NamedTuple

from mirror.errors import RegistryFault
from mirror.preflight.interface import Check, Verdict, passed, skipped, warned
from mirror.preflight.sample import settled
from mirror.preflight.scene import Scene
from mirror.preflight.service import root
from mirror.registry.probe import Answer
from mirror.text import printable


class Product(NamedTuple):
    """``name`` is empty where it could not be told; ``version`` where it does not say."""

    name: str = ""
    version: str = ""
    signs: tuple[str, ...] = ()
    """What it was recognised by, for people."""


HARBOR = "Harbor"
DISTRIBUTION = "Distribution"
ZOT = "zot"
ARTIFACTORY = "Artifactory"
NEXUS = "Nexus"
ECR = "Amazon ECR"

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,40}")
_ECR_HOST = re.compile(r"\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)")


def product(scene: Scene) -> Product:
    """Ask as a stranger; use it as ``scene.once(product)``.

    What /v2/ shows comes first, since each further question costs zot's ``failDelay`` where it
    refuses. Distribution is last: others are built on it, and answer in its words.
    """
    first = scene.once(root)
    return (
        _ecr(scene, first)
        or _harbor(scene, first)
        or _artifactory_by_header(scene, first)
        or _nexus_by_header(first)
        or _zot(scene)
        or _distribution(first)
        or _artifactory(scene)
        or _nexus(scene)
        or Product()
    )


def _harbor(scene: Scene, first: Answer) -> Product | None:
    if not any(each.parameters.get("service") == "harbor-registry" for each in first.challenges):
        return None
    try:
        ping = settled(scene, scene.stranger.ask("GET", "/api/v2.0/ping"), "GET /api/v2.0/ping")
    except RegistryFault:
        # Too busy or broken to say so is no other product: its projects are not to be passed over.
        return Product(HARBOR, signs=("the service of its challenge, harbor-registry",))
    if ping.status != 200 or ping.media_type == "text/html" or ping.body.strip() != b"Pong":
        return None
    # Since 2.13 only somebody with an account is told.
    info = _ask(scene, "/api/v2.0/systeminfo")
    version = _version(info.object().get("harbor_version")) if info else ""
    return Product(HARBOR, version, ("GET /api/v2.0/ping answered Pong",))


def _ecr(scene: Scene, first: Answer) -> Product | None:
    if _ECR_HOST.fullmatch(scene.target.host):
        return Product(ECR, signs=(f"its name, {scene.target.host}",))
    if any(each.parameters.get("service") == "ecr.amazonaws.com" for each in first.challenges):
        return Product(ECR, signs=('its challenge, service="ecr.amazonaws.com"',))
    return None


def _artifactory_by_header(scene: Scene, first: Answer) -> Product | None:
    server = first.header("server")
    version = first.header("x-jfrog-version") or server.partition("/")[2]
    names = ("x-jfrog-version", "x-artifactory-id", "x-artifactory-node-id")
    signs = [f"header {name}" for name in names if first.header(name)]
    if not signs and not server.startswith("Artifactory/"):
        return None
    if not version:
        asked = _ask(scene, "/artifactory/api/system/version")
        version = str(asked.object().get("version")) if asked else ""
    # "Artifactory/7.90.1 79001900": the build stands behind the version.
    number = _version(version.removeprefix("Artifactory/").partition(" ")[0])
    return Product(ARTIFACTORY, number, tuple(signs or ["header server"]))


def _nexus_by_header(first: Answer) -> Product | None:
    server = first.header("server")
    if server.startswith("Nexus/"):
        return Product(NEXUS, _version(server.split("/", 1)[1].split(" ")[0]), ("header server",))
    realms = [each.parameters.get("realm", "") for each in first.challenges]
    if any("Sonatype Nexus" in realm for realm in realms):
        return Product(NEXUS, signs=("the realm of its challenge",))
    return None


def _zot(scene: Scene) -> Product | None:
    path = "/v2/_zot/ext/mgmt"
    told = _ask(scene, path)
    fields = told.object() if told else {}
    if "distSpecVersion" in fields or "binaryType" in fields:
        return Product(ZOT, _version(fields.get("releaseTag")), (f"GET {path}",))
    path = "/v2/_oci/ext/discover"
    told = _ask(scene, path)
    listed = told.object().get("extensions") if told else None
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and each.get("name") == "_zot":
            return Product(ZOT, signs=(f"GET {path}",))
    return None


def _distribution(first: Answer) -> Product | None:
    if first.header("docker-distribution-api-version") != "registry/2.0" or first.header("server"):
        return None
    if first.status not in (200, 401) or (first.status == 200 and first.body.strip() != b"{}"):
        return None
    # 2.x writes the charset, 3.x does not (measured): a hint, which a proxy can change.
    charset = "charset" in first.header("content-type").lower()
    signs = ("header docker-distribution-api-version and no header server",)
    json = first.media_type == "application/json"
    return Product(DISTRIBUTION, ("2.x" if charset else "3.x") if json else "", signs)


def _artifactory(scene: Scene) -> Product | None:
    path = "/artifactory/api/system/ping"
    ping = _ask(scene, path)
    if ping is None or ping.body.strip() != b"OK":
        return None
    asked = _ask(scene, "/artifactory/api/system/version")
    return Product(
        ARTIFACTORY, _version(asked.object().get("version")) if asked else "", (f"GET {path}",)
    )


def _nexus(scene: Scene) -> Product | None:
    path = "/service/rest/v1/status"
    status = _ask(scene, path)
    # Anything may answer 200 there; only Nexus names itself.
    if status is None or not status.header("server").startswith("Nexus/"):
        return None
    return Product(NEXUS, _version(status.header("server")[6:].split(" ")[0]), (f"GET {path}",))


def _ask(scene: Scene, path: str) -> Answer | None:
    """A 200 that is no web page; None for all else: a question in vain is no finding."""
    try:
        answer = settled(scene, scene.stranger.ask("GET", path), f"GET {path}")
    except RegistryFault:
        return None
    return answer if answer.status == 200 and answer.media_type != "text/html" else None


def _version(value: object) -> str:
    """A version that looks like one, else nothing."""
    text = value if isinstance(value, str) else ""
    return text if _VERSION.fullmatch(text) else ""


def known(scene: Scene) -> Verdict:
    """API-2. Each product has its own switches, which other checks name in what they advise."""
    found = scene.once(product)
    if not found.name:
        what = "its product could not be told; nothing but advice depends on it"
        return skipped(what, f"GET /v2/ sent {_headers(scene.once(root))}")
    name = f"{found.name} {found.version}".strip()
    detail = "recognised by " + ", ".join(found.signs)
    if found.name == ARTIFACTORY:
        # A5 of the facts: on CISA's list of what is exploited, and anonymous access need not be on.
        what = f"it is {name}: releases without the fix for CVE-2026-42018 give strangers a token"
        fix = "compare its version with JFrog's advisory for CVE-2026-42018, and update"
        return warned(what, detail, fix=fix)
    return passed(f"it is {name}", detail)


def _headers(answer: Answer) -> str:
    return printable(", ".join(sorted(answer.headers))) or "no headers"


CHECKS = (Check("API-2", "its product is known", known, needs=("API-1",)),)
