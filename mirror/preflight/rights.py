"""REG-3, REG-4 and REG-6: are the credentials good, may they write, does it take writes at all?"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from mirror.errors import Fault
from mirror.preflight import harbor_api, writing
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.products import HARBOR, product
from mirror.preflight.project import place
from mirror.preflight.scene import Scene
from mirror.preflight.standing import Standing, Voice, good, harbor_get, standing, usable, voice
from mirror.preflight.writing import Attempt, Reading
from mirror.registry.probe import Probe
from mirror.settings import (
    MAX_NAMES_SHOWN,
    PREFLIGHT_AT_A_TIME,
    PREFLIGHT_REPOSITORIES,
    PREFLIGHT_WRITES_SECONDS,
)
from mirror.text import printable
from mirror.transfer.crew import Crew

_DELETE = "pull,push,delete"
Question = Callable[[Probe, str, str, Callable[[], str]], Attempt]


class Writes(NamedTuple):
    """What came of trying to write to every repository."""

    attempts: tuple[Attempt, ...]
    """The first repository's first."""
    wanted: int
    """How many repositories there are to try."""
    second: Attempt | None = None
    """The second question, about the first repository, where it was asked."""
    troubles: tuple[str, ...] = ()
    """What kept a repository from an answer."""

    @property
    def reading(self) -> Reading:
        """What the first repository says of the whole registry."""
        if self.second and self.second.reading in (Reading.CACHE, Reading.READ_ONLY, Reading.ODD):
            return self.second.reading
        return self.attempts[0].reading

    @property
    def evidence(self) -> str:
        """Each attempt in a line, the most telling first."""
        telling = sorted(self.attempts, key=lambda each: each.reading is Reading.MAY)
        lines = [f"PUT of an invalid manifest to {each}" for each in telling]
        lines += [f"PUT of a manifest without its blobs to {self.second}"] if self.second else []
        return "\n".join([*self.troubles, *lines][:MAX_NAMES_SHOWN])


def writes(scene: Scene) -> Writes:
    """Try to write everywhere; use it as ``scene.once(writes)``, where the standing is usable."""
    if scene.question.create_project:
        with suppress(Fault):
            scene.once(place)
    names, known = _to_try(scene), scene.once(voice)
    nobody = known.whose.login is None
    first = scene.once(writing.stranger) if nobody else _attempt(known, names[0])
    if first.reading is not Reading.MAY:
        return Writes((first,), len(names))
    if scene.once(product).name == HARBOR:
        return _rest(scene, known, names, Writes((first,), len(names)))
    second = writing.stranger_again
    again = scene.once(second) if nobody else _attempt(known, names[0], writing.incomplete)
    begun = Writes((first,), len(names), again)
    told = begun.second is not None and begun.second.reading is not Reading.MAY
    return begun if told else _rest(scene, known, names, begun)


def _to_try(scene: Scene) -> tuple[str, ...]:
    """Every repository; of a Harbor, which decides by project, one of each project."""
    names = writing.repositories(scene)
    if scene.once(product).name != HARBOR:
        return names
    return tuple({name.partition("/")[0]: name for name in reversed(names)}.values())


def _attempt(known: Voice, name: str, question: Question = writing.misnamed) -> Attempt:
    header = known.header(name)
    return question(known.probe, name, header, lambda: known.header(name, _DELETE))


def _rest(scene: Scene, known: Voice, names: tuple[str, ...], begun: Writes) -> Writes:
    """The other repositories, as many as there is time for."""
    until = max(scene.remaining - PREFLIGHT_WRITES_SECONDS, 0)

    def act(name: str) -> Attempt | None:
        return _attempt(known, name) if scene.remaining > until else None

    outcomes = Crew(PREFLIGHT_AT_A_TIME, keep_going=True).run(names[1:PREFLIGHT_REPOSITORIES], act)
    found = sorted((o.result for o in outcomes if o.result), key=lambda each: each.repository)
    troubles = tuple(sorted(f"{o.item}: {printable(str(o.fault))}" for o in outcomes if o.fault))
    return begun._replace(attempts=(*begun.attempts, *found), troubles=troubles)


# --- the checks -------------------------------------------------------------------------------


def authenticated(scene: Scene) -> Verdict:
    """REG-3. Harbor and some token services take a wrong password for nobody's, without a word."""
    return scene.once(standing).verdict


def may_write(scene: Scene) -> Verdict:
    """REG-4. Tried by a manifest that no registry stores (facts: measured on each of them)."""
    whose = scene.once(standing)
    if not whose.usable:
        return whose.lacking
    found = scene.once(writes)
    if found.reading in _OTHERS_MATTER:
        return untold(f"cannot be told before {_OTHERS_MATTER[found.reading]} is mended")
    for judge in (_stored, _refused, _unclear):
        if verdict := judge(scene, whose, found):
            return verdict
    count = len(found.attempts)
    harbor = scene.once(product).name == HARBOR
    one = found.attempts[0].repository
    where = f"project {one.partition('/')[0]}" if harbor else one
    if count > 1:
        where = f"{count} {'projects' if harbor else 'repositories'}"
    said = f"{whose.name} may write to {where}"
    if found.second and found.second.remains:
        said = f"{said}; {writing.LEFT}: {found.second.remains}"
        return warned(said, found.evidence, fix="delete it: its config is a blob that nobody has")
    return passed(said, found.evidence)


