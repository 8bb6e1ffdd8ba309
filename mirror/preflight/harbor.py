"""REG-5, REG-8, REG-9 and REG-10: what Harbor's projects and their policies do to pulls."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mirror.errors import Fault
from mirror.preflight import harbor_api, writing
from mirror.preflight.harbor_api import VITAL, Project
from mirror.preflight.interface import (
    Check,
    Verdict,
    failed,
    passed,
    skipped,
    untold,
    warned,
)
from mirror.preflight.products import HARBOR, product
from mirror.preflight.project import Place, place, unread, wanted
from mirror.preflight.scene import Scene
from mirror.preflight.service import root
from mirror.preflight.standing import GIVE, good, harbor_get, standing
from mirror.preflight.wording import are

_NOT_HARBOR = skipped("only Harbor has this")
_FIRST = untold("cannot be told before REG-5 is mended")


def public_project(scene: Scene) -> Verdict:
    """REG-5. The project is there, public, and no proxy cache; elsewhere there are no projects."""
    if scene.once(product).name != HARBOR:
        return _elsewhere(scene)
    found = scene.once(place)
    if not found.name:
        fix = f"name one: {scene.target.authority}/PROJECT; --create-project makes it"
        return failed("DEST names no project, and Harbor has nothing outside of one", fix=fix)
    if found.project is None:
        return _absent(scene, found)
    if found.project.proxy_cache:
        fix = "name another project: this one takes no pushes, and fetches from elsewhere"
        return failed(f"project {found.name} is a proxy cache of another registry", fix=fix)
    if not found.public:
        fix = f"Projects > {found.name} > Configuration: tick Public"
        said = f"project {found.name} is private: TKG pulls without any login"
        return failed(f"{said}{_after(found)}", fix=fix)
    return passed(f"project {found.name} is public, and no proxy cache{_after(found)}")


def _elsewhere(scene: Scene) -> Verdict:
    """Only Harbor has projects; but at ECR a push makes no repositories."""
    challenges = scene.once(root).challenges
    if any(each.parameters.get("service") == "ecr.amazonaws.com" for each in challenges):
        names = writing.repositories(scene)
        said = f"at ECR a push makes no repository: {len(names)} must be there before"
        fix = f"for each of them: aws ecr create-repository --repository-name {names[0]}"
        return warned(said, "\n".join(names), fix=fix)
    return skipped("only Harbor has projects")


def _after(found: Place) -> str:
    return f" (--create-project: {found.made})" if found.made else ""


def _absent(scene: Scene, found: Place) -> Verdict:
    """Missing, or hidden from whoever asks: a fault in each case, mended in another way."""
    if found.exists:
        fix = f"Projects > {found.name} > Configuration: tick Public"
        said = f"project {found.name} is private: TKG pulls without any login"
        return failed(f"{said}{_after(found)}", fix=fix)
    again = "" if found.made else "give --create-project with credentials, or in Harbor: "
    fix = f"{again}Projects > New Project {found.name}, Access Level Public"
    said = f"there is no project {found.name}"
    if found.exists is None:
        said = f"there is no public project {found.name}: it is missing or private"
    return failed(f"{said}{_after(found)}", _by_hand(scene, found.name), fix=fix)


def _by_hand(scene: Scene, name: str) -> str:
    scheme = "http" if scene.question.access.plain_http else "https"
    url = f"{scheme}://{scene.target.authority}{harbor_api.ROOT}/projects"
    body = json.dumps(wanted(name))
    return f"curl -u ADMIN {url} -H 'Content-Type: application/json' -d '{body}'"


def _project(scene: Scene) -> Project | Verdict:
    """The project as it could be seen, or the verdict of a check that needs it."""
    if scene.once(product).name != HARBOR:
        return _NOT_HARBOR
    return scene.once(place).project or _FIRST


def pulls_allowed(scene: Scene) -> Verdict:
    """REG-8. Signature and scan policies answer every pull with 412, administrators' too."""
    found = _project(scene)
    if isinstance(found, Verdict):
        return found
    where = f"Projects > {found.name} > Configuration"
    signed = [label for setting, label in _SIGNED.items() if found.on(setting)]
    detail = "\n".join(f"{name}: {text}" for name, text in sorted(found.metadata.items()))
    if signed:
        said = f"images without a {signed[0]} signature cannot be pulled (412)"
        return failed(said, detail, fix=f"{where}: clear {signed[0]} under Deployment security")
    if not found.on("prevent_vul"):
        return passed("no policy of the project stops a pull", detail)
    fix = f"{where}: clear Prevent vulnerable images from running"
    worst = found.metadata.get("severity", "any severity")
    said = f"images that are not scanned, or have findings of {worst} or worse, cannot be pulled"
    if any(each.name == harbor_api.SCANNER for each in _components(scene)):
        return failed(f"{said} (412)", detail, fix=fix)
    return warned(f"{said} as soon as Harbor has a scanner", detail, fix=fix)


_SIGNED = {"enable_content_trust_cosign": "Cosign", "enable_content_trust": "Notary or Notation"}


def tags_stay(scene: Scene) -> Verdict:
    """REG-9. A retention policy deletes tags; rules for immutable tags refuse to replace them.

    Immutability breaks nothing: a push skips tags that are there, and TKG never replaces one.
    """
    found = _project(scene)
    if isinstance(found, Verdict):
        return found
    if found.retention and (verdict := _retained(scene, found)):
        return verdict
    if not good(scene):
        return _unasked(scene)
    rules = harbor_get(scene, f"/projects/{found.name}/immutabletagrules")
    count = harbor_api.immutable(rules.json()) if rules.status == 200 else None
    if rules.status in (401, 403):
        fix = "ask a project admin, or run it as one: Projects > Policy > Tag Immutability"
        return warned("rules for immutable tags are not visible to this account", fix=fix)
    if count is None:
        return untold(f"its rules for immutable tags are not readable: {rules.status}", rules.text)
    kept = "no tag is deleted by a retention policy"
    if count:
        make = "one rule makes" if count == 1 else f"{count} rules make"
        return passed(f"{kept}; {make} tags immutable: what is pushed stays")
    return passed(f"{kept}, and none is immutable")


def _unasked(scene: Scene) -> Verdict:
    lacking = scene.once(standing).lacking
    said = "no retention policy; rules for immutable tags are told only with credentials"
    return lacking if lacking.unknown else skipped(said, fix=GIVE)


def _retained(scene: Scene, found: Project) -> Verdict | None:
    """What a retention policy will do; None where it deletes nothing."""
    fix = f"Projects > {found.name} > Policy > Tag Retention: delete it, or retain always **"
    answer = harbor_get(scene, f"/retentions/{found.retention}")
    policy = harbor_api.retention(answer.json()) if answer.status == 200 else None
    if policy is None:
        said = f"a retention policy ({found.retention}) may delete tags; it is not visible to us"
        return warned(said, f"it answered {answer.status}", fix=fix)
    if not policy.rules or any(rule.everything for rule in policy.rules):
        return None
    when = f"it runs at {policy.schedule}" if policy.schedule else "it runs by hand"
    kept = ", ".join(rule.template for rule in policy.rules)
    said = f"a retention policy deletes every tag that its rules do not keep ({kept}); {when}"
    return warned(said, fix=fix)


def health(scene: Scene) -> Mapping[str, bool]:
    """Whether each component is well, by name; for ``scene.once(health)``."""
    answer = scene.stranger.ask("GET", f"{harbor_api.ROOT}/health")
    found = harbor_api.components(answer.json()) if answer.status == 200 else ()
    if not found:
        raise unread(scene, "its health", answer)
    ill = {each.name for each in found if not each.healthy}
    return {each.name: each.name not in ill for each in found}


def _components(scene: Scene) -> tuple[harbor_api.Component, ...]:
    try:
        return tuple(harbor_api.Component(*each) for each in scene.once(health).items())
    except Fault:
        return ()


def components_well(scene: Scene) -> Verdict:
    """REG-10. Harbor tells everybody how its components are; silence about one is no good word.

    Its own answer names each of the vital ones (controller/health), so that one without them is
    cut short, or another's.
    """
    if scene.once(product).name != HARBOR:
        return _NOT_HARBOR
    states = scene.once(health)
    ill = sorted(name for name, well in states.items() if not well)
    detail = ", ".join(
        f"{name}: {'healthy' if well else 'unhealthy'}" for name, well in (sorted(states.items()))
    )
    vital = [name for name in ill if name in VITAL]
    services = " ".join(_SERVICES.get(name, name) for name in vital or ill)
    fix = f"on its host: docker compose ps, and docker compose logs {services}"
    if vital:
        said = f"Harbor's {', '.join(vital)} {are(len(vital))} not well"
        return failed(said, detail, fix=fix)
    if absent := sorted(VITAL - states.keys()):
        said = f"Harbor does not say how its {', '.join(absent)} {are(len(absent))}"
        return untold(said, detail, fix="on its host: docker compose ps")
    if ill:
        said = f"Harbor's {', '.join(ill)} {are(len(ill))} not well; pulls and pushes do without"
        return warned(said, detail, fix=fix)
    return passed(f"all {len(states)} components of Harbor are well", detail)


# Two components have another name in Harbor's docker-compose.yml.
_SERVICES = {"database": "postgresql", "trivy": "trivy-adapter"}

CHECKS = (
    Check(
        "REG-5",
        "its project is there, public, and takes images",
        public_project,
        requirement="R4",
        needs=("API-1",),
    ),
    Check("REG-8", "no policy stops pulls", pulls_allowed, needs=("API-1",)),
    Check("REG-9", "tags stay", tags_stay, needs=("API-1",)),
    Check("REG-10", "its components are well", components_well, needs=("API-1",)),
)