_OTHERS_MATTER = {
    Reading.READ_ONLY: "REG-6",
    Reading.CACHE: "REG-6",
    Reading.NO_PROJECT: "REG-5",
    Reading.PROXY_PROJECT: "REG-5",
}


def _stored(_scene: Scene, _whose: Standing, found: Writes) -> Verdict | None:
    wrong = next((each for each in found.attempts if each.reading is Reading.STORED), None)
    if wrong is None:
        return None
    said = f"it stores a manifest under a digest that is not its own ({wrong.answer.status})"
    said += f"; {writing.LEFT}: {wrong.remains}" if wrong.remains else ""
    fix = "use a registry that verifies digests: pulls by digest cannot be trusted here"
    return failed(said, found.evidence, fix=fix)


def _refused(scene: Scene, whose: Standing, found: Writes) -> Verdict | None:
    attempts = [*found.attempts, *([found.second] if found.second else [])]
    for reading, (said, fix) in _REFUSALS.items():
        names = [each.repository for each in attempts if each.reading is reading]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            if reading is Reading.MAY_NOT and scene.once(product).name == HARBOR:
                fix = _HARBOR_ROLE.format(project=names[0].partition("/")[0])
            summary = said.format(who=whose.name, where=f"{names[0]}{more}")
            return failed(summary, found.evidence, fix=fix.format(first=names[0]))
    return None


_HARBOR_ROLE = (
    "Projects > {project} > Members: give it the role Developer; a robot: Push and Pull Repository"
)
_REFUSALS = {
    Reading.MAY_NOT: (
        "{who} may not write to {where}",
        "give this account the right to push there, or name another one with --username",
    ),
    Reading.NO_REPOSITORY: (
        "there is no repository {where}, and a push does not make one",
        "make it first; at ECR: aws ecr create-repository --repository-name {first}",
    ),
    Reading.BAD_NAME: (
        "it takes no repository of the name {where}",
        "choose another project in DEST: it allows no name of that form or depth",
    ),
}


_ODD = (
    "see in the logs, of the registry and of a proxy before it, who answers a PUT of a manifest so"
)


def _unclear(_scene: Scene, _whose: Standing, found: Writes) -> Verdict | None:
    """No answer is no pass, for a single repository either."""
    attempts = [*found.attempts, *([found.second] if found.second else [])]
    odd = [each for each in attempts if each.reading is Reading.ODD]
    if odd:
        where, status = odd[0].repository, odd[0].answer.status
        said = f"an attempt to write to {where} answered {status}, which is neither yes nor no"
        return untold(said, found.evidence, fix=_ODD)
    tried = len(found.attempts)
    if tried < found.wanted:
        said = f"only {tried} of {found.wanted} repositories could be tried"
        return untold(said, found.evidence, fix="run it again when the registry is less busy")
    return None


def writable(scene: Scene) -> Verdict:
    """REG-6. Maintenance ends some day, a cache of another registry takes no push ever."""
    harbor = scene.once(product).name == HARBOR
    if harbor and good(scene):
        told = harbor_api.read_only(harbor_get(scene, "/systeminfo").json())
        if told is not None:
            said = "GET /api/v2.0/systeminfo: read_only is {}"
            return (
                _maintenance(said.format("true"), harbor=True)
                if told
                else (passed("Harbor is not read-only", said.format("false")))
            )
    known = usable(scene)
    if known:
        found = scene.once(writes)
        reading, evidence = found.reading, found.evidence
    else:
        attempt = scene.once(writing.stranger)
        reading, evidence = attempt.reading, f"PUT of an invalid manifest to {attempt}"
    if reading in (Reading.READ_ONLY, Reading.CACHE):
        return _maintenance(evidence, harbor=harbor, cache=reading is Reading.CACHE)
    if reading is Reading.ODD:
        return untold("it does not say whether it takes writes", evidence, fix=_ODD)
    if not known and not harbor:
        # Only Harbor speaks of its read-only mode before it asks who one is (measured).
        return scene.once(standing).lacking
    if harbor or reading in (Reading.MAY, Reading.STORED):
        return passed("it takes writes", evidence)
    return untold("nobody was let in to see: cannot be told before REG-4 is mended", evidence)


def _maintenance(evidence: str, *, harbor: bool, cache: bool = False) -> Verdict:
    if cache:
        fix = "push to a registry of its own; this one has proxy.remoteurl set, and takes no push"
        return failed("it is a pull-through cache of another registry", evidence, fix=fix)
    fix = "end its maintenance: storage.maintenance.readonly.enabled: false, and restart it"
    if harbor:
        fix = "Administration > Configuration > System Settings: clear Repository Read Only"
    return failed("it is read-only", evidence, fix=fix)


CHECKS = (
    Check("REG-3", "the credentials are good", authenticated, needs=("API-1",)),
    Check("REG-4", "they may write to every repository", may_write, needs=("API-1",)),
    Check("REG-6", "it takes writes", writable, needs=("API-1",)),
)
